"""The orchestrator's state decides at attaches and their announcements, loads, silence, pins, changes of policy and
when a time is over, and only then."""

from typing import Any

import pytest

from hosts.orchestration.orchestrator import HEARTBEAT_NS, HEARTBEATS_MISSED, PREPARED_NS, Orchestrator
from hosts.orchestration.standings import AttachResult, Conflict, UnknownName
from meclab import planning, topology
from meclab.messages import AttachEvent, LoadReport, Preparation
from meclab.model import MILLISECOND, SECOND
from meclab.policy import Decision
from meclab.scenario import Scenario


def orchestrator(method: str = "vip", **policy: Any) -> Orchestrator:
    content = {"scenario": "test", "methods": [method], "devices": [{"count": 2}], "policy": policy}
    scenario = Scenario.model_validate(content)
    return Orchestrator(planning.make(scenario, topology.two_site(), scenario.methods[0], "wire"))


def attach(ap: str, sequence: int, device: str = "ue1") -> AttachEvent:
    return AttachEvent(device=device, ap=ap, at_ns=0, sequence=sequence)


def load(host: str, value: float) -> LoadReport:
    return LoadReport(host=host, load=value)


def test_every_attach_is_decided_even_when_the_host_stays() -> None:
    state = orchestrator(pins={"ue1": "mec1"})
    state.attach(attach("ap1", 1), 1)
    result = state.attach(attach("ap2", 2), 2)
    assert result.outcome == "decided"
    assert result.decision is not None
    assert (result.decision.host, result.decision.changes) == ("mec1", False)


def test_a_move_goes_to_the_nearest_host_and_says_where_from() -> None:
    state = orchestrator()
    state.attach(attach("ap1", 1), 1)
    decision = state.attach(attach("ap2", 2), 2).decision
    assert decision is not None
    assert (decision.host, decision.previous, decision.trigger, decision.at_ns) == ("mec2", "mec1", "attach", 2)


def test_a_repeated_attach_is_recognised_and_not_decided_again() -> None:
    state = orchestrator()
    first = state.attach(attach("ap1", 7), 1)
    again = state.attach(attach("ap1", 7), 2)
    assert again.outcome == "repeated"
    assert again.decision is first.decision


def test_an_attach_older_than_the_last_changes_nothing() -> None:
    state = orchestrator()
    state.attach(attach("ap2", 2), 1)
    assert state.attach(attach("ap1", 1), 2).outcome == "outdated"
    assert state.devices["ue1"].ap == "ap2"


def test_one_sequence_number_at_two_access_points_is_a_conflict() -> None:
    state = orchestrator()
    state.attach(attach("ap2", 2), 1)
    with pytest.raises(Conflict):
        state.attach(attach("ap1", 2), 2)


@pytest.mark.parametrize("event", [attach("ap9", 1), attach("ap1", 1, device="ue9")])
def test_unknown_names_are_refused_with_the_valid_ones(event: AttachEvent) -> None:
    with pytest.raises(UnknownName, match="expected one of"):
        orchestrator().attach(event, 1)


def test_an_overloaded_host_loses_its_devices_and_only_a_change_is_reported() -> None:
    state = orchestrator(load_limit=0.8)
    state.attach(attach("ap1", 1), 1)
    state.attach(attach("ap2", 1, device="ue2"), 1)
    (decision,) = state.load(load("mec1", 0.95), 2)
    assert (decision.device, decision.host, decision.trigger) == ("ue1", "mec2", "load")
    assert state.load(load("mec1", 0.95), 3) == ()


def test_a_load_within_the_margin_moves_nobody() -> None:
    state = orchestrator(kind="least-loaded", load_margin=0.3)
    state.attach(attach("ap1", 1), 1)
    assert state.load(load("mec1", 0.3), 2) == ()
    assert [decision.host for decision in state.load(load("mec1", 0.31), 3)] == ["mec2"]


def test_hysteresis_keeps_a_device_at_the_host_that_is_little_farther() -> None:
    state = orchestrator(hysteresis="1s")
    state.attach(attach("ap1", 1), 1)
    decision = state.attach(attach("ap2", 2), 2).decision
    assert decision is not None
    assert decision.host == "mec1"


def test_a_device_held_by_the_dwell_time_moves_when_it_is_over() -> None:
    state = orchestrator(dwell="5s")
    state.attach(attach("ap1", 1), 0)
    state.attach(attach("ap2", 2), SECOND)
    held = state.attach(attach("ap1", 3), 2 * SECOND).decision
    assert held is not None
    assert held.host == "mec2"
    assert state.review(6 * SECOND - 1) == ()
    (decision,) = state.review(6 * SECOND)
    assert (decision.host, decision.trigger) == ("mec1", "attach")
    assert state.review(7 * SECOND) == ()


