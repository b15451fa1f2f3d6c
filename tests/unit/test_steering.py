"""What each method has the orchestrator tell whom, for one decision."""

import json
from ipaddress import ip_network
from itertools import count
from typing import Any

import pytest

from meclab import facts, planning, topology
from meclab.facts import Attached, Fact, Named, Relocated, Resolved, Served
from meclab.plan import Plan
from meclab.policy import Decision
from meclab.scenario import Scenario
from meclab.steering import Steering

ALL = ["cloud", "sticky", "ecs", "edge-dns", "easdf", "http-redirect", "devapp", "vip", "bgp-anycast"]


def steering(method: str, **content: Any) -> Steering:
    found = Scenario.model_validate({"scenario": "test", "methods": [method], "devices": [{"count": 3}], **content})
    return Steering(planning.make(found, topology.two_site(), found.methods[0], "wire"))


def decision(device: str, host: str, ap: str, previous: str | None = None) -> Decision:
    return Decision(device, host, previous, "attach", "", 0, ap=ap)


def location(ap: str, host: str) -> Decision:
    return Decision(ap, host, None, "start", "", 0, of_location=True, ap=ap)


def moved(state: Steering, device: str, ap: str, host: str, sequence: int = 1) -> list[Fact]:
    """Everything that an attach and its decision have told."""
    return [*state.attached(device, ap, sequence), *state.decided(decision(device, host, ap))]


def contents(told: list[Fact] | tuple[Fact, ...]) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for fact in told:
        found.setdefault(fact.recipient, []).append(fact.content)
    return found


def packed(plan: Plan, kind: Any, told: tuple[Fact, ...]) -> list[tuple[str, Any]]:
    parcels = facts.pack(plan, kind, told, count(1).__next__)
    return [(parcel.target, json.loads(parcel.body)) for parcel in parcels]


@pytest.mark.parametrize("method", ALL)
def test_whoever_is_told_has_a_courier_or_is_the_device(method: str) -> None:
    state = steering(method)
    names = {recipient.name for recipient in state.recipients}
    told = [*moved(state, "ue1", "ap1", "mec1"), *moved(state, "ue1", "ap2", "mec2", 2)]
    assert told
    assert {fact.recipient for fact in told} <= names | {"ue1"}


@pytest.mark.parametrize("method", [name for name in ALL if name != "bgp-anycast"])
def test_every_method_but_routing_tells_the_controller_of_each_attach(method: str) -> None:
    state = steering(method)
    assert Attached("ap1", 1) in contents(moved(state, "ue1", "ap1", "mec1"))["controller"]
    assert Attached("ap1", 2) in contents(moved(state, "ue1", "ap1", "mec1", 2))["controller"]


@pytest.mark.parametrize("method", ["cloud", "sticky", "bgp-anycast"])
def test_a_method_without_decisions_tells_none(method: str) -> None:
    state = steering(method)
    state.attached("ue1", "ap1", 1)
    assert state.decided(decision("ue1", "mec2", "ap1")) == ()


def test_vip_tells_the_controller_who_serves() -> None:
    state = steering("vip")
    told = tuple(moved(state, "ue1", "ap2", "mec2"))
    assert packed(state.plan, "controller", told) == [
        (
            "/v1/transactions",
            {"attach": {"ue1": "ap2"}, "serve": {"ue1": "mec2"}, "breakout": [], "remove_breakout": []},
        )
    ]


def test_an_attach_repeats_nothing_of_a_prepared_decision() -> None:
    for method in ("vip", "http-redirect", "devapp", "easdf"):
        state = steering(method, dns={"ecs_source": "host"})
        moved(state, "ue1", "ap1", "mec1")
        prepared = state.decided(decision("ue1", "mec2", "ap2", "mec1"))
        assert prepared
        told = moved(state, "ue1", "ap2", "mec2", 2)
        assert contents(told) == {"controller": [Attached("ap2", 2)]}, method


