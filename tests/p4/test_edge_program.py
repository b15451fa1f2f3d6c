"""`edge.p4` against the rules that it must express: the same packets through a flow table and through the program."""

import struct
import sys
from dataclasses import replace
from functools import cache
from ipaddress import IPv4Address, ip_address
from pathlib import Path

import pytest
from finsy import P4Schema
from reference import Reference, Session

from dataplane.compiler.lowered import KeyValue
from dataplane.compiler.lowering import lower
from dataplane.compiler.p4info import p4info
from dataplane.compiler.parser import parse_file

sys.path.append(str(Path(__file__).parents[1] / "unit"))
from controller_plans import make_plan, settled
from flowtable import CONTROLLER, FlowTable, Packet

from controller import entries
from controller.intents import Connection
from controller.packets import first_segment, mac_bytes, neighbour_advertisement
from meclab.addressing import ANCHOR_MAC, GATEWAY_IPV4, GATEWAY_IPV6, GATEWAY_MAC
from meclab.messages import BreakoutIntent, Transaction
from meclab.packets import PROBE_BYTES, PROBE_PORT, Probe, Stamp, stamps

PROGRAM = Path(__file__).parents[2] / "dataplane" / "programs" / "edge.p4"
PLAN = make_plan(2, method="vip:pinned")
HOST_MAC = "02:00:00:00:00:99"


@cache
def program():
    return lower(parse_file(PROGRAM), "edge")


@cache
def schema():
    return P4Schema(p4info(program()))


# ---- frames ----------------------------------------------------------------------------------------------------------


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def transport_checksum(packet, protocol, body):
    return checksum(packet.source.packed + packet.destination.packed + struct.pack("!II", len(body), protocol) + body)


def with_checksum(packet, protocol, body, at):
    return body[:at] + struct.pack("!H", transport_checksum(packet, protocol, body)) + body[at + 2 :]


def segment(packet):
    ports, flags = packet.tcp_ports, 0x02 if packet.syn else 0x10
    return with_checksum(packet, 6, struct.pack("!HHIIBBHHH", *ports, 1, 0, 5 << 4, flags, 1000, 0, 0), 16)


def datagram(packet, payload, ports=(4000, PROBE_PORT)):
    return with_checksum(packet, 17, struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload, 6)


def internet(packet, protocol, body):
    if packet.source.version == 6:
        head = struct.pack("!IHBB", 6 << 28, len(body), protocol, packet.ttl)
        return b"\x86\xdd" + head + packet.source.packed + packet.destination.packed + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 7, 0, packet.ttl, protocol, 0)
    head += packet.source.packed + packet.destination.packed
    return b"\x08\x00" + head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def frame_of(packet, payload=b"payload"):
    ethernet = mac_bytes(packet.eth_dst) + mac_bytes(packet.eth_src)
    if packet.arp:
        mac = mac_bytes(packet.eth_src)
        body = struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + mac + packet.source.packed
        return ethernet + b"\x08\x06" + body + bytes(6) + packet.destination.packed
    if packet.solicitation:
        body = b"\x87\0\0\0\0\0\0\0" + packet.destination.packed
        return ethernet + internet(packet, 58, with_checksum(packet, 58, body, 2))
    if packet.tcp_ports is not None:
        return ethernet + internet(packet, 6, segment(packet))
    return ethernet + internet(packet, 17, datagram(packet, payload))


def seen(frame, packet):
    """A frame as the flow table's packet, and whether its checksums are right."""
    found = replace(packet, eth_dst=frame[:6].hex(":"), eth_src=frame[6:12].hex(":"))
    if frame[12:14] == b"\x08\x00":
        assert checksum(frame[14:34]) == 0
        return replace(found, ttl=frame[22])
    return replace(found, ttl=frame[21]) if frame[12:14] == b"\x86\xdd" else found


# ---- the program, filled by the controller's own entries ------------------------------------------------------------


def switch_with(node, rules):
    made = Reference(program())
    names = {table.id: f"EdgeIngress.{table.alias}" for table in schema().tables}
    actions = {action.preamble.id: action.preamble.name for action in p4info(program()).actions}
    for entry in [*entries.of_switch(node), *(entry for rule in rules for entry in entries.entries(rule))]:
        encoded = entry.encode(schema()).table_entry
        action = encoded.action.action
        call = actions[action.action_id], [int.from_bytes(p.value) for p in action.params]
        if encoded.is_default_action:
            made.set_default(names[encoded.table_id], *call)
        else:
            made.add(names[encoded.table_id], keys(encoded), *call, encoded.priority)
    made.sessions[entries.CPU_SESSION] = Session([(entries.CPU_PORT, 0)], 128)
    return made


