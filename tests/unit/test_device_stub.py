"""The stub resolver: tries and timeouts, what answers count, cache, flushes, a change of the resolver."""

from ipaddress import ip_address
from random import Random

import dnslib
import pytest
from device_doubles import SOA, ZONE, quiet, respond

from hosts.device.cache import Address, Flush
from hosts.device.lookup import Lookup, Step
from hosts.device.stub import FAILURE_KEPT_NS, Note, Order, Resolution, Stub
from meclab import settings
from meclab.model import MILLISECOND, SECOND

NAME = "app.edge.example."
RESOLVER = ip_address("10.0.1.53")
OTHER = ip_address("10.0.2.53")
TIMEOUT_NS = 100 * MILLISECOND


class Device:
    """A stub, and what somebody who asks it hears."""

    def __init__(
        self, tries: int = 2, stretches: bool = False, resolver: Address | None = RESOLVER, note: Note = quiet
    ) -> None:
        limits = settings.Stub(timeout=TIMEOUT_NS, tries=tries, stretch_to=60 * SECOND)
        self.stub = Stub(limits, stretches, resolver, Random(1), note)
        self.heard: list[Resolution] = []

    def ask(self, now_ns: int = 0) -> list[Order]:
        return self.stub.resolve(NAME, now_ns, self.heard.append)

    def lookups(self, now_ns: int = 0) -> list[Lookup]:
        """Asks; the lookups that it sends, A first."""
        orders = self.ask(now_ns)
        assert [step for step, _ in orders] == [Step.SEND] * len(orders)
        return [lookup for _, lookup in orders]

    def answer(self, lookup: Lookup, now_ns: int = 0, zone: str = ZONE, **options: object) -> list[Step]:
        """The resolver that was asked answers."""
        assert lookup.server is not None
        payload = respond(lookup.query, zone, **options)  # type: ignore[arg-type]
        return [step for step, _ in self.stub.received(lookup, lookup.server, payload, now_ns)]

    def known(self, now_ns: int = 0) -> "Device":
        """Once it has asked and been answered."""
        for lookup in self.lookups(now_ns):
            self.answer(lookup, now_ns)
        self.heard.clear()
        return self

    def addresses(self) -> list[list[str]]:
        return [[str(address) for a in r.answers.values() for address in a.addresses] for r in self.heard]


def test_both_families_are_asked_at_once_and_the_name_is_resolved_when_both_have_answered() -> None:
    device = Device()
    first, second = device.lookups()
    assert [dnslib.QTYPE[dnslib.DNSRecord.parse(one.query).q.qtype] for one in (first, second)] == ["A", "AAAA"]
    assert device.answer(first) == [Step.DONE]
    assert device.heard == []
    assert device.answer(second) == [Step.DONE]
    assert device.addresses() == [["10.1.1.10", "2001:db8:1::10"]]


def test_an_answer_is_noted_with_the_time_at_which_it_came_and_a_cached_one_with_none() -> None:
    noted: list[tuple[str, int | None]] = []
    device = Device(note=lambda what, server, detail, at_ns=None: noted.append((what, at_ns)))
    for came_ns, lookup in enumerate(device.lookups(), start=7):
        device.stub.received(lookup, RESOLVER, respond(lookup.query), 0, came_ns)
    device.ask()
    answered = [at_ns for what, at_ns in noted if what == "answered"]
    assert answered == [7, 8, None, None]
    assert [at_ns for what, at_ns in noted if what == "asked"] == [None, None]


def test_identifiers_are_drawn_at_random() -> None:
    seen = {dnslib.DNSRecord.parse(lookup.query).header.id for _ in range(20) for lookup in Device().lookups()}
    device = Device()
    for round_ns in range(20):
        for lookup in device.lookups(round_ns):
            seen.add(dnslib.DNSRecord.parse(lookup.query).header.id)
            device.answer(lookup, round_ns, "", authority="")
    assert len(seen) > 30


