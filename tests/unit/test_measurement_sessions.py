"""TCP as captured: streams, the session's requests and connections, control messages."""

import json
import struct

import pytest
import synthetic
from synthetic import ACK, FIN, PSH, RST, SYN, Pcapng, http_response, tcp

from experiments import pcapng
from experiments.measurement import frames, http, openflow, sessions, signalling, streams
from experiments.measurement.streams import Segment, Stream
from experiments.measurement.traffic import Traffic
from meclab.observations import Delivery

UE, VIP = ("10.45.0.1", 40000), ("10.99.0.1", 8080)
MS = 1_000_000


def segment(ms, outgoing, flags, sequence=0, payload=b""):
    source, destination = (UE, VIP) if outgoing else (VIP, UE)
    return Segment(ms * MS, "ue1-eth0", *source, *destination, sequence, flags, len(payload), payload)


def ask(ms, number, sequence):
    return segment(ms, True, PSH | ACK, sequence, f"GET /session/ue1?n={number} HTTP/1.1\r\nHost: vip\r\n\r\n".encode())


def answer(ms, number, sequence, host="mec1"):
    return segment(ms, False, PSH | ACK, sequence, http_response(host, "ue1", number))


OPENED = [segment(0, True, SYN, 99), segment(5, False, SYN | ACK, 499), segment(5, True, ACK, 100)]


def read(found, arrived=None):
    session = sessions.session("ue1", found, 8080, arrived or {})
    return session.requests, session.connections


def test_requests_and_responses_are_matched_by_their_order():
    requests, _ = read([*OPENED, ask(10, 1, 100), ask(11, 2, 200), answer(18, 1, 500), answer(19, 2, 700, "mec2")])
    assert [(r.number, r.sent_ns, r.done_ns, r.host, r.connection) for r in requests] == [
        (1, 10 * MS, 18 * MS, "mec1", 1),
        (2, 11 * MS, 19 * MS, "mec2", 1),
    ]


def test_a_segment_sent_again_is_the_same_request_and_the_same_response():
    again = [ask(10, 1, 100), ask(210, 1, 100), answer(220, 1, 500), answer(225, 1, 500), ask(230, 2, 200)]
    requests, _ = read([*OPENED, *again])
    assert [(r.number, r.sent_ns, r.done_ns) for r in requests] == [(1, 10 * MS, 220 * MS), (2, 230 * MS, None)]


def test_requests_put_together_in_one_segment_are_two():
    first, second = ask(10, 1, 100).payload, ask(10, 2, 0).payload
    requests, _ = read([*OPENED, segment(10, True, PSH | ACK, 100, first + second), ask(20, 2, 100 + len(first))])
    assert [(r.number, r.sent_ns) for r in requests] == [(1, 10 * MS), (2, 10 * MS)]


def test_a_request_repeated_on_the_next_connection_is_two_attempts():
    reopened = [segment(40, True, SYN, 999), segment(45, False, SYN | ACK, 1)]
    requests, connections = read(
        [*OPENED, ask(10, 1, 100), segment(30, False, RST, 500), *reopened, ask(50, 1, 1000), answer(58, 1, 2)]
    )
    assert [(r.number, r.connection, r.done_ns) for r in requests] == [(1, 1, None), (1, 2, 58 * MS)]
    assert [c.ending for c in connections] == ["reset", "open"]


def response(ms, status, sequence, more=b""):
    head = f"HTTP/1.1 {status}\r\nMEC-Host: front\r\n".encode() + more + b"Content-Length: 0\r\n\r\n"
    return segment(ms, False, PSH | ACK, sequence, head)


def to(server, found):
    """A segment of another connection."""
    ends = (server, 8080, UE[0], 40001) if found.source_port == 8080 else (UE[0], 40001, server, 8080)
    return Segment(found.time_ns, "ue1-eth0", *ends, found.sequence, found.flags, found.size, found.payload)


REDIRECT = response(15, "307 Temporary Redirect", 500, b"Location: http://10.1.2.10:8080/session/ue1?n=7\r\n")


