"""Hop-by-hop traces, over explanations recorded from Open vSwitch 3.1."""

import pytest

from meclab import planning, scenario, topology
from meclab.addressing import GATEWAY_MAC
from meclab.errors import LabError
from topologies import trace

HEAD = 'Flow: udp,in_port=1,vlan_tci=0x0000\n\nbridge("edge1")\n---------------\n'
TAIL = "\nFinal flow: unchanged\nMegaflow: recirc_id=0,eth,udp,in_port=1\nDatapath actions: 4\n"
REWRITTEN = """ 0. ip,dl_dst=02:00:5e:00:01:01, priority 100
    dec_ttl
    goto_table:1
 1. ip,nw_dst=10.99.0.1, priority 50, cookie 0x200
    set_field:02:00:5e:00:01:01->eth_src
    set_field:02:00:00:00:00:03->eth_dst
    output:2
"""
COPIED = """ 0. tcp,nw_dst=10.99.0.1,tcp_flags=+syn, priority 60
    CONTROLLER:128
    set_field:02:00:00:00:00:03->eth_dst
    output:2
"""
GROUP = """ 0. ip,nw_dst=10.0.0.8, priority 70
    group:1
    bucket 0
            output:7
"""
NO_MATCH = """ 0. ip,dl_dst=02:00:5e:00:01:01, priority 100
    goto_table:1
 1. No match.
    drop
"""
DROP = """ 0. ip, priority 100
    drop
"""
BACK = """ 0. ip, priority 1
    IN_PORT
"""
TO_CONTROLLER = """ 0. arp, priority 90
    CONTROLLER:65535
"""


@pytest.fixture
def the_plan():
    file = scenario.Scenario.model_validate({"scenario": "x", "devices": [{"name": "ue1"}, {"name": "ue2"}]})
    return planning.make(file, topology.two_site(), file.methods[0], "wire")


@pytest.fixture
def packet(the_plan):
    device = the_plan.device("ue1")
    return trace.Packet(device.mac, GATEWAY_MAC, device.ipv4, the_plan.vip_ipv4)


def parse(body, packet, in_port=1):
    return trace.parse(HEAD + body + TAIL, packet, in_port)


def test_rules_are_read_with_table_match_priority_cookie_and_actions(packet):
    rules, _ = parse(REWRITTEN, packet)
    assert rules[0] == trace.Rule(0, "ip,dl_dst=02:00:5e:00:01:01", 100, None, ("dec_ttl", "goto_table:1"))
    assert (rules[1].table, rules[1].match, rules[1].priority, rules[1].cookie) == (1, "ip,nw_dst=10.99.0.1", 50, 0x200)


def test_an_output_has_the_addresses_that_were_set_before_it(packet):
    _, outputs = parse(REWRITTEN, packet)
    assert outputs == (trace.Output(2, GATEWAY_MAC, "02:00:00:00:00:03"),)


def test_a_copy_to_the_controller_has_the_addresses_from_before(packet):
    _, outputs = parse(COPIED, packet)
    assert [(output.port, output.destination_mac) for output in outputs] == [
        (None, GATEWAY_MAC),
        (2, "02:00:00:00:00:03"),
    ]


@pytest.mark.parametrize(
    ("body", "ports"), [(GROUP, [7]), (NO_MATCH, []), (DROP, []), (BACK, [1]), (TO_CONTROLLER, [None])]
)
def test_where_a_packet_leaves(body, ports, packet):
    assert [output.port for output in parse(body, packet)[1]] == ports


def test_a_flow_is_written_for_each_family(the_plan, packet):
    assert packet.flow(3).startswith(
        "in_port=3,udp,dl_src=02:00:00:01:00:01,dl_dst=02:00:5e:00:01:01,nw_src=10.45.0.1,"
    )
    device = the_plan.device("ue1")
    flow = trace.Packet(device.mac, GATEWAY_MAC, device.ipv6, the_plan.vip_ipv6).flow(1)
    assert "udp6," in flow
    assert "ipv6_src=2001:db8:45::1,ipv6_dst=2001:db8:99::1" in flow