def test_a_redirect_is_told_to_the_front_and_to_every_host() -> None:
    state = steering("http-redirect")
    told = contents(state.decided(decision("ue1", "mec2", "ap2")))
    assert told == {name: [Served("mec2")] for name in ("front", "mec1", "mec2")}
    (parcel,) = packed(state.plan, "serving", state.known("mec1"))
    assert parcel == ("/v1/serving", {"update": 1, "serving": {"ue1": "mec2"}})


def test_the_proxy_of_device_applications_is_told_who_serves() -> None:
    assert contents(steering("devapp").decided(decision("ue1", "mec2", "ap2"))) == {"ualcmp": [Served("mec2")]}


def test_routers_of_the_new_and_the_old_edge_are_told_of_an_attach() -> None:
    state = steering("bgp-anycast")
    assert contents(state.attached("ue1", "ap1", 1)) == {"edge1": [Attached("ap1", 1)]}
    told = state.attached("ue1", "ap2", 2)
    assert contents(told) == {"edge1": [Attached("ap2", 2)], "edge2": [Attached("ap2", 2)]}
    (parcel,) = packed(state.plan, "router", told[:1])
    assert parcel == ("/v1/attachments", [{"device": "ue1", "ap": "ap2", "sequence": 2}])


def test_routers_are_reached_at_addresses_of_the_plans_family() -> None:
    versions = {
        family: {
            recipient.address.count(":") > 0
            for recipient in steering("bgp-anycast", probes={"family": family}).recipients
        }
        for family in ("ipv4", "ipv6")
    }
    assert versions == {"ipv4": {False}, "ipv6": {True}}


def test_the_session_function_is_told_where_the_device_is_and_where_it_came_from() -> None:
    state = steering("easdf")
    moved(state, "ue1", "ap1", "mec1")
    told = state.decided(decision("ue1", "mec2", "ap2", "mec1"))
    assert contents(told)["smf"] == [Relocated("ap2", "mec2", "mec1", 0)]
    ((target, body),) = packed(state.plan, "smf", tuple(fact for fact in told if fact.recipient == "smf"))
    assert target == "/nsmf-lab/v1/relocations"
    assert (body["device"], body["ap"], body["host"], body["previous"]) == ("ue1", "ap2", "mec2", "mec1")


def test_relocations_count_up_and_are_told_one_by_one() -> None:
    state = steering("easdf")
    told = [
        fact for device in ("ue1", "ue2") for fact in moved(state, device, "ap1", "mec1") if fact.recipient == "smf"
    ]
    numbers = [body["update"] for _, body in packed(state.plan, "smf", tuple(told))]
    assert numbers == sorted(set(numbers)) and len(numbers) == 2


def test_a_location_has_a_rule_for_each_host_and_family_with_the_decided_host_s_active() -> None:
    state = steering("ecs")
    ((target, body),) = packed(state.plan, "mepm", state.located(location("ap2", "mec2")))
    assert target == "/app_lcm/v1/app_instances/app-mec2/configure_platform_for_app"
    assert body["update"] == 1
    assert {rule["dnsRuleId"]: rule["state"] for rule in body["appDNSRule"]} == {
        "ap2-mec1-4": "INACTIVE",
        "ap2-mec1-6": "INACTIVE",
        "ap2-mec2-4": "ACTIVE",
        "ap2-mec2-6": "ACTIVE",
    }
    first = body["appDNSRule"][0]
    assert first["domainName"] == "app.edge.example." and first["ttl"] == 10
    assert first["clientSubnet"] == [str(prefix) for prefix in state.plan.location("ap2")]


def test_by_location_a_device_s_decision_tells_no_rule_and_says_where_it_differs() -> None:
    state = steering("ecs")
    state.located(location("ap1", "mec1"))
    assert "mepm" not in contents(moved(state, "ue1", "ap1", "mec1"))
    assert state.shortfall("ue1") == ""
    state.decided(decision("ue1", "mec2", "ap1"))
    assert state.shortfall("ue1") == "100.64.1.0/24 is ap1's, and answered mec1: not its decision"


