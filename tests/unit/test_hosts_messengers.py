"""Who is told at once, and what waits until the device can be reached."""

from collections.abc import Iterable
from typing import Any

import pytest

from hosts.audit import Audit, Entry
from hosts.courier import Errand
from hosts.messengers import Messengers
from meclab import planning, topology
from meclab.policy import Decision
from meclab.scenario import Scenario
from meclab.steering import Steering


class Line:
    """Keeps what it is given, and settles it when the test says so."""

    def __init__(self) -> None:
        self.taken: list[Errand] = []
        self.open: list[Errand] = []

    def take(self, errands: Iterable[Errand]) -> None:
        given = list(errands)
        self.open += given
        self.taken += given

    def settle(self, end: Any = "told") -> None:
        done, self.open = self.open, []
        for errand in done:
            errand.settle(end)


class Post:
    """The messengers of a method with lines of the test's."""

    def __init__(self, method: str) -> None:
        scenario = Scenario.model_validate({"scenario": "test", "methods": [method]})
        self.steering = Steering(planning.make(scenario, topology.two_site(), scenario.methods[0], "wire"))
        self.lines = {recipient.name: Line() for recipient in self.steering.recipients}
        self.device = Line()
        self.messengers = Messengers(self.lines, self.device)  # type: ignore[arg-type]
        self._audit = Audit()

    def attach(self, ap: str, host: str, sequence: int = 1) -> Entry:
        decision = Decision("ue1", host, None, "attach", "", 0, ap=ap)
        entry = self._audit.decided(decision, 0, ap)
        facts = (*self.steering.attached("ue1", ap, sequence), *self.steering.decided(decision))
        self.messengers.tell(entry, facts)
        return entry

    def decide(self, host: str) -> Entry:
        decision = Decision("ue1", host, None, "load", "", 0, ap="ap1")
        entry = self._audit.decided(decision, 0)
        self.messengers.tell(entry, self.steering.decided(decision))
        return entry


def hosts(line: Line) -> list[str]:
    return [errand.fact.content.host for errand in line.taken]  # type: ignore[union-attr]


@pytest.mark.parametrize("end", ["told", "refused"])
def test_what_goes_on_to_the_device_waits_for_the_end_of_its_attach(end: str) -> None:
    post = Post("devapp")
    entry = post.attach("ap1", "mec1")
    assert hosts(post.lines["ualcmp"]) == []
    assert "goes when the controller has confirmed the attach" in entry.detail
    post.lines["controller"].settle(end)
    assert hosts(post.lines["ualcmp"]) == ["mec1"]


def test_a_resolver_is_handed_out_when_the_device_can_be_reached() -> None:
    post = Post("edge-dns:handed")
    post.attach("ap2", "mec2")
    assert post.device.taken == []
    post.lines["controller"].settle()
    assert hosts(post.device) == ["mec2"]


def test_a_later_decision_does_not_overtake_one_that_waits() -> None:
    post = Post("devapp")
    post.attach("ap1", "mec1")
    post.decide("mec2")
    assert hosts(post.lines["ualcmp"]) == []
    post.lines["controller"].settle()
    assert hosts(post.lines["ualcmp"]) == ["mec1", "mec2"]


def test_a_second_attach_meanwhile_is_waited_for_too() -> None:
    post = Post("devapp")
    post.attach("ap1", "mec1")
    first, post.lines["controller"].open = post.lines["controller"].open, []
    post.attach("ap2", "mec2", 2)
    for errand in first:
        errand.settle("told")
    assert hosts(post.lines["ualcmp"]) == []
    post.lines["controller"].settle()
    assert hosts(post.lines["ualcmp"]) == ["mec1", "mec2"]


def test_without_an_attach_nothing_waits() -> None:
    post = Post("devapp")
    post.decide("mec2")
    assert hosts(post.lines["ualcmp"]) == ["mec2"]


def test_whoever_does_not_go_on_to_the_device_is_told_at_once() -> None:
    post = Post("http-redirect")
    post.attach("ap1", "mec1")
    assert [len(post.lines[name].taken) for name in ("controller", "front", "mec1", "mec2")] == [1, 1, 1, 1]