def test_a_cached_answer_is_told_before_the_call_returns() -> None:
    device = Device().known()
    assert device.ask(9 * SECOND) == []
    assert device.addresses() == [["10.1.1.10", "2001:db8:1::10"]]
    assert all(answer.cached for answer in device.heard[0].answers.values())


def test_only_the_family_that_has_expired_is_asked_again() -> None:
    device = Device().known()
    (lookup,) = device.lookups(10 * SECOND)
    assert lookup.question.family == "ipv4"
    device.answer(lookup, 10 * SECOND, "app.edge.example. 10 IN A 10.1.2.10")
    assert device.addresses() == [["10.1.2.10", "2001:db8:1::10"]]


def test_a_stretching_device_keeps_an_answer_beyond_its_ttl() -> None:
    device = Device(stretches=True).known()
    assert device.ask(59 * SECOND) == []
    assert len(device.ask(60 * SECOND)) == 2


def test_a_name_that_does_not_exist_is_not_asked_for_again_until_the_soa_lets_it() -> None:
    device = Device()
    for lookup in device.lookups():
        device.answer(lookup, 0, "", authority=SOA, rcode="NXDOMAIN")
    assert device.addresses() == [[]]
    assert device.ask(60 * SECOND - 1) == []
    assert len(device.ask(60 * SECOND)) == 2


def test_silence_ends_a_try_and_the_last_one_ends_the_lookup() -> None:
    device = Device(tries=2)
    first, _ = device.lookups()
    query = first.query
    assert device.stub.wake_ns == TIMEOUT_NS
    assert device.stub.wake(TIMEOUT_NS - 1) == []
    assert [step for step, _ in device.stub.wake(TIMEOUT_NS)] == [Step.SEND, Step.SEND]
    assert first.query == query
    assert [step for step, _ in device.stub.wake(2 * TIMEOUT_NS)] == [Step.DONE, Step.DONE]
    assert device.stub.wake_ns is None
    assert device.heard[0].answers == {}
    assert device.heard[0].trouble == "no answer from 10.0.1.53"


def test_a_late_answer_to_an_earlier_try_counts() -> None:
    device = Device(tries=3)
    first, second = device.lookups()
    device.stub.wake(TIMEOUT_NS)
    assert device.answer(first, TIMEOUT_NS + 1) == [Step.DONE]
    assert device.answer(second, TIMEOUT_NS + 1) == [Step.DONE]
    assert device.addresses() == [["10.1.1.10", "2001:db8:1::10"]]


def test_one_family_without_an_answer_does_not_cost_the_other_its_own() -> None:
    device = Device(tries=1)
    first, _ = device.lookups()
    device.answer(first)
    device.stub.wake(TIMEOUT_NS)
    assert device.addresses() == [["10.1.1.10"]]
    assert device.heard[0].trouble


def test_an_answer_from_somebody_else_is_passed_over() -> None:
    device = Device()
    first, _ = device.lookups()
    assert device.stub.received(first, OTHER, respond(first.query), 0) == []
    assert first.strays == 1


def test_garbage_and_answers_to_other_queries_are_passed_over() -> None:
    device = Device()
    first, second = device.lookups()
    for payload in (b"", b"\0" * 12, respond(second.query), first.query):
        assert device.stub.received(first, RESOLVER, payload, 0) == []
    assert first.strays == 4
    assert device.answer(first) == [Step.DONE]


def test_a_failing_server_is_asked_once_more_at_once() -> None:
    device = Device(tries=2)
    first, _ = device.lookups()
    assert device.answer(first, 5, "", rcode="SERVFAIL") == [Step.SEND]
    assert first.wake_ns == 5 + TIMEOUT_NS
    assert device.answer(first, 6, "", rcode="SERVFAIL") == [Step.DONE]
    assert first.trouble == "SERVFAIL from 10.0.1.53"


def test_a_failed_lookup_is_not_repeated_for_a_second() -> None:
    device = Device(tries=1)
    for lookup in device.lookups():
        device.answer(lookup, 0, "", rcode="SERVFAIL")
    assert device.ask(FAILURE_KEPT_NS - 1) == []
    assert [resolution.trouble for resolution in device.heard] == ["SERVFAIL from 10.0.1.53"] * 2
    assert len(device.ask(FAILURE_KEPT_NS)) == 2


