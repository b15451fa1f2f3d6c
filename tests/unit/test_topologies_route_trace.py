"""Hop-by-hop traces through routers, over routing tables given as dictionaries."""

from ipaddress import IPv4Address, IPv6Address

import pytest

from meclab import planning, topology
from meclab.methods import Method
from meclab.plan import Plan
from meclab.scenario import Scenario
from topologies import route_trace
from topologies.route_trace import NextHop

ATTACHED = {"ue1": "ap1", "ue2": None}


@pytest.fixture
def plan() -> Plan:
    scenario = Scenario.model_validate({"scenario": "test", "devices": [{"count": 2}]})
    return planning.make(scenario, topology.two_site(), Method(name="bgp-anycast"), "wire")


def path(
    plan: Plan, tables: dict[str, NextHop | None], source: str, target: str, attached: dict[str, str | None] = ATTACHED
) -> list[str]:
    """Nodes, and what became of the packet; `tables` has one route for each router."""

    def lookup(router: str, destination: IPv4Address | IPv6Address) -> NextHop | None:
        return tables[router]

    hops = route_trace.trace(plan, attached, source, target, lookup)
    return [hop.node for hop in hops] + [hops[-1].outcome]


def test_a_packet_goes_from_router_to_router_and_is_delivered(plan: Plan) -> None:
    tables = {"edge1": ("edge1-eth3", "172.30.4.9"), "core": ("core-eth2", "172.30.4.10")}
    tables |= {"edge2": ("edge2-eth2", "172.30.4.7")}
    assert path(plan, tables, "ue1", "vip") == ["ue1", "ap1", "edge1", "core", "edge2", "mec2", "delivered"]


def test_a_router_without_a_route_drops(plan: Plan) -> None:
    assert path(plan, {"edge1": None}, "ue1", "cloud") == ["ue1", "ap1", "edge1", "dropped: no route"]


def test_a_router_has_addresses_of_its_own(plan: Plan) -> None:
    assert path(plan, {"edge1": ("lo", None)}, "ue1", "172.30.0.1") == ["ue1", "ap1", "edge1", "delivered"]


def test_a_device_is_reached_over_the_air_while_it_is_attached_there(plan: Plan) -> None:
    tables: dict[str, NextHop | None] = {"core": ("core-eth1", "172.30.4.8"), "edge1": ("edge1-eth1", None)}
    assert path(plan, tables, "cloud", "ue1") == ["cloud", "core", "edge1", "ap1", "ue1", "delivered"]
    gone = path(plan, tables, "cloud", "ue1", {"ue1": "ap2"})
    assert gone[:-1] == ["cloud", "core", "edge1", "ap1"]
    assert gone[-1].startswith("dropped: nobody attached has")


def test_routers_that_point_at_each_other_are_a_loop(plan: Plan) -> None:
    tables: dict[str, NextHop | None] = {"core": ("core-eth1", "172.30.4.8"), "edge1": ("edge1-eth3", "172.30.4.9")}
    assert path(plan, tables, "cloud", "ue1")[-1].startswith("dropped: a loop of over")


def test_a_hop_says_by_which_route(plan: Plan) -> None:
    hops = route_trace.trace(plan, ATTACHED, "ue1", "vip", lambda *_: ("edge1-eth2", "172.30.4.3"))
    assert hops[1].rules[0].actions == ("output:2",)
    assert hops[2].rules[0].match == "10.99.0.1"
    assert hops[2].rules[0].actions == ("via 172.30.4.3", "dev edge1-eth2")
