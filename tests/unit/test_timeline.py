"""Events are played in order, each after its marker."""

import subprocess
from typing import Any

import pytest

from experiments.timeline import Timeline
from meclab import planning, topology
from meclab.errors import RunError
from meclab.packets import Marker
from meclab.scenario import LinkChange, Scenario


class FakeStage:
    """Writes down what the timeline does."""

    def __init__(self, load_status: int = 0, **content: Any) -> None:
        scenario = Scenario.model_validate({"scenario": "test", **content})
        self.plan = planning.make(scenario, topology.two_site(), scenario.methods[0], "wire")
        self.done: list[tuple[Any, ...]] = []
        self._load_status = load_status

    def mark(self, marker: Marker) -> None:
        self.done.append(("mark", marker.event))

    def handover(self, device: str, ap: str) -> None:
        self.done.append(("handover", device, ap))

    def change_link(self, change: LinkChange) -> None:
        self.done.append(("change", *change.between, change.delay))

    def link_down(self, a: str, b: str) -> None:
        self.done.append(("down", a, b))

    def link_up(self, a: str, b: str) -> None:
        self.done.append(("up", a, b))

    def silence(self, host: str, silent: bool) -> None:
        self.done.append(("silence", host, silent))

    def kill_programs(self, host: str) -> None:
        self.done.append(("kill", host))

    def start_programs(self, host: str) -> None:
        self.done.append(("start", host))

    def join(self, device: str) -> None:
        self.done.append(("join", device))

    def prepare(self, device: str, ap: str) -> None:
        self.done.append(("prepare", device, ap))

    def pin(self, device: str, host: str | None) -> list[str]:
        self.done.append(("pin", device, host))
        return [device]

    def run_on(self, node: str, argv: list[str]) -> subprocess.CompletedProcess[str]:
        self.done.append(("run", node, argv[-1]))
        return subprocess.CompletedProcess(argv, self._load_status, "", "connection refused")


def played(stage: FakeStage) -> list[tuple[Any, ...]]:
    Timeline(stage).run(lambda: None, tick_s=0.001)
    return stage.done


def test_events_come_in_order_of_time_with_the_joins_between() -> None:
    stage = FakeStage(
        devices=[{"name": "ue1"}, {"name": "ue2", "joins": "2ms"}],
        events=[
            {"at": "3ms", "handover": {"device": "ue1", "to": "ap1"}},
            {"at": "1ms", "handover": {"device": "ue1", "to": "ap2"}},
        ],
        duration="10ms",
        drain=0,
    )
    assert played(stage) == [("handover", "ue1", "ap2"), ("join", "ue2"), ("handover", "ue1", "ap1")]


def test_a_link_change_is_marked_before_it_happens() -> None:
    event = {"at": 0, "link": {"between": ["edge1", "core"], "delay": "9ms"}}
    stage = FakeStage(events=[event], duration="1ms", drain=0)
    assert played(stage) == [("mark", "link"), ("change", "edge1", "core", 9_000_000)]


@pytest.mark.parametrize(
    ("how", "fails", "mends"),
    [
        ("process", ("kill", "mec1"), ("start", "mec1")),
        ("silence", ("silence", "mec1", True), ("silence", "mec1", False)),
        ("link", ("down", "edge1", "mec1"), ("up", "edge1", "mec1")),
    ],
)
def test_a_host_fails_and_comes_back_in_the_same_way(how: str, fails: tuple[Any, ...], mends: tuple[Any, ...]) -> None:
    events = [{"at": 0, "fail": {"host": "mec1", "how": how}}, {"at": "1ms", "restore": {"host": "mec1"}}]
    stage = FakeStage(events=events, duration="2ms", drain=0)
    assert played(stage) == [("mark", "fail"), fails, ("mark", "restore"), mends]


def test_a_host_that_failed_twice_comes_back_from_both() -> None:
    events = [
        {"at": 0, "fail": {"host": "mec1", "how": "silence"}},
        {"at": "1ms", "fail": {"host": "mec1", "how": "process"}},
        {"at": "2ms", "restore": {"host": "mec1"}},
    ]
    done = played(FakeStage(events=events, duration="3ms", drain=0))
    assert done[-2:] == [("silence", "mec1", False), ("start", "mec1")]


def test_restoring_a_host_that_did_not_fail_does_nothing_but_say_so() -> None:
    stage = FakeStage(events=[{"at": 0, "restore": {"host": "mec1"}}], duration="1ms", drain=0)
    assert played(stage) == [("mark", "restore")]


def test_a_pin_and_its_end_are_marked_before_the_orchestrator_hears_of_them() -> None:
    events = [{"at": 0, "pin": {"device": "ue1", "host": "mec2"}}, {"at": "1ms", "pin": {"device": "ue1"}}]
    done = played(FakeStage(events=events, duration="2ms", drain=0))
    assert done == [("mark", "pin"), ("pin", "ue1", "mec2"), ("mark", "pin"), ("pin", "ue1", None)]


def test_the_orchestrator_hears_of_each_handover_ahead_where_the_policy_has_it_so() -> None:
    moves = [
        {"at": "4ms", "handover": {"device": "ue1", "to": "ap2"}},
        {"at": "5ms", "handover": {"device": "ue2", "to": "ap1"}},
    ]
    policy = {"prepare": True, "lead": "3ms"}
    done = played(FakeStage(devices=[{"count": 2}], events=moves, policy=policy, duration="6ms", drain=0))
    assert done == [
        ("prepare", "ue1", "ap2"),
        ("prepare", "ue2", "ap1"),
        ("handover", "ue1", "ap2"),
        ("handover", "ue2", "ap1"),
    ]


def test_a_move_sooner_than_the_lead_is_announced_at_the_start() -> None:
    move = {"at": "1ms", "handover": {"device": "ue1", "to": "ap2"}}
    done = played(FakeStage(events=[move], policy={"prepare": True, "lead": "100ms"}, duration="2ms", drain=0))
    assert done == [("prepare", "ue1", "ap2"), ("handover", "ue1", "ap2")]


def test_a_load_that_cannot_be_set_ends_the_run_with_the_reason() -> None:
    event = {"at": 0, "load": {"host": "mec1", "value": 0.5}}
    with pytest.raises(RunError, match="load of mec1 failed: connection refused"):
        played(FakeStage(load_status=7, events=[event], duration="1ms", drain=0))


def test_what_has_died_ends_the_timeline_between_events() -> None:
    stage = FakeStage(duration="10s", drain=0)

    def dead() -> None:
        raise RunError("controller ended")

    with pytest.raises(RunError, match="controller ended"):
        Timeline(stage).run(dead)
