"""Control messages of every method: each once, at its sender; streams that were captured in part."""

import json
import struct

import pytest
import synthetic
from dnslib import AAAA, EDNS0, QTYPE, RR, A, DNSRecord, EDNSOption
from synthetic import Connection, Run, a_plan

from experiments.measurement import dns, http, routing, signalling
from meclab import routers
from meclab.packets import BFD_PORT, CALLBACK_PORT, DEVICE_CONTROL_PORT, DNS_PORT, RULES_PORT

NAME = "app.edge.example"
MS = 1_000_000


def at(run, name, port=0):
    """Address, port and interface of a node or device in IPv4."""
    plan = run.plan
    node = next(part for part in (*plan.nodes, *plan.devices) if part.name == name)
    return str(node.ipv4), port, node.interface


def subnet(text):
    address, _, length = text.partition("/")
    packed = bytes(int(part) for part in address.split("."))[: (int(length) + 7) // 8]
    return EDNSOption(8, struct.pack("!HBB", 1, int(length), 0) + packed)


def query(kind="A", name=NAME, ecs=None):
    record = DNSRecord.question(name, kind)
    if ecs:
        record.add_ar(EDNS0(opts=[subnet(ecs)]))
    return record


def answer(asked, *addresses, ttl=10):
    reply = asked.reply()
    for address in addresses:
        kind, data = (QTYPE.AAAA, AAAA(address)) if ":" in address else (QTYPE.A, A(address))
        reply.add_answer(RR(asked.q.qname, kind, ttl=ttl, rdata=data))
    return reply


def read(run, tmp_path):
    return signalling.signalling(run.plan, run.traffic(tmp_path))


def rows(run, tmp_path, *columns):
    return [tuple(getattr(message, column) for column in columns) for message in read(run, tmp_path)]


def ask(run, ms, asker, server, record, reply):
    """A query and its answer 4 ms later, seen at both ends."""
    (source, _, near), (target, _, far) = at(run, asker), at(run, server)
    run.udp(ms, (near, far), (source, 40000), (target, DNS_PORT), record.pack())
    run.udp(ms + 4, (far, near), (target, DNS_PORT), (source, 40000), reply.pack())


def test_a_lookup_counts_once_at_each_sender_with_name_type_code_and_addresses(tmp_path):
    run = Run(a_plan("easdf"))
    asked, onward = query(), query(ecs="10.45.0.1/32")
    ask(run, 10, "ue1", "easdf", asked, answer(asked, "10.1.2.10"))
    ask(run, 12, "easdf", "adns", onward, answer(onward, "10.1.2.10"))
    assert rows(run, tmp_path, "sender", "message", "device", "own", "role") == [
        ("ue1", "A app.edge.example.", "ue1", True, "dns"),
        ("easdf", "A app.edge.example.", "ue1", True, "dns"),
        ("easdf", "A app.edge.example. NOERROR 10.1.2.10", "ue1", True, "dns"),
        ("adns", "A app.edge.example. NOERROR 10.1.2.10", "", True, "dns"),
    ]
    assert read(run, tmp_path)[0].size_bytes == len(asked.pack())


def test_a_message_behind_a_resolver_is_about_a_device_only_by_a_subnet_that_is_its_address(tmp_path):
    run = Run(a_plan("ecs"))
    for ms, ecs in ((10, "100.64.1.0/24"), (20, "10.45.0.1/32"), (30, "10.45.0.0/24"), (40, None)):
        (source, _, near), (target, _, _) = at(run, "rdns"), at(run, "adns")
        run.udp(ms, (near,), (source, 40000), (target, DNS_PORT), query(ecs=ecs).pack())
    assert [device for (device,) in rows(run, tmp_path, "device")] == ["", "ue1", "", ""]


def test_lookups_are_no_signalling_of_a_method_that_looks_nothing_up(tmp_path):
    run = Run(a_plan("vip"))
    run.udp(10, ("ue1-eth0",), ("10.45.0.1", 40000), ("10.0.9.9", DNS_PORT), query().pack())
    assert rows(run, tmp_path, "own") == [(False,)]


def test_names_that_are_not_the_applications_are_no_signalling_of_the_method(tmp_path):
    run = Run(a_plan("ecs"))
    for ms, name in ((10, "edge.example"), (20, "ns.edge.example"), (30, "wedge.example"), (40, "handover")):
        run.udp(ms, ("rdns-eth0",), ("10.0.17.10", 40000), ("10.0.18.10", DNS_PORT), query(name=name).pack())
    run.udp(50, ("rdns-eth0",), ("10.0.17.10", 40000), ("10.0.18.10", DNS_PORT), b"noise")
    assert [own for (own,) in rows(run, tmp_path, "own")] == [True, True, False, False, False]


def test_the_shared_address_of_a_resolver_counts_at_the_host_that_answered(tmp_path):
    run = Run(a_plan("ecs"))
    resolver, asked = str(run.plan.resolver_ipv4), query()
    run.udp(10, ("ue1-eth0", "fwd2-eth0"), ("10.45.0.1", 40000), (resolver, DNS_PORT), asked.pack())
    run.udp(
        14, ("fwd2-eth0", "ue1-eth0"), (resolver, DNS_PORT), ("10.45.0.1", 40000), answer(asked, "10.1.2.10").pack()
    )
    assert rows(run, tmp_path, "sender", "at_ns") == [("ue1", run.at(10)), ("fwd2", run.at(14))]


def test_lookups_over_tcp_are_messages_too(tmp_path):
    run = Run(a_plan("easdf"))
    asked = query("AAAA")
    connection = Connection(run, at(run, "ue1", 40001), at(run, "easdf", DNS_PORT)).open(10)
    for outgoing, ms, message in ((True, 14, asked), (False, 20, answer(asked, "2001:db8:1:2::10"))):
        packed = message.pack()
        connection.say(ms, outgoing, struct.pack("!H", len(packed)) + packed[:5])
        connection.say(ms + 2, outgoing, packed[5:])
    assert rows(run, tmp_path, "at_ns", "message", "size_bytes") == [
        (run.at(16), "AAAA app.edge.example.", len(asked.pack())),
        (run.at(22), "AAAA app.edge.example. NOERROR 2001:db8:1:2::10", len(answer(asked, "2001:db8:1:2::10").pack())),
    ]


def test_dnslib_and_the_captures_reader_agree():
    asked = query("AAAA", ecs="10.45.3.0/24")
    reply = answer(asked, "2001:db8:1:2::10", "2001:db8:1:1::10", ttl=7)
    reply.add_ar(EDNS0(opts=[subnet("10.45.3.0/24")]))
    found = dns.parse(reply.pack())
    assert (found.is_response, found.name, found.kind, found.rcode) == (True, "app.edge.example.", "AAAA", "NOERROR")
    assert [(str(a.address), a.ttl_s) for a in found.answers] == [("2001:db8:1:2::10", 7), ("2001:db8:1:1::10", 7)]
    assert str(found.subnet) == "10.45.3.0/24"
    refused = asked.reply()
    refused.header.rcode = 3
    assert dns.parse(refused.pack()).text == "AAAA app.edge.example. NXDOMAIN"


def test_a_dns_message_cut_anywhere_is_read_as_far_as_it_goes():
    whole = answer(query(ecs="10.45.0.1/32"), "10.1.2.10").pack()
    texts = [parsed.text for end in range(len(whole) + 1) if (parsed := dns.parse(whole[:end])) is not None]
    assert set(texts) == {"A app.edge.example. NOERROR", "A app.edge.example. NOERROR 10.1.2.10"}
    assert dns.parse(b"") is None
    assert dns.parse(bytes(5)) is None


def test_a_name_that_points_at_itself_is_no_name():
    header = struct.pack("!HHHHHH", 1, 0, 1, 0, 0, 0)
    assert dns.parse(header + b"\xc0\x0c" + bytes(4)) is None


def test_a_dns_stream_ends_at_a_message_that_is_not_whole():
    assert list(dns.split(b"\0\3abc\0\2de\0\5f")) == [(2, 5), (7, 9)]
    assert list(dns.split(b"\0\0\0\0")) == []


def test_notices_to_a_device_and_its_acknowledgements_are_told_by_their_kind(tmp_path):
    run = Run(a_plan("edge-dns"))
    ops, ue = at(run, "ops", 50000), at(run, "ue1", DEVICE_CONTROL_PORT)
    notice = {"kind": "resolver", "sequence": 1, "ipv4": "10.1.2.10", "ipv6": "2001:db8:1:2::10"}
    run.udp(10, (ops[2], ue[2]), ops[:2], ue[:2], json.dumps(notice).encode())
    run.udp(20, (ue[2], ops[2]), ue[:2], ops[:2], b'{"kind":"ack","device":"ue1","sequence":1}')
    run.udp(30, (ue[2], ops[2]), ue[:2], ops[:2], b"not a notice")
    assert rows(run, tmp_path, "sender", "message", "role", "device", "own") == [
        ("ops", "resolver", "device", "ue1", True),
        ("ue1", "ack", "device", "ue1", True),
        ("ue1", "notice", "device", "ue1", True),
    ]


def test_what_operations_says_to_itself_counts_once(tmp_path):
    run = Run(a_plan("ecs"))
    Connection(run, ("127.0.0.1", 50000, ""), ("127.0.0.1", 8093, "lo")).open(1).post(
        10, "/x", {"device": "ue1"}, "202 A"
    )
    assert rows(run, tmp_path, "sender", "message", "role", "device") == [
        ("ops", "POST /x", "mepm", "ue1"),
        ("ops", "202", "mepm", "ue1"),
    ]


def test_a_request_cut_in_the_senders_capture_is_read_from_operations(tmp_path):
    run = Run(a_plan("ecs"))
    body = {"filler": "x" * 900, "device": "ue1"}
    Connection(run, at(run, "mec1", 50000), at(run, "ops", 8093)).open(1).post(10, "/rules", body)
    assert rows(run, tmp_path, "at_ns", "sender", "message", "device") == [
        (run.at(10), "mec1", "POST /rules", "ue1"),
        (run.at(13), "ops", "200", "ue1"),
    ]


def test_bodies_that_nobody_captured_whole_still_count_with_their_size(tmp_path):
    run = Run(a_plan("ecs"))
    bodies = [{"update": n, "rules": ["10.45.0.1/32", "x" * 900]} for n in (1, 2)]
    connection = Connection(run, at(run, "mec1", 50000), at(run, "adns", RULES_PORT)).open(1)
    for ms, body in zip((10, 20), bodies, strict=True):
        connection.post(ms, "/v1/rules", body)
    sent = [message for message in read(run, tmp_path) if message.sender == "mec1"]
    sizes = [len(synthetic.http_request("POST", "/v1/rules", body)) for body in bodies]
    assert [(m.message, m.size_bytes, m.device, m.own) for m in sent] == [
        ("POST /v1/rules", size, "ue1", True) for size in sizes
    ]


def test_a_head_that_was_not_captured_whole_ends_where_the_next_message_begins():
    first = b"POST /a HTTP/1.1\r\nX: " + bytes(30) + b"\r\n\r\n{}"
    second = b"PUT /b HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
    found = list(http.messages(first + second))
    assert [(m.target, m.begin, m.end) for m in found] == [
        ("POST /a", 0, len(first)),
        ("PUT /b", len(first), len(first + second)),
    ]


def test_a_notification_is_about_the_device_that_it_goes_to(tmp_path):
    run = Run(a_plan("devapp"))
    connection = Connection(run, at(run, "ops", 50000), at(run, "ue1", CALLBACK_PORT)).open(1)
    connection.post(10, "/notify", {"referenceURI": "http://10.1.2.10:8080/"}, "204 No Content")
    assert rows(run, tmp_path, "sender", "message", "role", "device", "own") == [
        ("ops", "POST /notify", "callback", "ue1", True),
        ("ue1", "204", "callback", "ue1", True),
    ]


def test_a_context_is_about_the_device_that_it_was_made_for(tmp_path):
    run = Run(a_plan("easdf"))
    connection = Connection(run, at(run, "smf", 50000), at(run, "easdf", 8097)).open(1)
    path = "/neasdf-dnscontext/v1/dns-contexts"
    connection.post(10, path, {"ueIpv4Addr": "10.45.0.1"}, f"201 Created\r\nLocation: http://10.0.19.10:8097{path}/3c4")
    connection.post(20, f"{path}/3c4", {"dnsRules": {}}).post(30, f"{path}/5d6", {"dnsRules": {}})
    assert [device for (device,) in rows(run, tmp_path, "device")] == ["ue1"] * 4 + ["", ""]


@pytest.mark.parametrize(
    ("transaction", "expected"),
    [
        ({"attach": {"ue1": "ap2"}}, ("attach", False, "ue1")),
        ({"breakout": [{"edge": "edge2", "prefix": "10.1.2.10/32", "device": "ue1"}]}, ("steer", True, "ue1")),
        ({"remove_breakout": [{"edge": "edge2", "prefix": "10.1.2.10/32"}]}, ("base", False, "")),
    ],
)
def test_a_devices_breakout_is_the_methods_own_where_it_brings_it(tmp_path, transaction, expected):
    run = Run(a_plan("easdf"))
    Connection(run, at(run, "smf", 50000), at(run, "ops", 8091)).open(1).post(10, "/v1/transactions", transaction)
    assert rows(run, tmp_path, "rule_class", "own", "device") == [expected, expected]


def test_what_tells_of_an_attach_is_never_the_methods_own(tmp_path):
    run = Run(a_plan("bgp-anycast"))
    event = {"device": "ue1", "ap": "ap2", "sequence": 2}
    edge = str(routers.speakers(run.plan)["edge2"].loopback[0])
    Connection(run, at(run, "ops", 50000), (edge, 8100, "edge2-eth1")).open(1).post(10, "/v1/attachments", event)
    assert rows(run, tmp_path, "sender", "role", "rule_class", "own", "device") == [
        ("ops", "router", "attach", False, "ue1"),
        ("edge2", "router", "attach", False, "ue1"),
    ]


def bgp(kind, body=b""):
    return b"\xff" * 16 + struct.pack("!HB", 19 + len(body), kind) + body


def update(*prefixes):
    content = b"".join(bytes([32]) + bytes(int(part) for part in prefix.split(".")) for prefix in prefixes)
    return bgp(2, struct.pack("!HH", 0, 0) + content)


def session_ends(plan, router, peer):
    """A router's own address, its peer's, and its interface on their link."""
    session = next(s for s in routers.speakers(plan)[router].sessions if s.peer_name == peer)
    return str(session.own[0]), str(session.peer[0]), session.interface


def test_routing_counts_at_the_router_that_spoke_and_announcing_a_device_attaches_it(tmp_path):
    run = Run(a_plan("bgp-anycast"))
    own, peer, interface = session_ends(run.plan, "edge1", "core")
    far = session_ends(run.plan, "core", "edge1")[2]
    connection = Connection(run, (own, 40000, interface), (peer, 179, far)).open(1)
    connection.say(10, True, bgp(1, bytes(10)) + bgp(4)).say(12, False, bgp(4))
    connection.say(14, True, update("10.45.0.1")).say(16, True, update(str(run.plan.vip_ipv4), "10.45.0.1"))
    assert rows(run, tmp_path, "sender", "message", "rule_class", "own", "device", "role") == [
        ("edge1", "OPEN", "", True, "", "bgp"),
        ("edge1", "KEEPALIVE", "", True, "", "bgp"),
        ("core", "KEEPALIVE", "", True, "", "bgp"),
        ("edge1", "UPDATE", "attach", False, "ue1", "bgp"),
        ("edge1", "UPDATE", "", True, "ue1", "bgp"),
    ]


def test_bfd_packets_count_once_with_the_senders_state(tmp_path):
    run = Run(a_plan("bgp-anycast"))
    own, peer, interface = session_ends(run.plan, "edge1", "mec1")
    host = session_ends(run.plan, "mec1", "edge1")[2]
    for ms, state in ((10, 1), (110, 3)):
        packet = bytes([0x20, state << 6, 3, 24]) + bytes(20)
        run.udp(ms, (interface, host), (own, 49152), (peer, BFD_PORT), packet)
    assert rows(run, tmp_path, "sender", "message", "own", "size_bytes") == [
        ("edge1", "BFD Down", True, 24),
        ("edge1", "BFD Up", True, 24),
    ]


def test_routers_that_are_not_captured_count_where_their_messages_arrive(tmp_path):
    run = Run(a_plan("bgp-anycast", capture="endpoints"))
    own, peer, _ = session_ends(run.plan, "edge1", "mec1")
    run.udp(10, ("mec1-eth0",), (own, 49152), (peer, BFD_PORT), bytes([0x20, 0xC0, 3, 24]) + bytes(20))
    assert rows(run, tmp_path, "sender", "message") == [("", "BFD Up")]


def test_a_bgp_stream_goes_on_behind_a_hole():
    stream = bgp(4) + bytes(25) + update("10.0.0.1") + bgp(2, bytes(9))[:25]
    assert [message.name for message in routing.messages(stream)] == ["KEEPALIVE", "UPDATE"]
    assert list(routing.messages(b"GET / HTTP/1.1\r\n\r\n")) == []