def keys(encoded):
    table = schema().tables[encoded.table_id]
    given = {match.field_id: match for match in encoded.match}
    for field in table.match_fields:
        ones = (1 << field.bitwidth) - 1
        if (match := given.get(field.id)) is None:
            yield KeyValue(0, 0)
        elif match.HasField("lpm"):
            yield KeyValue(int.from_bytes(match.lpm.value), ones ^ (ones >> match.lpm.prefix_len))
        elif match.HasField("ternary"):
            yield KeyValue(int.from_bytes(match.ternary.value), int.from_bytes(match.ternary.mask))
        else:
            yield KeyValue(int.from_bytes(match.exact.value), ones)


# ---- what is compared ------------------------------------------------------------------------------------------------


def intents():
    rules, found = settled(PLAN)
    prefix = f"{PLAN.node('mec2').ipv4}/32"
    alone = BreakoutIntent(edge="edge2", prefix=prefix, device="ue1")
    found = rules.network.change(found, Transaction(breakout=[alone]))
    device = PLAN.device("ue1")
    for source, vip in ((device.ipv4, PLAN.vip_ipv4), (device.ipv6, PLAN.vip_ipv6)):
        found = found.with_pin(Connection("ue1", source, 4000, vip, 8080), "mec2")
    return rules, found


def everybody():
    parts = [*PLAN.devices, *(node for node in PLAN.nodes if node.mac)]
    return [(part.ipv4, part.ipv6) for part in parts] + [(PLAN.vip_ipv4, PLAN.vip_ipv6)]


def packets(family):
    number = 0 if family == "ipv4" else 1
    addresses = [pair[number] for pair in everybody()] + [
        ip_address("198.51.100.1" if number == 0 else "2001:db8:f::1")
    ]
    macs = [GATEWAY_MAC, ANCHOR_MAC, PLAN.device("ue1").mac, PLAN.node("mec1").mac, "02:00:00:00:77:77"]
    for source in addresses:
        for destination in addresses:
            if source != destination:
                for mac in macs:
                    yield Packet(source, destination, HOST_MAC, mac)
    first = Packet(addresses[0], addresses[-2], HOST_MAC)
    for mac in (GATEWAY_MAC, ANCHOR_MAC):
        for ttl in (64, 2, 1):
            yield replace(first, eth_dst=mac, ttl=ttl)
            for ports in ((4000, 8080), (4001, 8080)):
                for syn in (True, False):
                    yield replace(first, eth_dst=mac, ttl=ttl, tcp_ports=ports, syn=syn)


@cache
def prepared():
    rules, found = intents()
    result = {}
    for node in PLAN.switches:
        wanted = rules.of_switch(found, node.name)
        result[node.name] = FlowTable(wanted), switch_with(node, wanted)
    return result


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("name", [node.name for node in PLAN.switches])
def test_the_program_does_with_a_packet_what_the_rules_say(name, family):
    table, switch = prepared()[name]
    compared = 0
    for packet in packets(family):
        for in_port in (1, 2, 3):
            wanted = table.outputs(packet, in_port)
            found = switch.packet(in_port, frame_of(packet))
            to_controller = [frame[2:] for port, frame in found if port == entries.CPU_PORT]
            left = [(port, seen(frame, packet)) for port, frame in found if port != entries.CPU_PORT]
            assert left == [(port, sent) for port, sent in wanted if port != CONTROLLER], packet
            copied = [sent for port, sent in wanted if port == CONTROLLER and left]
            assert [frame[:6].hex(":") for frame in to_controller] == [sent.eth_dst for sent in copied], packet
            compared += bool(left)
    assert compared > 10