def test_access_points_in_one_short_prefix_are_answered_as_the_first_of_them() -> None:
    state = steering("ecs", dns={"ecs_prefix_ipv4": 16, "ecs_prefix_ipv6": 40})
    ap1, ap2 = (
        contents(state.located(location(ap, host)))["mepm"][0] for ap, host in (("ap1", "mec1"), ("ap2", "mec2"))
    )
    assert isinstance(ap1, Named) and isinstance(ap2, Named)
    assert ap1.subnets == ap2.subnets == (ip_network("100.64.0.0/16"), ip_network("2001:db8:a00::/40"))
    moved(state, "ue1", "ap2", "mec2")
    assert state.shortfall("ue1") == "100.64.0.0/16 is ap1's too, and answered mec1: not its decision"


@pytest.mark.parametrize(
    ("source", "subnets"),
    [("host", ("10.45.0.1/32", "2001:db8:45::1/128")), ("address", ("10.45.0.0/24", "2001:db8:45::/56"))],
)
def test_by_device_each_decision_is_a_rule_for_the_device_s_own_subnets(source: str, subnets: tuple[str, ...]) -> None:
    state = steering("ecs", dns={"ecs_source": source})
    rules = contents(state.decided(decision("ue1", "mec2", "ap2")))["mepm"]
    assert rules == [Named("mec2", "mec2", tuple(ip_network(subnet) for subnet in subnets))]


def test_devices_in_one_prefix_are_told_apart_by_nobody_and_the_second_s_decision_says_so() -> None:
    state = steering("ecs", dns={"ecs_source": "address"})
    for device, host in (("ue1", "mec1"), ("ue2", "mec2"), ("ue3", "mec1")):
        state.decided(decision(device, host, "ap1"))
    assert [state.shortfall(device) for device in ("ue1", "ue3")] == ["", ""]
    assert state.shortfall("ue2") == "10.45.0.0/24 is ue1's too, and answered mec1: not its decision"


def test_the_platform_of_the_decided_host_carries_old_and_new_rules_in_one_request() -> None:
    state = steering("ecs", dns={"ecs_source": "host"})
    state.decided(decision("ue1", "mec1", "ap1"))
    ((target, body),) = packed(state.plan, "mepm", state.decided(decision("ue1", "mec2", "ap2")))
    states = {rule["dnsRuleId"]: rule["state"] for rule in body["appDNSRule"]}
    assert "/app-mec2/" in target
    assert (states["ue1-mec1-4"], states["ue1-mec2-4"]) == ("INACTIVE", "ACTIVE")


def test_a_local_resolver_answers_everybody_its_location_s_host() -> None:
    state = steering("edge-dns")
    ((target, body),) = packed(state.plan, "mepm", state.located(location("ap1", "mec1")))
    assert "/app-mec1/" in target
    assert all("clientSubnet" not in rule for rule in body["appDNSRule"])


def test_a_device_has_rules_of_its_own_only_where_its_resolver_would_answer_another_host() -> None:
    state = steering("edge-dns")
    state.located(location("ap1", "mec1"))
    state.located(location("ap2", "mec2"))
    assert "mepm" not in contents(moved(state, "ue1", "ap1", "mec1"))
    (own,) = contents(state.decided(decision("ue1", "mec2", "ap1")))["mepm"]
    assert isinstance(own, Named) and (own.platform, own.host) == ("mec1", "mec2")
    (gone,) = contents(moved(state, "ue1", "ap2", "mec2", 2))["mepm"]
    assert isinstance(gone, Named) and (gone.platform, gone.host) == ("mec1", None)


def test_a_location_that_changes_brings_and_takes_away_rules_of_its_devices() -> None:
    state = steering("edge-dns")
    state.located(location("ap1", "mec1"))
    moved(state, "ue1", "ap1", "mec1")
    changed = state.located(location("ap1", "mec2"))
    assert [(fact.subject, fact.content.host) for fact in changed if isinstance(fact.content, Named)] == [
        ("ap1", "mec2"),
        ("ue1", "mec1"),
    ]
    back = state.located(location("ap1", "mec1"))
    assert [(fact.subject, fact.content.host) for fact in back if isinstance(fact.content, Named)] == [
        ("ap1", "mec1"),
        ("ue1", None),
    ]


