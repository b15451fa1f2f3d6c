"""Who is told at once, and what waits until the device can be reached."""

from collections.abc import Iterable
from typing import Any

import pytest

from hosts.orchestration.audit import Audit, Entry
from hosts.orchestration.courier import Errand
from hosts.orchestration.messengers import Messengers
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
    post = Post("easdf")
    post.attach("ap1", "mec1")
    assert all(len(post.lines[name].taken) >= 1 for name in ("controller", "smf"))


def test_who_redirects_is_told_after_the_host_that_it_redirects_to() -> None:
    post = Post("http-redirect")
    entry = post.attach("ap1", "mec1")
    names = ("controller", "front", "mec1", "mec2")
    assert [len(post.lines[name].taken) for name in names] == [1, 0, 1, 0]
    assert "goes when mec1 has been told" in entry.detail
    post.lines["mec1"].settle()
    assert [len(post.lines[name].taken) for name in names] == [1, 1, 1, 1]
    assert entry.deliveries["front"].detail != "" and entry.fate == "waiting"


def test_a_newer_decision_takes_the_place_of_one_that_waits_for_its_host() -> None:
    post = Post("http-redirect")
    first = post.attach("ap1", "mec1")
    post.decide("mec2")
    assert first.deliveries["front"].fate == "superseded"
    assert [hosts(post.lines[name]) for name in ("front", "mec1", "mec2")] == [[], ["mec1"], ["mec2"]]
    post.lines["mec1"].settle()
    assert hosts(post.lines["front"]) == []
    post.lines["mec2"].settle()
    assert [hosts(post.lines[name]) for name in ("front", "mec1", "mec2")] == [["mec2"], ["mec1", "mec2"], ["mec2"]]