def test_a_first_segment_comes_to_the_controller_with_the_host_that_it_went_to():
    _, switch = prepared()["edge1"]
    device = PLAN.device("ue1")
    packet = Packet(device.ipv4, PLAN.vip_ipv4, HOST_MAC, tcp_ports=(4001, 8080), syn=True)
    found = dict(switch.packet(2, frame_of(packet)))
    copy = found.pop(entries.CPU_PORT)
    assert struct.unpack("!H", copy[:2])[0] == 2 << 7 | entries.FIRST_SEGMENT
    segment_seen = first_segment(copy[2:])
    assert segment_seen.routed_to == PLAN.node("mec1").mac
    assert (segment_seen.ends.source, segment_seen.ends.source_port) == (device.ipv4, 4001)
    assert len(found) == 1


def test_the_gateway_answers_arp_and_nobody_else_is_asked():
    _, switch = prepared()["edge1"]
    request = Packet(IPv4Address("10.45.0.1"), GATEWAY_IPV4, HOST_MAC, "ff:ff:ff:ff:ff:ff", arp=True)
    ((port, answer),) = switch.packet(2, frame_of(request))
    assert port == 2
    assert answer[:14].hex(":") == f"{HOST_MAC}:{GATEWAY_MAC}:08:06"
    gateway = mac_bytes(GATEWAY_MAC) + GATEWAY_IPV4.packed
    assert answer[20:42] == b"\0\2" + gateway + mac_bytes(HOST_MAC) + request.source.packed
    other = replace(request, destination=IPv4Address("10.1.1.10"))
    assert switch.packet(2, frame_of(other)) == []


def test_a_solicitation_for_the_gateway_comes_to_the_controller_and_its_answer_leaves():
    _, switch = prepared()["core"]
    device = PLAN.device("ue1")
    asked = Packet(device.ipv6, GATEWAY_IPV6, device.mac, "33:33:ff:00:00:01", 255, solicitation=True)
    ((port, frame),) = switch.packet(3, frame_of(asked))
    assert (port, struct.unpack("!H", frame[:2])[0]) == (entries.CPU_PORT, 3 << 7 | entries.SOLICITATION)
    answer = neighbour_advertisement(frame[2:])
    assert answer is not None
    assert switch.packet(entries.CPU_PORT, struct.pack("!H", 3 << 7) + answer) == [(3, answer)]
    stranger = replace(asked, destination=ip_address("fe80::2"))
    assert switch.packet(3, frame_of(stranger)) == []


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_each_switch_stamps_a_probe_and_its_checksum_stays_right(family):
    number = 0 if family == "ipv4" else 1
    device = PLAN.device("ue1")
    source, vip = (device.ipv4, device.ipv6)[number], (PLAN.vip_ipv4, PLAN.vip_ipv6)[number]
    packet = Packet(source, vip, device.mac)
    frame = frame_of(packet, Probe("ue1", 1, 5).pack(trail=True))
    _, access = prepared()["ap1"]
    _, edge = prepared()["edge1"]
    ((_, frame),) = access.packet(1, frame)
    ((_, frame),) = edge.packet(2, frame)
    payload = frame[14 + (20, 40)[number] + 8 :]
    assert [stamp.switch for stamp in stamps(payload)] == [PLAN.node("ap1").dpid, PLAN.node("edge1").dpid]
    assert all(isinstance(stamp, Stamp) for stamp in stamps(payload))
    sent = replace(packet, eth_dst=PLAN.node("mec1").mac)
    assert transport_checksum(sent, 17, frame[14 + (20, 40)[number] :]) == 0


def test_a_probe_without_room_and_one_that_is_full_pass_as_they_are():
    device = PLAN.device("ue1")
    _, access = prepared()["ap1"]
    packet = Packet(device.ipv4, PLAN.vip_ipv4, device.mac)
    full = bytearray(Probe("ue1", 1, 5).pack(trail=True))
    full[PROBE_BYTES : PROBE_BYTES + 2] = b"\0\x08"
    for payload in (Probe("ue1", 1, 5).pack(), bytes(full), b"short"):
        frame = frame_of(packet, payload)
        assert access.packet(1, frame) == [(2, frame)]


def test_a_truncated_packet_is_dropped_by_a_router_and_passed_by_an_access_point():
    _, access = prepared()["ap1"]
    _, edge = prepared()["edge1"]
    whole = frame_of(Packet(PLAN.device("ue1").ipv4, PLAN.vip_ipv4, HOST_MAC))
    for length in range(14, 34):
        assert access.packet(1, whole[:length]) == [(2, whole[:length])]
        assert edge.packet(2, whole[:length]) == []
