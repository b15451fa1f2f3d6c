"""Rules as messages, read back by os-ken's own parser."""

from ipaddress import ip_network
from types import SimpleNamespace

import pytest
from controller_plans import make_plan, settled
from os_ken.ofproto import ofproto_parser
from os_ken.ofproto import ofproto_v1_3 as protocol
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

from controller import openflow
from controller.intents import Connection
from controller.rules import PIN_IDLE_S, Table, network_of
from meclab.addressing import ANCHOR_MAC, GATEWAY_IPV6, GATEWAY_MAC
from meclab.messages import RuleClass

PLAN = make_plan(2)
RULES, INTENTS = settled(PLAN)
DESC = ProtocolDesc(version=protocol.OFP_VERSION)
HOST_MAC = PLAN.node("mec1").mac


def parsed_flow_mod(data):
    version, kind, length, xid = ofproto_parser.header(data)
    assert (kind, length) == (protocol.OFPT_FLOW_MOD, len(data))
    return DESC.ofproto_parser.OFPFlowMod.parser(DESC, version, kind, length, xid, bytearray(data))


def connection(family="ipv4"):
    return Connection("ue1", getattr(PLAN.device("ue1"), family), 4000, PLAN.vip(family), 8080)


def actions(found):
    for instruction in parsed_flow_mod(openflow.flow_mod(found, 1, 1)).instructions:
        if instruction.type == protocol.OFPIT_APPLY_ACTIONS:
            for action in instruction.actions:
                yield {
                    protocol.OFPAT_SET_FIELD: lambda a=action: (a.key, a.value),
                    protocol.OFPAT_OUTPUT: lambda a=action: ("output", a.port),
                    protocol.OFPAT_DEC_NW_TTL: lambda: "dec_ttl",
                    protocol.OFPAT_EXPERIMENTER: lambda a=action: type(a).__name__,
                }[action.type]()
        else:
            yield "goto", instruction.table_id


def of(switch, table, **fields):
    """The only rule of a switch's table whose match has all these fields."""
    pinned = INTENTS.with_pin(connection(), "mec1")
    (found,) = [
        rule
        for rule in RULES.of_switch(pinned, switch)
        if rule.key.table == table and all(getattr(rule.key.match, name) == value for name, value in fields.items())
    ]
    return found


def match_of(found):
    return dict(parsed_flow_mod(openflow.flow_mod(found, 1, 1)).match.items())


DEVICE, VIP = network_of(PLAN.device("ue1").ipv4), network_of(PLAN.vip_ipv4)
DEVICE_6, VIP_6 = network_of(PLAN.device("ue1").ipv6), network_of(PLAN.vip_ipv6)
TO_HOST = [("eth_src", GATEWAY_MAC), ("eth_dst", HOST_MAC), "dec_ttl"]


def test_routing_writes_both_macs_takes_one_off_the_ttl_and_goes_on():
    steered = of("edge1", Table.STEER, source=DEVICE, tcp_ports=None, tcp_syn=False)
    assert list(actions(steered)) == [*TO_HOST, ("goto", Table.FORWARD)]


def test_the_copy_of_a_first_segment_is_made_after_routing():
    first = of("edge1", Table.STEER, source=DEVICE, tcp_syn=True)
    assert list(actions(first)) == [*TO_HOST, ("output", protocol.OFPP_CONTROLLER), ("goto", Table.FORWARD)]


def test_transit_lets_a_frame_go_back_and_takes_one_off_its_ttl():
    for any_address in ("0.0.0.0/0", "::/0"):
        transit = of("edge1", Table.INTERCEPT, destination=ip_network(any_address))
        assert list(actions(transit)) == ["NXActionRegLoad", "dec_ttl", ("goto", Table.FORWARD)]


def test_what_is_left_to_the_anchor_gets_its_mac():
    assert list(actions(of("edge1", Table.ROUTE, source=None, destination=None))) == [
        ("eth_dst", ANCHOR_MAC),
        ("goto", Table.FORWARD),
    ]