def test_only_a_response_of_status_200_completes_a_request():
    requests, _ = read([*OPENED, ask(10, 1, 100), response(15, "503 Service Unavailable", 500)])
    (failed,) = requests
    assert (failed.status, failed.answered_ns, failed.done_ns, failed.server) == (503, 15 * MS, None, "10.99.0.1")


def test_a_redirect_sends_the_same_request_on_to_another_server():
    reopened = [to("10.1.2.10", found) for found in (segment(20, True, SYN, 99), segment(25, False, SYN | ACK, 499))]
    again = [to("10.1.2.10", found) for found in (ask(26, 7, 100), answer(33, 7, 500, "mec2"))]
    closed = segment(16, True, FIN | ACK, 200)
    requests, connections = read([*OPENED, ask(10, 7, 100), REDIRECT, closed, *reopened, *again])
    assert [(r.number, r.server, r.status, r.done_ns, r.host) for r in requests] == [
        (7, "10.99.0.1", 307, None, "front"),
        (7, "10.1.2.10", 200, 33 * MS, "mec2"),
    ]
    assert requests[0].location == "http://10.1.2.10:8080/session/ue1?n=7"
    assert [(c.ending, c.server) for c in connections] == [("client", "10.99.0.1"), ("open", "10.1.2.10")]


def test_a_redirect_and_the_request_that_got_it_are_messages_each_when_it_left():
    asked = ask(10, 7, 100)
    left = sessions.departures([[segment(13, False, PSH | ACK, 500, b"x"), REDIRECT]], 8080)
    first, second = sessions.session("ue1", [*OPENED, asked, REDIRECT], 8080, {}, left=left).redirects
    assert (first.at_ns, first.role, first.size_bytes, first.sender, first.own) == (
        *(10 * MS, "redirect", asked.size, "ue1", True),
    )
    assert (second.at_ns, second.size_bytes, second.sender, second.device) == (13 * MS, REDIRECT.size, "front", "ue1")
    assert second.message == "307 http://10.1.2.10:8080/session/ue1?n=7"


def test_a_response_to_a_client_that_has_left_completes_nothing():
    requests, _ = read([*OPENED, ask(10, 1, 100), segment(12, True, FIN | ACK, 200), answer(18, 1, 500)])
    assert [(r.done_ns, r.answered_ns) for r in requests] == [(None, None)]


@pytest.mark.parametrize(
    ("last", "ending"),
    [
        (segment(30, False, RST | ACK), "reset"),
        (segment(30, True, RST), "abandoned"),
        (segment(30, True, FIN | ACK), "client"),
        (segment(30, False, FIN | ACK), "server"),
        (segment(30, True, ACK), "open"),
    ],
)
def test_an_established_connection_ends_by_its_first_fin_or_rst(last, ending):
    _, (connection,) = read(
        [*OPENED, last, segment(31, True, RST), segment(32, False, FIN)][: 4 if ending == "open" else 6]
    )
    assert connection.ending == ending
    assert connection.closed_ns == (None if ending == "open" else 30 * MS)
    assert (connection.opened_ns, connection.established_ns, connection.server) == (0, 5 * MS, "10.99.0.1")


def test_a_connection_that_never_was_is_refused_or_unanswered():
    _, (refused,) = read([segment(0, True, SYN, 99), segment(5, False, RST | ACK)])
    assert (refused.ending, refused.established_ns) == ("refused", None)
    repeated = [segment(0, True, SYN, 99), segment(1000, True, SYN, 99), segment(2000, True, SYN, 7777)]
    _, (first, second) = read(repeated)
    assert (first.ending, second.ending) == ("unanswered", "open")


def test_deliveries_are_the_first_arrivals_at_each_host():
    arrived = sessions.deliveries(
        [("mec1", [ask(12, 1, 100), ask(13, 1, 100)]), ("mec2", [ask(11, 1, 100), answer(14, 1, 500)])], 8080
    )
    assert arrived == {("ue1", 1): (Delivery("mec2", 11 * MS), Delivery("mec1", 12 * MS))}
    requests, _ = read([*OPENED, ask(10, 1, 100)], arrived)
    assert [d.host for d in requests[0].deliveries] == ["mec2", "mec1"]