class Switches:
    """Explanations by switch, and the flows that were asked about."""

    def __init__(self, **bodies):
        self.bodies = bodies
        self.asked = []

    def __call__(self, switch, flow):
        self.asked.append((switch, flow))
        return HEAD + self.bodies[switch] + TAIL


def rule(actions):
    return " 0. ip, priority 1\n" + "".join(f"    {action}\n" for action in actions)


def test_a_packet_goes_over_the_air_through_the_switches_to_the_host(the_plan):
    mac = the_plan.node("mec1").mac
    port = the_plan.towards["edge1"]["mec1"]
    switches = Switches(ap1=rule(["output:2"]), edge1=rule([f"set_field:{mac}->eth_dst", f"output:{port}"]))
    hops = trace.trace(the_plan, {"ue1": "ap1"}, "ue1", "vip", switches)
    assert [(hop.node, hop.outcome) for hop in hops] == [
        ("ue1", "sent to ap1 over the air"),
        ("ap1", "forwarded to edge1"),
        ("edge1", "forwarded to mec1"),
        ("mec1", "delivered"),
    ]
    assert (hops[2].in_port, hops[2].out_port, hops[2].out_interface) == (1, port, f"edge1-eth{port}")
    assert f"dl_dst={GATEWAY_MAC}" in switches.asked[1][1]


def test_a_packet_with_another_host_s_mac_is_dropped_there(the_plan):
    port = the_plan.towards["edge1"]["mec1"]
    switches = Switches(ap1=rule(["output:2"]), edge1=rule([f"output:{port}"]))
    last = trace.trace(the_plan, {"ue1": "ap1"}, "ue1", "vip", switches)[-1]
    assert last.outcome == f"dropped: sent to {GATEWAY_MAC}, which is not mec1"


def test_a_device_that_is_not_attached_sends_nothing(the_plan):
    hops = trace.trace(the_plan, {"ue1": None}, "ue1", "mec1", Switches())
    assert [hop.outcome for hop in hops] == ["dropped: attached to no access point"]


@pytest.mark.parametrize(
    ("attached", "last"), [("ap1", ("ue1", "delivered")), ("ap2", ("ap1", None)), (None, ("ap1", None))]
)
def test_the_radio_reaches_only_who_is_attached(the_plan, attached, last):
    device = the_plan.device("ue1")
    switches = Switches(
        edge1=rule([f"set_field:{device.mac}->eth_dst", f"output:{the_plan.towards['edge1']['ap1']}"]),
        ap1=rule(["output:1"]),
    )
    hop = trace.trace(the_plan, {"ue1": attached}, "mec1", "ue1", switches)[-1]
    assert (hop.node, hop.outcome) == (last[0], last[1] or f"dropped: nobody attached has {device.mac}")


def test_a_loop_ends(the_plan):
    there, back = the_plan.towards["edge1"]["core"], the_plan.towards["core"]["ap1"]
    switches = Switches(ap1=rule(["output:2"]), edge1=rule([f"output:{there}"]), core=rule([f"output:{back}"]))
    assert "loop" in trace.trace(the_plan, {"ue1": "ap1"}, "ue1", "vip", switches)[-1].outcome


def test_why_a_packet_is_dropped_is_said(the_plan):
    switches = Switches(ap1=NO_MATCH)
    assert trace.trace(the_plan, {"ue1": "ap1"}, "ue1", "vip", switches)[-1].outcome == "dropped: no rule in table 1"


def test_a_target_may_be_an_address_of_either_family(the_plan):
    switches = Switches(ap1=DROP)
    trace.trace(the_plan, {"ue1": "ap1"}, "ue1", "2001:db8:99::1", switches, "ipv4")
    assert "ipv6_src=2001:db8:45::1" in switches.asked[0][1]


@pytest.mark.parametrize(("source", "target"), [("ue9", "mec1"), ("ue1", "mec9"), ("edge1", "mec1")])
def test_an_unknown_end_is_refused_with_the_valid_ones(the_plan, source, target):
    with pytest.raises(LabError, match=r"no host or device .*one of"):
        trace.trace(the_plan, {"ue1": "ap1"}, source, target, Switches(ap1=DROP))
