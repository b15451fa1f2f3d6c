"""The orchestrator writes every decision into its audit log, marks it, and hands it to the messengers."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from hosts.orchestration.audit import Delivery, Entry
from hosts.orchestration.core import Meo
from hosts.orchestration.orchestrator import HEARTBEAT_NS, HEARTBEATS_MISSED
from meclab import planning, topology
from meclab.facts import Fact, Resolved
from meclab.messages import AttachEvent, LoadReport
from meclab.policy import Decision
from meclab.scenario import Scenario
from meclab.steering import Steering


class Told:
    """Writes down what it is to tell."""

    def __init__(self) -> None:
        self.facts: list[tuple[Entry, Sequence[Fact]]] = []
        self.hurried: list[str] = []

    def tell(self, entry: Entry, facts: Sequence[Fact]) -> None:
        entry.deliveries |= {fact.recipient: Delivery(1) for fact in facts}
        self.facts.append((entry, facts))

    def hurry(self, host: str) -> None:
        self.hurried.append(host)

    def health(self) -> dict[str, object]:
        return {}


class Office:
    """An orchestrator whose clock is set by the test."""

    def __init__(self, method: str, **content: Any) -> None:
        scenario = Scenario.model_validate({"scenario": "test", "methods": [method], **content})
        plan = planning.make(scenario, topology.two_site(), scenario.methods[0], "wire")
        self.now_ns = 0
        self.marked: list[Decision] = []
        self.told = Told()
        self.meo = Meo(Steering(plan), self.told, self.marked.append, lambda: self.now_ns)

    def attach(self, ap: str, sequence: int) -> None:
        self.meo.attached(AttachEvent(device="ue1", ap=ap, at_ns=self.now_ns, sequence=sequence), self.now_ns)

    def load(self, host: str, value: float) -> None:
        self.meo.loaded(LoadReport(host=host, load=value), self.now_ns)

    def fail(self, host: str) -> None:
        """The host spoke once and then no more."""
        self.load(host, 0)
        self.now_ns += HEARTBEATS_MISSED * HEARTBEAT_NS + 1
        self.meo.review()

    @property
    def log(self) -> list[dict[str, Any]]:
        return self.meo.audit.since(0)


def on_a_loop(scene: Callable[[], None]) -> None:
    async def run() -> None:
        scene()

    asyncio.run(run())


def test_an_attach_and_its_decision_are_one_entry_and_one_mark() -> None:
    def scene() -> None:
        office = Office("vip")
        office.attach("ap2", 1)
        ((entry, facts),) = office.told.facts
        assert [fact.content.slot for fact in facts] == ["attach", "serve"]
        assert [(mark.device, mark.host, mark.ap) for mark in office.marked] == [("ue1", "mec2", "ap2")]
        assert entry.fate == "waiting"

    on_a_loop(scene)


def test_a_location_s_decision_is_in_the_log_and_no_marker() -> None:
    def scene() -> None:
        office = Office("ecs")
        office.meo.start()
        assert office.marked == []
        assert [(one["location"], one["host"], one["trigger"]) for one in office.log] == [
            ("ap1", "mec1", "start"),
            ("ap2", "mec2", "start"),
        ]

    on_a_loop(scene)


def test_a_decision_that_answers_by_location_do_not_carry_says_so_in_the_log() -> None:
    def scene() -> None:
        office = Office("ecs", policy={"pins": {"ue1": "mec2"}})
        office.meo.start()
        office.attach("ap1", 1)
        assert office.log[-1]["detail"] == "100.64.1.0/24 is ap1's, and answered mec1: not its decision"

    on_a_loop(scene)


def test_with_no_host_alive_an_attach_is_told_without_a_decision() -> None:
    def scene() -> None:
        office = Office("vip")
        for host in ("mec1", "mec2"):
            office.load(host, 0)
        office.now_ns += HEARTBEATS_MISSED * HEARTBEAT_NS + 1
        office.meo.review()
        office.attach("ap1", 1)
        ((entry, facts),) = office.told.facts
        assert (entry.reason, [fact.content.slot for fact in facts]) == ("no MEC host is alive", ["attach"])

    on_a_loop(scene)


def test_a_host_that_is_back_is_told_again_what_its_resolver_is_to_know() -> None:
    def scene() -> None:
        office = Office("edge-dns")
        office.meo.start()
        office.fail("mec1")
        office.load("mec1", 0)
        told = [(entry.trigger, fact.subject) for entry, facts in office.told.facts for fact in facts]
        assert told == [("start", "ap1"), ("start", "ap2"), ("failure", "ap1"), ("restore", "ap1")]


def test_a_resolver_and_its_devices_that_change_together_need_no_rules_of_the_devices_own() -> None:
    def scene() -> None:
        office = Office("edge-dns")
        office.meo.start()
        office.attach("ap1", 1)
        office.fail("mec1")
        told = [(entry.subject, len(facts)) for entry, facts in office.told.facts if entry.trigger == "failure"]
        assert told == [("ap1", 1), ("ue1", 1)]

    on_a_loop(scene)


def test_a_device_is_handed_another_resolver_with_the_failure_of_its_host_and_its_own_when_that_is_back() -> None:
    def scene() -> None:
        office = Office("edge-dns")
        office.meo.start()
        office.attach("ap1", 1)
        office.fail("mec1")
        office.load("mec1", 0)
        handed = [
            (entry.subject, entry.trigger, fact.content.host)
            for entry, facts in office.told.facts
            for fact in facts
            if isinstance(fact.content, Resolved)
        ]
        assert handed == [("ue1", "attach", "mec1"), ("ue1", "failure", "mec2"), ("ue1", "restore", "mec1")]

    on_a_loop(scene)


def test_a_device_that_keeps_its_host_is_handed_another_resolver_in_an_entry_of_its_own() -> None:
    def scene() -> None:
        office = Office("edge-dns", policy={"pins": {"ue1": "mec2"}})
        office.meo.start()
        office.attach("ap1", 1)
        office.fail("mec1")
        entry, facts = office.told.facts[-1]
        assert (entry.subject, entry.decision, entry.trigger) == ("ue1", None, "failure")
        assert [fact.content for fact in facts if fact.recipient == "ue1"] == [Resolved("mec2")]

    on_a_loop(scene)


def test_who_carries_to_a_host_that_is_back_is_told_to_hurry() -> None:
    def scene() -> None:
        office = Office("http-redirect")
        office.fail("mec1")
        office.load("mec1", 0)
        office.load("mec1", 0)
        assert office.told.hurried == ["mec1"]

    on_a_loop(scene)


def test_a_host_that_is_back_is_told_again_what_has_not_changed_meanwhile() -> None:
    def scene() -> None:
        office = Office("edge-dns", policy={"hysteresis": "1s"})
        office.meo.start()
        office.fail("mec2")
        office.load("mec2", 0)
        again, facts = office.told.facts[-1]
        assert (again.subject, again.trigger, [fact.subject for fact in facts]) == (None, "restore", ["ap2"])
        assert office.log[-1]["reason"] == "mec2 is back: what its resolver is to know is told again"

    on_a_loop(scene)


def test_a_time_that_is_not_over_changes_nothing() -> None:
    def scene() -> None:
        office = Office("vip", policy={"delay": "10ms"})
        office.attach("ap1", 1)
        office.now_ns = 9_999_999
        assert office.meo.review() == ()

    on_a_loop(scene)


def test_a_decision_that_takes_time_is_asked_for_when_it_is_due() -> None:
    async def scene() -> None:
        office = Office("vip", policy={"delay": "1ms"})
        office.attach("ap1", 1)
        office.now_ns = 1_000_000
        async with asyncio.timeout(10):
            while not office.marked:
                await asyncio.sleep(0)
        assert [one["trigger"] for one in office.log] == ["attach", "attach"]
        assert [(one["ap"], one["host"]) for one in office.log] == [("ap1", None), (None, "mec1")]

    asyncio.run(scene())
