"""Where packets go by the controller's rules, walked through a network of flow tables."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from controller_plans import make_plan, settled
from flowtable import CONTROLLER, IN_PORT, Fabric, FlowTable, Packet

from controller.intents import Connection
from controller.rules import PIN_IDLE_S
from meclab.addressing import ANCHOR_MAC, GATEWAY_IPV4, GATEWAY_IPV6, GATEWAY_MAC
from meclab.messages import BreakoutIntent, RuleClass, Transaction

FAMILIES = ("ipv4", "ipv6")
PLANS = {sites: make_plan(sites, devices=3) for sites in (2, 5)}


def fabric(plan, change=None):
    rules, intents = settled(plan)
    intents = rules.network.change(intents, change) if change else intents
    return Fabric(plan).load(rules, intents)


def address(plan, name, family):
    if name == "vip":
        return plan.vip(family)
    parts = {part.name: part for part in (*plan.nodes, *plan.devices)}
    return getattr(parts[name], family)


def entry(plan, name):
    """Where a packet of a host or device comes in."""
    return plan.device(name).ap if name.startswith("ue") else name


def send(net, source, destination, family, **fields):
    plan = net.plan
    packet = Packet(address(plan, source, family), address(plan, destination, family), **fields)
    return net.send(entry(plan, source), packet)


def mac(plan, name):
    return plan.device(name).mac if name.startswith("ue") else plan.node(name).mac


def everyone(plan):
    return [node.name for node in plan.nodes if node.mac] + [device.name for device in plan.devices]


@pytest.mark.parametrize("breakout", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("sites", [2, 5])
def test_every_device_and_host_reaches_every_other(sites, family, breakout):
    plan = make_plan(sites, devices=sites + 2, breakout=breakout)
    net = fabric(plan)
    names = everyone(plan)
    for source in names:
        for destination in names:
            if source != destination:
                end = send(net, source, destination, family)
                assert (end.node, end.packet.eth_dst) == (entry(plan, destination), mac(plan, destination)), end
                assert not end.dropped


@pytest.mark.parametrize("family", FAMILIES)
def test_two_devices_at_one_access_point_reach_each_other(family):
    net = fabric(make_plan(2, devices=3))
    end = send(net, "ue1", "ue3", family)
    assert (end.node, end.packet.eth_dst) == ("ap1", mac(net.plan, "ue3"))


@pytest.mark.parametrize("family", FAMILIES)
def test_with_breakout_traffic_to_and_from_the_local_host_never_meets_the_core(family):
    net = fabric(PLANS[2])
    assert send(net, "ue1", "mec1", family).path == ("ap1", "edge1")
    assert send(net, "mec1", "ue1", family).path == ("edge1", "ap1")
    assert send(net, "ue1", "vip", family).path == ("ap1", "edge1")


@pytest.mark.parametrize("family", FAMILIES)
def test_without_breakout_everything_passes_the_anchor(family):
    net = fabric(make_plan(2, breakout=False))
    assert send(net, "ue1", "mec1", family).path == ("ap1", "edge1", "core", "edge1")
    assert send(net, "mec1", "ue1", family).path == ("edge1", "core", "edge1", "ap1")
    assert send(net, "ue1", "vip", family).path == ("ap1", "edge1", "core", "edge1")


def test_a_breakout_is_for_its_prefix_alone():
    plan = PLANS[2]
    removed = BreakoutIntent(edge="edge1", prefix=f"{plan.vip_ipv4}/32")
    net = fabric(plan, Transaction(remove_breakout=(removed,)))
    assert "core" in send(net, "ue1", "vip", "ipv4").path
    assert "core" not in send(net, "ue1", "vip", "ipv6").path
    assert "core" not in send(net, "ue1", "mec1", "ipv4").path


def alone(plan, target, family, device="ue1", edge="edge1"):
    """The breakout of a host or of the virtual address at an edge, for one device."""
    length = 32 if family == "ipv4" else 128
    return BreakoutIntent(edge=edge, prefix=f"{address(plan, target, family)}/{length}", device=device)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_breakout_of_one_device_leaves_the_others_with_the_anchor_both_ways(family):
    plan = make_plan(2, devices=3, breakout=False)
    net = fabric(plan, Transaction(breakout=(alone(plan, "mec1", family),)))
    assert send(net, "ue1", "mec1", family).path == ("ap1", "edge1")
    assert send(net, "mec1", "ue1", family).path == ("edge1", "ap1")
    assert send(net, "ue3", "mec1", family).path == ("ap1", "edge1", "core", "edge1")
    assert send(net, "mec1", "ue3", family).path == ("edge1", "core", "edge1", "ap1")
    assert send(net, "mec1", "cloud", family).path == ("edge1", "core")
    other = "ipv6" if family == "ipv4" else "ipv4"
    assert send(net, "ue1", "mec1", other).path == ("ap1", "edge1", "core", "edge1")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_device_that_left_the_edge_of_its_breakout_still_reaches_the_host_and_the_host_it(family):
    plan = make_plan(2, devices=3, breakout=False)
    net = fabric(plan, Transaction(breakout=(alone(plan, "mec1", family),), attach={"ue1": "ap2"}))
    packet = Packet(address(plan, "ue1", family), address(plan, "mec1", family))
    assert net.send("ap2", packet).path == ("ap2", "edge2", "core", "edge1")
    assert send(net, "mec1", "ue1", family).path == ("edge1", "core", "edge2", "ap2")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_breakout_for_everybody_and_one_for_a_device_come_and_go_apart(family):
    plan = PLANS[2]
    rules, intents = settled(plan)
    both = rules.network.change(intents, Transaction(breakout=(alone(plan, "mec1", family),)))
    net = Fabric(plan).load(rules, both)
    assert {send(net, name, "mec1", family).path for name in ("ue1", "ue3")} == {("ap1", "edge1")}
    everybody = alone(plan, "mec1", family, device=None)
    net.load(rules, rules.network.change(both, Transaction(remove_breakout=(everybody,))))
    assert send(net, "ue1", "mec1", family).path == ("ap1", "edge1")
    assert "core" in send(net, "ue3", "mec1", family).path
    net.load(rules, rules.network.change(both, Transaction(remove_breakout=(alone(plan, "mec1", family),))))
    assert {send(net, name, "mec1", family).path for name in ("ue1", "ue3")} == {("ap1", "edge1")}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_virtual_address_breaks_out_for_one_device(family):
    plan = make_plan(2, devices=3, breakout=False)
    net = fabric(plan, Transaction(breakout=(alone(plan, "vip", family),)))
    assert send(net, "ue1", "vip", family).path == ("ap1", "edge1")
    assert send(net, "ue3", "vip", family).path == ("ap1", "edge1", "core", "edge1")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("host", ["mec1", "mec2", "mec4"])
def test_the_virtual_address_is_at_the_host_that_serves_the_device(family, host):
    net = fabric(PLANS[5], Transaction(serve={"ue2": host}))
    end = send(net, "ue2", "vip", family)
    assert (end.node, end.packet.eth_dst) == (host, mac(net.plan, host))
    assert end.packet.destination == net.plan.vip(family)
    assert send(net, "ue1", "vip", family).node == "mec1"


@pytest.mark.parametrize("family", FAMILIES)
def test_an_edge_without_a_device_s_rule_sends_it_to_the_anchor_which_knows_every_device(family):
    net = fabric(PLANS[2])
    packet = Packet(net.plan.device("ue1").__getattribute__(family), net.plan.vip(family))
    end = net.send("ap2", packet)
    assert end.node == "mec1"
    assert end.path == ("ap2", "edge2", "core", "edge1")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_virtual_address_of_an_unserved_device_is_dropped_at_the_anchor(family):
    rules, intents = settled(PLANS[2], served=False)
    net = Fabric(PLANS[2]).load(rules, intents)
    end = send(net, "ue1", "vip", family)
    assert (end.node, end.dropped) == ("core", True)


def test_a_packet_for_a_device_that_is_not_attached_is_dropped():
    rules, _ = settled(PLANS[2])
    net = Fabric(PLANS[2]).load(rules, rules.network.initial())
    assert send(net, "cloud", "ue1", "ipv4").dropped
    assert send(net, "mec1", "ue1", "ipv6").dropped


def test_every_switch_takes_one_off_the_ttl_but_the_one_that_leaves_routing_to_the_anchor():
    net = fabric(PLANS[2])
    assert send(net, "ue1", "mec1", "ipv4").packet.ttl == 64 - 1
    assert send(net, "ue1", "mec2", "ipv4").packet.ttl == 64 - 2
    assert send(net, "ue1", "mec2", "ipv4", ttl=1).dropped


def test_a_frame_on_its_way_to_a_device_that_has_moved_turns_round():
    plan = PLANS[2]
    net = fabric(plan, Transaction(attach={"ue1": "ap2"}))
    port_to_core = plan.towards["edge1"]["core"]
    late = Packet(plan.node("cloud").ipv4, plan.device("ue1").ipv4, GATEWAY_MAC, plan.device("ue1").mac)
    ((port, sent),) = net.tables["edge1"].outputs(late, port_to_core)
    assert (port, sent.ttl) == (port_to_core, 63)


def test_what_two_switches_send_to_and_fro_ends_by_its_ttl():
    """One switch could not be told of a move: it still sends to the other, which sends back."""
    plan = PLANS[2]
    moved = fabric(plan, Transaction(attach={"ue1": "ap2"}))
    moved.tables["core"] = fabric(plan).tables["core"]
    end = send(moved, "cloud", "ue1", "ipv4", ttl=20)
    assert end.dropped
    assert len(end.path) == 20


@pytest.mark.parametrize("switch", ["edge1", "core"])
def test_arp_for_the_gateway_is_answered_where_it_comes_in(switch):
    table = fabric(PLANS[2]).tables[switch]
    request = Packet(ip_address("10.1.0.1"), GATEWAY_IPV4, eth_dst="ff:ff:ff:ff:ff:ff", arp=True)
    assert [(port, answer.eth_src) for port, answer in table.outputs(request, 3)] == [(IN_PORT, GATEWAY_MAC)]
    unicast = replace(request, eth_dst=GATEWAY_MAC)
    assert [port for port, _ in table.outputs(unicast, 3)] == [IN_PORT]


def test_arp_for_anything_else_is_dropped():
    table = fabric(PLANS[2]).tables["edge1"]
    asked = PLANS[2].node("mec1").ipv4
    assert table.outputs(Packet(asked, asked, eth_dst="ff:ff:ff:ff:ff:ff", arp=True), 3) == []


@pytest.mark.parametrize("eth_dst", ["33:33:ff:00:00:01", GATEWAY_MAC])
def test_a_neighbour_solicitation_for_the_gateway_goes_to_the_controller_alone(eth_dst):
    table = fabric(PLANS[2]).tables["edge1"]
    asked = Packet(ip_address("fe80::2"), GATEWAY_IPV6, eth_dst=eth_dst, solicitation=True)
    assert [port for port, _ in table.outputs(asked, 3)] == [CONTROLLER]


def test_other_ipv6_multicast_is_dropped():
    table = fabric(PLANS[2]).tables["edge1"]
    assert table.outputs(Packet(ip_address("fe80::2"), ip_address("ff02::16"), eth_dst="33:33:00:00:00:16"), 3) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_pinned_copies_first_segments_to_the_controller_as_routed_and_sends_them_on(family):
    net = fabric(PLANS[2])
    first = Packet(getattr(net.plan.device("ue1"), family), net.plan.vip(family), tcp_ports=(4000, 8080), syn=True)
    out = net.tables["edge1"].outputs(first, net.plan.towards["edge1"]["ap1"])
    assert [port for port, _ in out] == [CONTROLLER, net.plan.towards["edge1"]["mec1"]]
    assert {sent.eth_dst for _, sent in out} == {mac(net.plan, "mec1")}
    later = replace(first, syn=False)
    assert [port for port, _ in net.tables["edge1"].outputs(later, 3)] == [net.plan.towards["edge1"]["mec1"]]


def test_immediate_copies_nothing():
    net = fabric(make_plan(2, method="vip:immediate"))
    first = Packet(net.plan.device("ue1").ipv4, net.plan.vip_ipv4, tcp_ports=(4000, 8080), syn=True)
    assert [port for port, _ in net.tables["edge1"].outputs(first, 3)] == [net.plan.towards["edge1"]["mec1"]]


def pinned(plan, source_port=4000, family="ipv4"):
    device = plan.device("ue1")
    return Connection("ue1", getattr(device, family), source_port, plan.vip(family), 8080)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("at", ["ap1", "ap2"])
def test_a_pinned_connection_stays_with_its_host_and_others_do_not(family, at):
    plan = PLANS[2]
    rules, intents = settled(plan)
    intents = intents.with_pin(pinned(plan, family=family), "mec1")
    net = Fabric(plan).load(
        rules, rules.network.change(intents, Transaction(attach={"ue1": at}, serve={"ue1": "mec2"}))
    )
    source = getattr(plan.device("ue1"), family)
    assert net.send(at, Packet(source, plan.vip(family), tcp_ports=(4000, 8080))).node == "mec1"
    assert net.send(at, Packet(source, plan.vip(family), tcp_ports=(4001, 8080))).node == "mec2"
    assert net.send(at, Packet(source, plan.vip(family))).node == "mec2"


def test_only_the_rule_that_sees_a_connection_s_packets_ends_by_silence():
    rules, intents = settled(PLANS[2])
    idle = {switch: rule.idle_s for switch, rule in rules.pin(intents, pinned(PLANS[2]), "mec1")}
    assert idle == {"edge1": PIN_IDLE_S, "core": 0}
    rules, intents = settled(make_plan(2, breakout=False))
    assert {switch: rule.idle_s for switch, rule in rules.pin(intents, pinned(PLANS[2]), "mec1")} == {
        "core": PIN_IDLE_S
    }


def test_rules_carry_why_they_are_there():
    rules, intents = settled(PLANS[2])
    intents = intents.with_pin(pinned(PLANS[2]), "mec1")
    by_priority = {
        rule.key.priority: rule.kind for switch, rule in rules.of_device(intents, "ue1") if rule.key.table == 1
    }
    assert by_priority == {10: RuleClass.STEER, 20: RuleClass.PIN, 30: RuleClass.PIN}
    attach = [rule.kind for _, rule in rules.attachment("ue1", "ap1")]
    assert attach == [RuleClass.ATTACH] * 3


def test_frames_for_the_anchor_are_routed_by_the_core_alone():
    net = fabric(PLANS[5])
    for switch, table in net.tables.items():
        if switch.startswith("edge"):
            frame = Packet(ip_address("10.9.9.9"), net.plan.node("cloud").ipv4, eth_dst=ANCHOR_MAC)
            assert [sent.eth_dst for _, sent in table.outputs(frame, 99)] == [ANCHOR_MAC]


def test_no_switch_is_given_one_rule_twice():
    rules, intents = settled(PLANS[5])
    for switch in PLANS[5].switches:
        FlowTable(rules.of_switch(intents, switch.name))


def test_a_move_computes_only_the_forwarding_entries_that_change_their_port():
    rules, _ = settled(make_plan(6))
    towards = rules.plan.towards
    found = dict(rules.attachment("ue1", "ap2", unlike="ap1"))
    assert found == {
        switch: rule
        for switch, rule in rules.attachment("ue1", "ap2")
        if towards[switch]["ap2"] != towards[switch]["ap1"]
    }
    assert set(found) < set(rules.routers)
    assert list(rules.attachment("ue1", "ap1", unlike="ap1")) == []
