"""A scenario becomes a plan."""

from typing import Any

import pytest

from meclab import plan, planning, topology
from meclab.errors import ScenarioError
from meclab.scenario import Scenario

GRAPHS = {"two-site": topology.two_site(), "metro": topology.metro(5), "facility": topology.facility()}


def scenario(**content: Any) -> Scenario:
    return Scenario.model_validate({"scenario": "test", **content})


def planned(method: str = "vip:immediate", graph: str = "two-site", **content: Any) -> plan.Plan:
    parsed = scenario(methods=[method], **content)
    return planning.make(parsed, GRAPHS[graph], parsed.methods[0], "wire")


def problems(**content: Any) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        planned(**content)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_plan_survives_its_file(graph: str) -> None:
    made = planned(graph=graph)
    assert plan.Plan.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize("graph", GRAPHS)
def test_every_switch_knows_a_way_to_every_target_and_it_arrives(graph: str) -> None:
    made = planned(graph=graph)
    ends = {(e.node, e.number): o.node for link in made.links for e, o in ((link.a, link.b), (link.b, link.a))}
    for switch in made.switches:
        for target in made.towards[switch.name]:
            node, hops = switch.name, 0
            while node != target:
                node, hops = ends[node, made.towards[node][target]], hops + 1
                assert hops < len(made.nodes), f"{switch.name} to {target} loops"


def test_interface_names_fit_linux() -> None:
    made = planned(graph="metro", devices=[{"count": 200}])
    names = [end.interface for link in made.links for end in (link.a, link.b)]
    names += [point.interface for point in made.access_points] + [device.interface for device in made.devices]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 15


def test_a_node_knows_its_interfaces() -> None:
    made = planned()
    assert made.interfaces("ap1") == ["ap1-radio", "ap1-eth2"]
    assert made.interfaces("ue1") == ["ue1-eth0"]
    assert made.interfaces("ops") == ["ops-eth0", "ops-mgmt", "lo"]
    assert {"edge1-eth1", "core-eth4", "mgmt0", "lab0"} <= set(made.interfaces("root"))


def test_clients_start_with_the_address_their_method_gives_them() -> None:
    servers = {method: planned(method).devices[0].server_ipv4 for method in ("cloud", "sticky", "vip:pinned")}
    made = planned()
    expected = {"cloud": made.node("cloud").ipv4, "sticky": made.node("mec1").ipv4, "vip:pinned": made.vip_ipv4}
    assert servers == expected


def test_a_pair_overrides_its_class_key_by_key() -> None:
    made = planned(links={"backhaul": {"delay": "7ms", "loss": "1%"}, "core-edge1": {"delay": "9ms"}})
    assert (made.link("edge1", "core").shape.delay, made.link("edge1", "core").shape.loss) == (9_000_000, 0.01)
    assert made.link("edge2", "core").shape.delay == 7_000_000


def test_a_series_of_handovers_is_unrolled_in_order_of_time() -> None:
    series = {"device": "ue1", "through": ["ap2", "ap1"], "every": "2s", "times": 3}
    made = planned(events=[{"at": "1s", "handovers": series}, {"at": "2s", "load": {"host": "mec1", "value": 0.5}}])
    assert [event.at / 1e9 for event in made.events] == [1, 2, 3, 5]
    assert [event.handover.to for event in made.events if event.handover] == ["ap2", "ap1", "ap2"]


def test_breakout_covers_the_local_host_and_the_virtual_address() -> None:
    prefixes = {str(b.prefix) for b in planned().breakouts if b.edge == "edge1"}
    assert prefixes == {"10.1.1.10/32", "2001:db8:1:1::10/128", "10.99.0.1/32", "2001:db8:99::1/128"}
    assert planned(breakout=False).breakouts == ()


def test_every_problem_of_a_file_is_reported_at_once() -> None:
    found = problems(
        events=[{"at": "1s", "handover": {"device": "ue2", "to": "ap9"}}],
        devices=[{"name": "ue1", "joins": "3s"}],
        links={"edge1-edge2": {"delay": "1ms"}},
        policy={"pins": {"ue1": "mec7"}},
    )
    assert len(found) == 4
    assert "events[0].handover.to: found 'ap9'; expected one of ap1, ap2" in found[-1]


def test_an_event_before_its_device_joins_is_refused() -> None:
    found = problems(
        devices=[{"name": "ue1", "joins": "3s"}], events=[{"at": "1s", "handover": {"device": "ue1", "to": "ap2"}}]
    )
    assert found == ["events[0].at: found 1s; expected a time after ue1 joins, 3s"]


@pytest.mark.parametrize(
    "addresses",
    [
        {"vip_ipv4": "10.45.0.1"},
        {"devices_ipv4": "10.1.0.0/16"},
        {"cloud_ipv4": "10.0.0.10"},
        {"vip_ipv6": "2001:db8:c10d::10"},
    ],
)
def test_overlapping_addresses_are_refused(addresses: dict[str, str]) -> None:
    assert problems(addresses=addresses)


def test_a_pool_too_small_for_the_devices_is_refused() -> None:
    assert "a larger pool" in problems(addresses={"devices_ipv4": "10.45.0.0/30"}, devices=[{"count": 5}])[0]


def test_a_published_topology_becomes_edges_with_delays_from_distance() -> None:
    nodes = tuple(topology.PublishedNode(label, 0, 0) for label in ("Ulm", "Bonn", "Kiel"))
    links = (topology.PublishedLink(0, 1, 100), topology.PublishedLink(1, 2, 200))
    graph = topology.from_published(
        topology.Published("three", nodes, links), mec_hosts=["Ulm"], access_points=["Kiel"]
    )
    assert graph.named("mec") == ("mec1",)
    assert graph.named("ap") == ("ap3",)
    parsed = scenario()
    made = planning.make(parsed, graph, parsed.methods[0], "wire")
    assert made.link("edge1", "edge2").shape.delay == 100 * topology.NS_PER_KM
    assert made.distance_ns["ap3"]["mec1"] == 1_500_000 + 300 * topology.NS_PER_KM


def test_services_can_fail_and_only_mec_hosts_have_a_load() -> None:
    fails = [{"at": "1s", "fail": {"host": "adns", "how": "silence"}}]
    assert planned("ecs", events=fails).events
    loads = [{"at": "1s", "load": {"host": "adns", "value": 0.5}}]
    assert "'adns'" in problems(method="ecs", events=loads)[0]
    assert "'adns'" in problems(events=fails)[0], "a scenario without names has no such host"