def test_a_rule_without_actions_drops():
    assert list(actions(of("core", Table.DEVICES, destination=None))) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"source": DEVICE, "tcp_ports": (4000, 8080)},
            {"eth_type": 0x0800, "ipv4_src": str(DEVICE[0]), "ipv4_dst": str(VIP[0]), "ip_proto": 6, "tcp_src": 4000,
             "tcp_dst": 8080},
        ),
        (
            {"source": DEVICE_6, "tcp_syn": True},
            {"eth_type": 0x86DD, "ipv6_src": str(DEVICE_6[0]), "ipv6_dst": str(VIP_6[0]), "ip_proto": 6,
             "tcp_flags": (0x002, 0x012)},
        ),
    ],
)  # fmt: skip
def test_matches_have_the_fields_that_openflow_wants_before_them(fields, expected):
    found = {name: value[0] if isinstance(value, tuple) and name.startswith("ipv") else value
             for name, value in match_of(of("edge1", Table.STEER, **fields)).items()}  # fmt: skip
    assert found == expected


def test_a_solicitation_is_matched_by_its_target():
    asked = match_of(of("edge1", Table.INTERCEPT, solicited=GATEWAY_IPV6))
    assert (asked["ip_proto"], asked["icmpv6_type"], asked["ipv6_nd_target"]) == (58, 135, str(GATEWAY_IPV6))


def test_cookies_carry_class_and_generation_and_the_xid_is_the_given():
    message = parsed_flow_mod(openflow.flow_mod(of("edge1", Table.STEER, source=DEVICE, tcp_syn=True), 77, 0x04000005))
    assert openflow.kind_of(message.cookie) == RuleClass.PIN
    assert openflow.generation_of(message.cookie) == 77
    assert (message.xid, message.command) == (0x04000005, protocol.OFPFC_ADD)


def test_only_a_rule_that_ends_by_silence_says_when_it_goes():
    silent, steered = (
        parsed_flow_mod(openflow.flow_mod(of("edge1", Table.STEER, source=DEVICE, **fields), 1, 1))
        for fields in ({"tcp_ports": (4000, 8080)}, {"tcp_ports": None, "tcp_syn": False})
    )
    assert (silent.idle_timeout, silent.flags) == (PIN_IDLE_S, protocol.OFPFF_SEND_FLOW_REM)
    assert (steered.idle_timeout, steered.flags) == (0, 0)


def test_a_removal_is_strict_of_its_class_and_of_any_generation():
    rule = of("edge1", Table.STEER, source=DEVICE, tcp_ports=None, tcp_syn=False)
    added, removed = parsed_flow_mod(openflow.flow_mod(rule, 9, 1)), parsed_flow_mod(openflow.removal(rule, 2))
    assert removed.command == protocol.OFPFC_DELETE_STRICT
    assert (removed.table_id, removed.priority) == (added.table_id, added.priority)
    assert removed.match.items() == added.match.items()
    assert added.cookie & removed.cookie_mask == removed.cookie
    assert openflow.kind_of(removed.cookie) == RuleClass.STEER
    assert (removed.out_port, removed.out_group) == (protocol.OFPP_ANY, protocol.OFPG_ANY)


def test_a_stranger_goes_only_while_it_has_the_cookie_that_was_reported():
    rule = of("edge1", Table.STEER, source=DEVICE, tcp_ports=None, tcp_syn=False)
    match = parsed_flow_mod(openflow.flow_mod(rule, 9, 1)).match
    reported = SimpleNamespace(table_id=1, priority=10, cookie=0x1234, match=match)
    removed = parsed_flow_mod(openflow.stranger_removal(reported, 3))
    assert (removed.cookie, removed.cookie_mask) == (0x1234, 2**64 - 1)
    assert (removed.table_id, removed.priority) == (1, 10)
    assert removed.match.items() == match.items()


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_pinning_rule_s_match_tells_its_connection(family):
    rule = dict(RULES.pin(INTENTS, connection(family), "mec1"))["edge1"]
    ends = openflow.pinned_connection(parsed_flow_mod(openflow.flow_mod(rule, 1, 1)).match)
    assert RULES.network.connection(
        ends.source, ends.source_port, ends.destination, ends.destination_port
    ) == connection(family)


def test_other_messages_are_whole_and_carry_the_xid():
    for data, kind in (
        (openflow.barrier(7), protocol.OFPT_BARRIER_REQUEST),
        (openflow.flows_request(7), protocol.OFPT_MULTIPART_REQUEST),
        (openflow.packet_out(3, bytes(60), 7), protocol.OFPT_PACKET_OUT),
    ):
        assert ofproto_parser.header(data) == (protocol.OFP_VERSION, kind, len(data), 7)
