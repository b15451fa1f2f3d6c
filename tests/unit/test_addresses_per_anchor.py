"""`address: per-anchor`: a device has other addresses at each access point, and everybody knows all of them."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from flowtable import Fabric, Packet

from controller.intents import Connection, Network
from controller.rules import Rules
from hosts.core5g.deployment import Deployment
from hosts.orchestration.notices import Notices
from hosts.platform import traffic
from hosts.platform.ualcmp_core import Proxy
from hosts.router import Attachments
from hosts.web.assignments import Assignments
from meclab import namerules, planning, routers, topology
from meclab.errors import ScenarioError
from meclab.messages import BreakoutIntent, RouterAttachment, Transaction
from meclab.plan import Plan
from meclab.platforms import TrafficFilter, TrafficRule
from meclab.scenario import Scenario
from topologies import trace

AT = {"ap1": ("100.64.1.1", "2001:db8:a00:100::1"), "ap2": ("100.64.2.1", "2001:db8:a00:200::1")}
"""Addresses of the first device."""
MOVE = {"at": "1s", "handover": {"device": "ue1", "to": "ap2"}}


def plan(method: str = "vip", **content: Any) -> Plan:
    given = {"scenario": "test", "address": "per-anchor", "methods": [method], "devices": [{"count": 2}], **content}
    found = Scenario.model_validate(given)
    return planning.make(found, topology.two_site(), found.methods[0], "wire")


def problems(**content: Any) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        plan(**content)
    return [str(problem) for problem in caught.value.problems]


def pair(ap: str) -> tuple[Any, ...]:
    return tuple(ip_address(address) for address in AT[ap])


def test_a_device_is_numbered_in_the_prefixes_of_each_access_point_and_starts_with_those_of_its_own() -> None:
    first, second = plan().devices
    assert [first.addresses(ap) for ap in AT] == [pair("ap1"), pair("ap2")]
    assert (second.ap, second.ipv4) == ("ap2", ip_address("100.64.2.2"))
    assert first.owned == (*pair("ap1"), *pair("ap2"))
    assert all(address in plan().location(ap)[n] for ap in AT for n, address in enumerate(first.addresses(ap)))


def test_without_it_a_device_has_the_same_addresses_everywhere() -> None:
    fixed = plan(address="fixed")
    device = fixed.devices[0]
    assert not fixed.renumbers
    assert device.addresses("ap2") == (device.ipv4, device.ipv6) == device.owned


def test_a_plan_with_it_survives_its_file() -> None:
    assert Plan.model_validate_json(plan().model_dump_json()) == plan()


def test_more_devices_than_a_prefix_has_addresses_are_refused() -> None:
    assert len(plan(devices=[{"count": 254}]).devices) == 254
    (problem,) = problems(devices=[{"count": 255}])
    assert "device 255 does not fit 100.64.1.0/24" in problem and "a larger pool" in problem


def test_an_address_of_a_device_s_own_is_refused() -> None:
    (problem,) = problems(devices=[{"name": "ue1", "ipv4": "10.45.0.7"}])
    assert problem.startswith("devices[0].ipv4: found 10.45.0.7; expected nothing with address: per-anchor")


def test_prefixes_of_access_points_that_hold_somebody_else_are_refused() -> None:
    assert problems(addresses={"vip_ipv4": AT["ap2"][0]}) == [
        "devices[0]: found 100.64.2.1 for ue1; expected an address that the virtual address does not have"
    ]


@pytest.mark.parametrize(("source", "to"), [("ue1", "mec1"), ("mec1", "ue1")])
def test_background_traffic_of_a_device_that_moves_is_refused_and_of_others_not(source: str, to: str) -> None:
    stream = {"from": source, "to": to, "rate": "1Mbit"}
    key = "from" if source == "ue1" else "to"
    (problem,) = problems(traffic=[stream], events=[MOVE])
    assert problem.startswith(f"traffic[0].{key}: found 'ue1'; expected a host, or a device that stays")
    assert plan(traffic=[stream], events=[MOVE | {"handover": {"device": "ue2", "to": "ap1"}}])


def test_client_subnets_of_addresses_name_the_access_point_and_are_answered_by_location() -> None:
    ecs = plan("ecs", dns={"ecs_source": "address"})
    assert namerules.scoping(ecs) == "location"
    assert namerules.locations(ecs) == ("ap1", "ap2")
    assert all(ip_address(AT["ap2"][n]) in subnet for n, subnet in enumerate(namerules.of_location(ecs, "ap2")))
    assert namerules.scoping(plan("ecs", dns={"ecs_source": "address"}, address="fixed")) == "device"


@pytest.mark.parametrize(("method", "source"), [("ecs", "host"), ("edge-dns", "location")])
def test_a_rule_for_one_device_holds_for_all_its_addresses(method: str, source: str) -> None:
    made = plan(method, dns={"ecs_source": source})
    networks = tuple(ip_network(address) for ap in AT for address in AT[ap])
    assert namerules.of_device(made, made.devices[0]) == networks


def fabric(made: Plan, at: str, host: str, **more: Any) -> Fabric:
    network = Network(made)
    change = Transaction(attach={"ue1": at}, serve={"ue1": host}, **more)
    return Fabric(made).load(Rules(network), network.change(network.initial(), change))


@pytest.mark.parametrize("family", [0, 1])
def test_the_virtual_address_is_steered_for_the_address_at_the_access_point(family: int) -> None:
    made = plan()
    vip = (made.vip_ipv4, made.vip_ipv6)[family]
    end = fabric(made, "ap2", "mec2").send("ap2", Packet(ip_address(AT["ap2"][family]), vip))
    assert (end.node, end.path) == ("mec2", ("ap2", "edge2"))


@pytest.mark.parametrize("family", [0, 1])
def test_what_comes_before_the_controller_hears_of_the_attach_is_steered_at_the_anchor(family: int) -> None:
    made = plan()
    vip = (made.vip_ipv4, made.vip_ipv6)[family]
    end = fabric(made, "ap1", "mec1").send("ap2", Packet(ip_address(AT["ap2"][family]), vip))
    assert end.node == "mec1" and "core" in end.path


@pytest.mark.parametrize("ap", AT)
def test_what_is_for_any_address_of_the_device_goes_to_where_it_is(ap: str) -> None:
    made = plan()
    cloud = made.node("cloud")
    assert cloud.ipv4 is not None
    end = fabric(made, "ap2", "mec2").send("cloud", Packet(cloud.ipv4, ip_address(AT[ap][0])))
    assert (end.node, end.packet.eth_dst) == ("ap2", made.device("ue1").mac)


def test_a_breakout_of_one_device_is_for_its_address_at_that_edge() -> None:
    made = plan("easdf:dynamic")
    host = made.node("mec2")
    assert host.ipv4 is not None
    intent = BreakoutIntent(edge="edge2", prefix=ip_network(host.ipv4), device="ue1")
    net = fabric(made, "ap2", "mec2", breakout=(intent,))
    assert net.send("ap2", Packet(ip_address(AT["ap2"][0]), host.ipv4)).path == ("ap2", "edge2")
    assert "core" in net.send("ap2", Packet(ip_address("100.64.2.2"), host.ipv4)).path
    assert net.send("mec2", Packet(host.ipv4, ip_address(AT["ap2"][0]))).path == ("edge2", "ap2")


def test_a_pinned_connection_is_over_when_its_address_is_gone() -> None:
    made = plan("vip:pinned")
    network = Network(made)
    intents = network.change(network.initial(), Transaction(attach={"ue1": "ap1"}, serve={"ue1": "mec1"}))
    pinned = Connection("ue1", ip_address(AT["ap1"][0]), 40000, made.vip_ipv4, 8080)
    intents = intents.with_pin(pinned, "mec1")
    assert network.change(intents, Transaction(attach={"ue1": "ap1"})).pin(pinned) == "mec1"
    assert network.change(intents, Transaction(attach={"ue1": "ap2"})).pin(pinned) is None


@pytest.mark.parametrize("address", [address for ap in AT for address in AT[ap]])
def test_a_device_is_recognised_by_every_address_that_it_may_have(address: str) -> None:
    made = plan()
    assert Network(made).connection(ip_address(address), 1, made.vip_ipv4, 8080).device == "ue1"  # type: ignore[union-attr]
    assert Assignments(made).device(address, "/") == "ue1"

    async def nobody() -> Any:
        raise OSError

    assert Proxy(made, nobody).caller(address).name == "ue1"
    rule = TrafficRule(
        trafficRuleId="t",
        filterType="FLOW",
        priority=1,
        trafficFilter=(TrafficFilter(srcAddress=(address,), dstAddress=(str(made.node("mec1").ipv4),)),),
        action="FORWARD_DECAPSULATED",
    )
    if ip_address(address).version == 4:
        assert [intent.device for intent in traffic.intents(made, "mec1", rule)] == ["ue1"]


def test_a_device_is_told_at_the_address_that_it_has_where_it_is() -> None:
    made = plan()
    assert [str(made.address("ue1", ap)) for ap in (None, "ap1", "ap2")] == [AT["ap1"][0], AT["ap1"][0], AT["ap2"][0]]
    assert Notices(made, lambda: 0).where("ue1") is None


def test_the_client_subnet_of_the_easdf_is_of_the_address_at_the_access_point() -> None:
    deployment = Deployment(plan("easdf", dns={"ecs_source": "address"}))
    device = deployment.plan.devices[0]
    assert [str(deployment.subnet(device, ap)) for ap in AT] == ["100.64.1.0/24", "100.64.2.0/24"]
    host = Deployment(plan("easdf", dns={"ecs_source": "host"}))
    assert str(host.subnet(host.plan.devices[0], "ap2")) == "100.64.2.1/32"


def test_routers_have_the_addresses_of_an_access_point_from_the_start_and_an_attach_changes_none() -> None:
    made = plan("bgp-anycast")
    (port,) = (port for port in routers.ports(made, "edge2") if port.interface == "edge2-eth1")
    assert [str(address) for address in port.attached if address in pair("ap2")] == list(AT["ap2"])
    assert not set(port.attached) & set(pair("ap1"))
    assert {mac for address, mac in port.neighbours if address in made.devices[0].owned} == {made.devices[0].mac}

    class Untouched:
        def add(self, *_: object) -> None:
            raise AssertionError

        def remove(self, *_: object) -> bool:
            raise AssertionError

    edge2 = Attachments(made, "edge2", Untouched())
    edge2.change([RouterAttachment(device="ue1", ap="ap2", sequence=1)])
    assert edge2.here == {"ue1": "ap2"}


def test_a_trace_begins_with_the_address_that_the_device_has_now() -> None:
    made = plan()
    packet = trace.first_packet(made, {"ue1": "ap2"}, "ue1", "mec2", "ipv4")
    assert packet.source == ip_address(AT["ap2"][0])
    assert trace.first_packet(made, {"ue1": "ap2"}, "mec2", "ue1", "ipv6").destination == ip_address(AT["ap2"][1])