def test_a_host_that_missed_its_heartbeats_is_left_and_taken_again_when_it_speaks() -> None:
    state = orchestrator()
    state.attach(attach("ap1", 1), 0)
    state.load(load("mec1", 0), SECOND)
    limit_ns = SECOND + HEARTBEATS_MISSED * HEARTBEAT_NS
    assert state.review(limit_ns) == ()
    (left,) = state.review(limit_ns + 1)
    assert (left.host, left.trigger) == ("mec2", "failure")
    assert state.review(limit_ns + 2) == ()
    (back,) = state.load(load("mec1", 0), 3 * SECOND)
    assert (back.host, back.trigger) == ("mec1", "restore")


def test_a_host_that_never_reported_is_taken_to_live() -> None:
    state = orchestrator()
    state.attach(attach("ap1", 1), 0)
    assert state.review(100 * SECOND) == ()


def test_with_no_host_alive_an_attach_has_no_decision() -> None:
    state = orchestrator()
    for host in ("mec1", "mec2"):
        state.load(load(host, 0), 0)
    state.review(SECOND)
    result = state.attach(attach("ap1", 1), 2 * SECOND)
    assert (result.outcome, result.decision) == ("decided", None)


def preparation(ap: str, at_ns: int = 0, device: str = "ue1") -> Preparation:
    return Preparation(device=device, ap=ap, at_ns=at_ns)


def decided(result: AttachResult) -> Decision:
    assert result.decision is not None
    return result.decision


def test_an_announced_move_is_decided_for_where_it_goes_and_the_attach_confirms_it() -> None:
    state = orchestrator()
    state.attach(attach("ap1", 1), 1)
    prepared = decided(state.prepare(preparation("ap2"), 2))
    assert (prepared.host, prepared.previous, prepared.trigger, prepared.ap) == ("mec2", "mec1", "prepare", "ap2")
    confirmed = decided(state.attach(attach("ap2", 2), 3))
    assert (confirmed.host, confirmed.previous, confirmed.trigger) == ("mec2", "mec1", "attach")


def test_a_load_before_the_announced_attach_does_not_call_the_device_back() -> None:
    state = orchestrator(load_limit=0.8)
    state.attach(attach("ap1", 1), 1)
    state.prepare(preparation("ap2"), 2)
    assert state.load(load("mec1", 0.5), 3) == ()


def test_a_move_that_never_comes_is_given_up() -> None:
    state = orchestrator()
    state.attach(attach("ap1", 1), 1)
    state.prepare(preparation("ap2"), 2)
    assert state.review(1 + PREPARED_NS) == ()
    (back,) = state.review(2 + PREPARED_NS)
    assert (back.host, back.previous, back.trigger) == ("mec1", "mec2", "prepare")


def test_an_attach_somewhere_else_than_announced_is_decided_for_where_it_is() -> None:
    state = orchestrator()
    state.attach(attach("ap1", 1), 1)
    state.prepare(preparation("ap2"), 2)
    decision = decided(state.attach(attach("ap1", 2), 3))
    assert (decision.host, decision.previous) == ("mec1", "mec2")


def test_an_announcement_that_comes_twice_or_late_changes_nothing() -> None:
    state = orchestrator()
    state.attach(attach("ap1", 1), 1)
    state.prepare(preparation("ap2"), 2)
    assert state.prepare(preparation("ap2"), 3).outcome == "repeated"
    state.attach(attach("ap2", 2), 4)
    assert state.prepare(preparation("ap2"), 5).outcome == "outdated"


def test_a_device_that_is_nowhere_cannot_be_announced() -> None:
    with pytest.raises(Conflict, match="not attached"):
        orchestrator().prepare(preparation("ap2"), 1)


def test_a_decision_takes_its_time_and_is_made_from_what_is_known_then() -> None:
    state = orchestrator(delay="10ms")
    assert state.attach(attach("ap1", 1), 0) == AttachResult("delayed", None)
    assert state.due_ns == 10 * MILLISECOND
    assert state.review(10 * MILLISECOND - 1) == ()
    (decision,) = state.review(10 * MILLISECOND)
    assert (decision.host, decision.trigger, decision.heard_ns) == ("mec1", "attach", 0)
    assert state.due_ns is None


def test_an_attach_that_another_overtook_is_not_decided() -> None:
    state = orchestrator(delay="10ms")
    state.attach(attach("ap1", 1), 0)
    state.attach(attach("ap2", 2), 4 * MILLISECOND)
    assert state.review(10 * MILLISECOND) == ()
    (decision,) = state.review(14 * MILLISECOND)
    assert (decision.host, decision.ap) == ("mec2", "ap2")


def test_a_load_s_decision_takes_its_time_too_and_leaves_out_who_waits_for_an_attach_s() -> None:
    state = orchestrator(delay="10ms", load_limit=0.8)
    state.attach(attach("ap1", 1), 0)
    state.attach(attach("ap1", 1, device="ue2"), 0)
    state.review(10 * MILLISECOND)
    assert state.load(load("mec1", 0.9), 20 * MILLISECOND) == ()
    state.attach(attach("ap1", 2), 25 * MILLISECOND)
    assert [(one.device, one.trigger) for one in state.review(30 * MILLISECOND)] == [("ue2", "load")]
    assert [(one.device, one.trigger) for one in state.review(35 * MILLISECOND)] == [("ue1", "attach")]