def test_a_resolver_whose_host_comes_back_is_told_again_what_it_was_to_know() -> None:
    state = steering("edge-dns")
    told = {ap: state.located(location(ap, host)) for ap, host in (("ap1", "mec1"), ("ap2", "mec2"))}
    lost = state.lost("mec1")
    assert lost == told["ap1"]
    assert state.again(lost) == told["ap1"]
    assert steering("ecs").lost("mec1") == ()


def test_what_a_resolver_lost_and_was_given_anew_is_not_told_twice() -> None:
    state = steering("edge-dns")
    state.located(location("ap1", "mec2"))
    lost = state.lost("mec1")
    state.located(location("ap1", "mec1"))
    assert state.again(lost) == ()


def test_a_device_is_handed_the_resolver_of_its_access_point_where_the_method_has_it_so() -> None:
    state = steering("edge-dns:handed")
    assert contents(state.attached("ue1", "ap2", 1))["ue1"] == [Resolved("mec2")]
    assert "ue1" not in contents(state.attached("ue1", "ap2", 2))
    assert "ue1" not in contents(steering("edge-dns:anycast").attached("ue1", "ap2", 1))


def test_a_device_whose_resolver_is_silent_is_handed_the_nearest_living_one_and_its_own_again() -> None:
    state = steering("edge-dns:handed")
    moved(state, "ue1", "ap1", "mec1")
    moved(state, "ue2", "ap2", "mec2")
    assert state.alive({"mec1", "mec2"}) == {}
    assert {name: contents(facts) for name, facts in state.alive({"mec2"}).items()} == {
        "ue1": {"ue1": [Resolved("mec2")]}
    }
    assert state.alive({"mec2"}) == {}
    assert contents(state.alive({"mec1", "mec2"})["ue1"]) == {"ue1": [Resolved("mec1")]}


def test_whoever_attaches_where_the_resolver_is_silent_is_handed_the_nearest_living_one() -> None:
    state = steering("edge-dns:handed")
    state.alive({"mec2"})
    assert contents(state.attached("ue1", "ap1", 1))["ue1"] == [Resolved("mec2")]


def test_with_no_host_alive_every_device_keeps_the_resolver_that_it_has() -> None:
    state = steering("edge-dns:handed")
    moved(state, "ue1", "ap1", "mec1")
    state.alive({"mec2"})
    assert state.alive(set()) == {}
    assert contents(state.alive({"mec1"})["ue1"]) == {"ue1": [Resolved("mec1")]}


def test_another_resolver_is_told_the_device_s_own_decision_where_it_would_answer_another_host() -> None:
    found = Scenario.model_validate({"scenario": "test", "methods": ["edge-dns"], "topology": {"kind": "metro"}})
    state = Steering(planning.make(found, topology.metro(4), found.methods[0], "wire"))
    for number in range(1, 5):
        state.located(location(f"ap{number}", f"mec{number}"))
    moved(state, "ue1", "ap1", "mec3")
    told = contents(state.alive({"mec2", "mec3", "mec4"})["ue1"])
    assert told["ue1"] == [Resolved("mec2")]
    rules = {(rule.platform, rule.host) for rule in told["mepm"] if isinstance(rule, Named)}
    assert rules == {("mec1", None), ("mec2", "mec3")}


@pytest.mark.parametrize("method", ["edge-dns:anycast", "ecs", "vip"])
def test_a_resolver_that_nobody_is_handed_is_not_replaced(method: str) -> None:
    state = steering(method)
    moved(state, "ue1", "ap1", "mec1")
    assert state.alive({"mec2"}) == {}


def test_of_facts_that_wait_together_the_newest_of_a_slot_is_left() -> None:
    older, newer = (Fact("controller", "ue1", Served(host)) for host in ("mec1", "mec2"))
    attach = Fact("controller", "ue1", Attached("ap1", 1))
    assert facts.latest([older, attach, newer]) == (newer, attach)