def test_a_refused_packet_ends_the_try() -> None:
    device = Device(tries=2)
    first, _ = device.lookups()
    assert device.stub.refused(first, "Connection refused", 1) == [(Step.SEND, first)]
    assert device.stub.refused(first, "Connection refused", 2) == [(Step.DONE, first)]
    assert first.trouble == "Connection refused from 10.0.1.53"


def test_a_truncated_answer_is_asked_for_again_by_tcp() -> None:
    device = Device()
    first, _ = device.lookups()
    assert device.answer(first, 7, truncated=True) == [Step.STREAM]
    assert first.wake_ns == 7 + TIMEOUT_NS
    assert device.answer(first, 8) == [Step.DONE]


def test_a_tcp_connection_that_is_refused_costs_a_try_by_udp() -> None:
    device = Device(tries=2)
    first, _ = device.lookups()
    device.answer(first, truncated=True)
    assert device.stub.refused(first, "Connection refused", 1) == [(Step.SEND, first)]


def test_truncation_over_tcp_is_no_reason_to_go_on_for_ever() -> None:
    device = Device(tries=1)
    first, _ = device.lookups()
    device.answer(first, truncated=True)
    assert device.answer(first, truncated=True) == [Step.DONE]
    assert first.trouble == "truncated over TCP from 10.0.1.53"


def test_whoever_asks_while_a_lookup_is_on_its_way_waits_for_the_same() -> None:
    device = Device()
    lookups = device.lookups()
    assert device.ask(1) == []
    for lookup in lookups:
        device.answer(lookup, 2)
    assert len(device.heard) == 2


def test_without_a_resolver_a_name_comes_to_nothing() -> None:
    device = Device(resolver=None)
    assert device.ask() == []
    assert device.heard[0].trouble == "the device has no resolver"


def test_a_flush_makes_the_next_question_go_to_the_resolver() -> None:
    device = Device().known()
    assert device.stub.flush(Flush("name", names=("edge.example.",)), 1) == []
    assert len(device.ask(2)) == 2


def test_a_flush_of_other_names_leaves_the_answer() -> None:
    device = Device().known()
    device.stub.flush(Flush("name", names=("other.example.",)), 1)
    assert device.ask(2) == []


@pytest.mark.parametrize("which", [Flush(), Flush("name", names=(NAME,)), Flush("addresses")], ids=str)
def test_a_flush_begins_lookups_on_their_way_anew(which: Flush) -> None:
    device = Device()
    old_a, old_aaaa = device.lookups()
    device.answer(old_aaaa)
    orders = device.stub.flush(which, 1)
    assert [step for step, lookup in orders if lookup is old_a] == [Step.DONE]
    fresh = [lookup for step, lookup in orders if step is Step.SEND]
    assert {lookup.question for lookup in fresh} == {old_a.question, old_aaaa.question}
    assert device.answer(old_a, 2) == []
    for lookup in fresh:
        device.answer(lookup, 3, "app.edge.example. 10 IN A 10.1.2.10")
    assert device.addresses() == [["10.1.2.10"]]


def test_another_resolver_is_asked_at_the_next_try_and_the_cache_stays() -> None:
    device = Device().known()
    assert device.stub.hand(OTHER)
    assert device.ask(SECOND) == []
    first, second = device.lookups(20 * SECOND)
    assert first.server == OTHER
    device.stub.hand(RESOLVER)
    device.stub.wake(20 * SECOND + TIMEOUT_NS)
    assert first.server == second.server == RESOLVER


def test_the_same_resolver_handed_again_is_no_change() -> None:
    assert not Device().stub.hand(RESOLVER)


def test_another_resolver_may_be_asked_what_the_last_one_failed_at() -> None:
    device = Device(tries=1)
    for lookup in device.lookups():
        device.answer(lookup, 0, "", rcode="SERVFAIL")
    device.stub.hand(OTHER)
    assert len(device.ask(1)) == 2