def test_a_decision_prepared_in_time_is_not_delayed_again_at_the_attach() -> None:
    state = orchestrator(delay="10ms")
    state.attach(attach("ap1", 1), 0)
    state.review(10 * MILLISECOND)
    assert state.prepare(preparation("ap2", 20 * MILLISECOND), 20 * MILLISECOND).outcome == "delayed"
    (prepared,) = state.review(30 * MILLISECOND)
    assert (prepared.host, prepared.trigger) == ("mec2", "prepare")
    assert decided(state.attach(attach("ap2", 2), 31 * MILLISECOND)).host == "mec2"


def test_an_attach_before_its_announcement_was_decided_is_decided_once() -> None:
    state = orchestrator(delay="10ms")
    state.attach(attach("ap1", 1), 0)
    state.review(10 * MILLISECOND)
    state.prepare(preparation("ap2", 20 * MILLISECOND), 20 * MILLISECOND)
    assert state.attach(attach("ap2", 2), 25 * MILLISECOND).outcome == "delayed"
    assert state.review(30 * MILLISECOND) == ()
    assert [one.trigger for one in state.review(35 * MILLISECOND)] == ["attach"]


def test_a_pin_moves_one_device_and_its_end_brings_it_back() -> None:
    state = orchestrator()
    for device in ("ue1", "ue2"):
        state.attach(attach("ap1", 1, device=device), 1)
    (there,) = state.pin("ue1", "mec2", 2)
    assert (there.device, there.host, there.trigger) == ("ue1", "mec2", "pin")
    assert state.pin("ue1", "mec2", 3) == ()
    (back,) = state.pin("ue1", None, 4)
    assert (back.host, back.previous) == ("mec1", "mec2")


def test_a_pin_before_the_first_attach_is_kept_for_it() -> None:
    state = orchestrator()
    assert state.pin("ue1", "mec2", 1) == ()
    assert decided(state.attach(attach("ap1", 1), 2)).host == "mec2"


@pytest.mark.parametrize(("device", "host"), [("ue9", "mec1"), ("ue1", "mec9"), ("ue9", None)])
def test_pins_of_unknown_names_are_refused_and_change_nothing(device: str, host: str | None) -> None:
    state = orchestrator()
    with pytest.raises(UnknownName):
        state.pin(device, host, 1)
    assert state.policy.pins == {}


def test_another_policy_decides_again_for_every_device() -> None:
    state = orchestrator()
    state.load(load("mec1", 0.5), 0)
    state.attach(attach("ap1", 1), 1)
    state.attach(attach("ap2", 1, device="ue2"), 1)
    changed = state.policy.model_copy(update={"kind": "least-loaded"})
    assert [(one.device, one.host, one.trigger) for one in state.change_policy(changed, 2)] == [
        ("ue1", "mec2", "policy")
    ]


def test_locations_are_decided_where_answers_go_by_location_alone() -> None:
    assert orchestrator().start(0) == ()
    found = orchestrator(method="ecs").start(0)
    assert [(one.device, one.host, one.trigger, one.of_location) for one in found] == [
        ("ap1", "mec1", "start", True),
        ("ap2", "mec2", "start", True),
    ]


def test_pins_do_not_count_for_a_location_and_a_host_s_failure_does() -> None:
    state = orchestrator(method="ecs", pins={"ue1": "mec2"})
    state.start(0)
    state.attach(attach("ap1", 1), 0)
    assert state.locations["ap1"].host == "mec1"
    state.load(load("mec2", 0), 0)
    failed = state.review(SECOND)
    assert [(one.device, one.host, one.of_location) for one in failed] == [
        ("ap2", "mec1", True),
        ("ue1", "mec1", False),
    ]
    restored = state.load(load("mec2", 0), 2 * SECOND)
    assert [(one.device, one.host, one.trigger) for one in restored] == [
        ("ap2", "mec2", "restore"),
        ("ue1", "mec2", "restore"),
    ]


def test_access_points_that_share_a_resolver_share_a_decision() -> None:
    graph = topology.metro(4)
    nodes = tuple(node for node in graph.nodes if node.name not in ("mec3", "mec4"))
    links = tuple(link for link in graph.links if link.b not in ("mec3", "mec4"))
    scenario = Scenario.model_validate({"scenario": "test", "methods": ["edge-dns"]})
    plan = planning.make(scenario, topology.Graph(nodes, links), scenario.methods[0], "wire")
    resolvers = [point.resolver for point in plan.access_points]
    assert len(set(resolvers)) < len(resolvers)
    assert [plan.access_points[index].name for index in map(resolvers.index, dict.fromkeys(resolvers))] == list(
        Orchestrator(plan).locations
    )