def filled(*segments):
    stream = Stream()
    for found in segments:
        stream.add(found)
    return stream


def piece(ms, sequence, payload, flags=ACK, size=None):
    return Segment(ms * MS, "lo", *UE, *VIP, sequence, flags, size or len(payload), payload)


def test_a_stream_is_put_together_from_pieces_out_of_order_and_repeated():
    stream = filled(
        piece(1, 99, b"", SYN),
        piece(2, 100, b"abc"),
        piece(3, 106, b"ghi"),
        piece(4, 101, b"bcdef"),
        piece(5, 100, b"abc"),
    )
    assert bytes(stream.data) == b"abcdefghi"
    assert [stream.passed_ns(position) // MS for position in (0, 2, 3, 8)] == [2, 2, 4, 4]


def test_a_streams_sequence_numbers_wrap():
    last = (1 << 32) - 1
    assert bytes(filled(piece(1, last - 2, b"", SYN), piece(2, last - 1, b"abc"), piece(3, 1, b"de")).data) == b"abcde"


def test_bytes_that_were_not_captured_read_as_zeros():
    assert bytes(filled(piece(1, 10, b"ab", size=4), piece(2, 14, b"ef")).data) == b"ab\0\0ef"


def flow_mod(cookie_class, device="10.45.0.1", xid=7):
    body = struct.pack("!QQ", cookie_class << 56, 0) + bytes(32) + bytes(int(part) for part in device.split("."))
    return struct.pack("!BBHI", 4, 14, 8 + len(body), xid) + body


def test_openflow_messages_are_classified_by_cookie_or_xid():
    packet_in = struct.pack("!BBHIIHBBQ", 4, 10, 32, 0, 0, 60, 0, 0, 4 << 56) + bytes(8)
    removed = struct.pack("!BBHIQ", 4, 11, 48, 0, 3 << 56) + bytes(32)
    barrier = struct.pack("!BBHI", 4, 20, 8, 3 << 24 | 5)
    hello = struct.pack("!BBHI", 4, 0, 8, 3 << 24 | 5)
    stream = hello + flow_mod(2) + flow_mod(3) + packet_in + removed + barrier + barrier[:5]
    found = [(message.name, message.rule_class) for message in openflow.messages(stream)]
    assert found == [
        ("HELLO", ""),
        ("FLOW_MOD", "attach"),
        ("FLOW_MOD", "steer"),
        ("PACKET_IN", "pin"),
        ("FLOW_REMOVED", "steer"),
        ("BARRIER_REQUEST", "steer"),
    ]


def test_a_stream_that_is_no_openflow_has_no_messages():
    assert list(openflow.messages(b"GET / HTTP/1.1\r\n\r\n")) == []


def test_http_messages_end_where_their_length_says():
    stream = b"POST /v1/x HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}GET /y HTTP/1.1\r\n\r\n"
    stream += b"POST /z HTTP/1.1\r\ncontent-length: 9\r\n\r\n{"
    assert [(message.start_line, message.body) for message in http.messages(stream)] == [
        ("POST /v1/x HTTP/1.1", b"{}"),
        ("GET /y HTTP/1.1", b""),
    ]


class Operations:
    """The operations host's capture in the making: one connection on each port, bytes numbered from 1."""

    def __init__(self):
        self.file = Pcapng(["ops-eth0", "ops-mgmt", "lo"], snap=262_144)
        self.next = {}

    def say(self, ms, port, payload, to_port, client="172.31.0.1", server="172.31.0.2"):
        key = port, to_port
        at = self.next.setdefault(key, 1)
        self.next[key] += len(payload)
        ends = (client, 50000, server, port) if to_port else (server, port, client, 50000)
        self.file.add(ms * MS, "lo" if client == "127.0.0.1" else "ops-mgmt", tcp(*ends, PSH | ACK, at, payload))

    def post(self, ms, port, path, body):
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        self.say(ms, port, head + content, True)
        self.say(ms + 2, port, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", False)

    def read(self, tmp_path, method):
        self.file.write(tmp_path / "ops.pcapng")
        capture = pcapng.read(tmp_path / "ops.pcapng")
        made = synthetic.a_plan(method)
        return signalling.signalling(made, Traffic(made, {"ops": (capture, frames.decode(capture))}))


def test_signalling_is_classified_by_the_plans_table_and_the_messages_class(tmp_path):
    ops = Operations()
    ops.post(1, 8090, "/v1/attachments", {"device": "ue1", "ap": "ap2", "at_ns": 0, "sequence": 2})
    ops.post(2, 8091, "/v1/transactions", {"attach": {"ue1": "ap2"}, "serve": {"ue1": "mec2"}})
    ops.say(3, 6653, flow_mod(2) + flow_mod(3)[:20], False)
    ops.say(5, 6653, flow_mod(3)[20:] + flow_mod(4, "10.45.9.9"), False)
    ops.post(6, 8091, "/v1/transactions", {"attach": {"ue1": "ap2"}, "serve": {}})
    found = ops.read(tmp_path, "vip:pinned")
    assert [(m.at_ns // MS, m.role, m.message, m.rule_class, m.own, m.device) for m in found] == [
        (1, "orchestrator", "POST /v1/attachments", "attach", False, "ue1"),
        (2, "northbound", "POST /v1/transactions", "steer", True, "ue1"),
        (3, "openflow", "FLOW_MOD", "attach", False, "ue1"),
        (3, "orchestrator", "200", "attach", False, "ue1"),
        (4, "northbound", "200", "steer", True, "ue1"),
        (5, "openflow", "FLOW_MOD", "steer", True, "ue1"),
        (5, "openflow", "FLOW_MOD", "pin", True, ""),
        (6, "northbound", "POST /v1/transactions", "attach", False, "ue1"),
        (8, "northbound", "200", "attach", False, "ue1"),
    ]
    assert found[5].size_bytes == len(flow_mod(3))


def test_a_method_that_tells_nobody_has_no_signalling_of_its_own(tmp_path):
    ops = Operations()
    ops.post(2, 8091, "/v1/transactions", {"attach": {"ue1": "ap2"}})
    ops.say(3, 6653, flow_mod(2), False)
    assert [message.own for message in ops.read(tmp_path, "sticky")] == [False] * 3


def test_a_transaction_for_several_devices_is_about_none(tmp_path):
    ops = Operations()
    ops.post(2, 8091, "/v1/transactions", {"serve": {"ue1": "mec2", "ue2": "mec2"}})
    assert [(m.own, m.device) for m in ops.read(tmp_path, "vip")] == [(True, ""), (True, "")]


def test_a_port_used_again_is_another_conversation():
    found = [
        piece(1, 99, b"", SYN),
        piece(2, 100, b"one"),
        piece(3, 4999, b"", SYN),
        piece(4, 5000, b"two"),
    ]
    assert [bytes(c.to_port.data) for c in streams.conversations(found, 8080)] == [b"one", b"two"]


def renumbered(found):
    """A segment of the device's next connection, from another address of its own."""
    ends = (*VIP, "100.64.2.1", 40001) if found.source_port == 8080 else ("100.64.2.1", 40001, *VIP)
    return Segment(found.time_ns, "ue1-eth0", *ends, found.sequence, found.flags, found.size, found.payload)


def test_a_connection_is_broken_when_the_device_goes_on_with_another_address():
    reopened = [renumbered(found) for found in (segment(40, True, SYN, 999), segment(45, False, SYN | ACK, 1))]
    again = [renumbered(found) for found in (ask(46, 1, 1000), answer(58, 1, 2))]
    requests, connections = read([*OPENED, ask(10, 1, 100), *reopened, *again])
    assert [(c.ending, c.closed_ns) for c in connections] == [("renumbered", 40 * MS), ("open", None)]
    assert [(r.connection, r.done_ns) for r in requests] == [(1, None), (2, 58 * MS)]


def test_a_connection_that_the_client_had_closed_before_is_its_own_choice():
    reopened = [renumbered(found) for found in (segment(40, True, SYN, 999), segment(45, False, SYN | ACK, 1))]
    _, connections = read([*OPENED, segment(30, True, FIN | ACK, 100), *reopened])
    assert [c.ending for c in connections] == ["client", "open"]
