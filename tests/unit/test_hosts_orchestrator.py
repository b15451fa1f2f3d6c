"""The orchestrator's state decides at attaches, loads, silence and the end of a dwell time, and only then."""

from typing import Any

import pytest

from hosts.orchestrator import HEARTBEAT_NS, HEARTBEATS_MISSED, Conflict, Orchestrator, UnknownName
from meclab import planning, topology
from meclab.messages import AttachEvent, LoadReport
from meclab.scenario import Scenario

SECOND = 10**9


def orchestrator(**policy: Any) -> Orchestrator:
    scenario = Scenario.model_validate({"scenario": "test", "devices": [{"count": 2}], "policy": policy})
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
