"""The device's stub resolver as a state machine without sockets: cache, lookups, flushes.

A name is looked up in both families at once, and is resolved when both have come to something, as getaddrinfo(3)
does it. MODEL: one resolver, of the family that the device's traffic uses; a real device is handed several and goes
through them.

Each call returns what the owner of the sockets has to do. Times are CLOCK_MONOTONIC in ns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol, get_args

from hosts.device.cache import Address, Answer, Cache, Flush, Question, absolute
from hosts.device.lookup import Lookup, Step
from meclab import settings
from meclab.model import SECOND, Family

FAMILIES: tuple[Family, ...] = get_args(Family)
FAILURE_KEPT_NS = SECOND
"""How long a failed lookup is not repeated (RFC 9520 section 3.2)."""


@dataclass(frozen=True)
class Resolution:
    """What a name came to."""

    name: str
    at_ns: int
    """When it came."""
    answers: dict[Family, Answer]
    trouble: str = ""
    """Why a family has no answer."""


Then = Callable[[Resolution], None]
Order = tuple[Step, Lookup]


class Note(Protocol):
    """Notes what happened, with which server, and details: a row of `UE-discovery.csv`. `at_ns` (CLOCK_REALTIME) is
    given where it happened before it is noted: when a message came."""

    def __call__(self, what: str, server: str, detail: str, at_ns: int | None = None) -> None: ...


class Stub:
    """One device's resolver."""

    def __init__(
        self, limits: settings.Stub, stretches: bool, resolver: Address | None, random: Random, note: Note
    ) -> None:
        self.resolver = resolver
        self._cache = Cache(limits.stretch_to if stretches else 0)
        self._limits = limits
        self._random = random
        self._note = note
        self._lookups: dict[Question, Lookup] = {}
        self._callers: dict[str, list[Then]] = {}
        self._settled: dict[Question, Answer | str] = {}
        """What the names that somebody waits for have come to."""
        self._failed: dict[Question, tuple[int, str]] = {}
        """When a failed lookup may be repeated, and why it failed."""

    @property
    def wake_ns(self) -> int | None:
        """When `wake` has to be called next."""
        return min((lookup.wake_ns for lookup in self._lookups.values()), default=None)

    def resolve(self, name: str, now_ns: int, then: Then) -> list[Order]:
        """Calls `then` with what the name comes to: before it returns where the cache knows."""
        name = absolute(name)
        self._callers.setdefault(name, []).append(then)
        orders = [order for family in FAMILIES for order in self._seek(Question(name, family), now_ns)]
        self._finish(name, now_ns)
        return orders

    def wake(self, now_ns: int) -> list[Order]:
        """The time `wake_ns` has come."""
        return [
            order
            for lookup in list(self._lookups.values())
            for order in self._after(lookup, lookup.wake(now_ns, self._server(lookup)), now_ns)
        ]

    def received(
        self, lookup: Lookup, sender: Address, payload: bytes, now_ns: int, came_ns: int | None = None
    ) -> list[Order]:
        """Something came to a lookup's socket, at `came_ns` of CLOCK_REALTIME."""
        step = lookup.received(now_ns, self._server(lookup), sender, payload)
        return self._after(lookup, step, now_ns, came_ns)

    def refused(self, lookup: Lookup, why: str, now_ns: int) -> list[Order]:
        """A lookup's packet or connection was refused."""
        return self._after(lookup, lookup.refused(now_ns, self._server(lookup), why), now_ns)

    def hand(self, resolver: Address) -> bool:
        """The network hands the device a resolver, whom lookups on their way ask at their next try; whether it is
        another than before."""
        changed, self.resolver = resolver != self.resolver, resolver
        self._note("resolver", str(resolver), "another" if changed else "the same")
        self._failed.clear()
        return changed

    def flush(self, which: Flush, now_ns: int) -> list[Order]:
        """Drops answers; lookups on their way that may bring such an answer begin anew."""
        self._note("flushed", "", f"{which}: {self._cache.drop(which)} answers")
        return self._restart(which, now_ns)

    def _server(self, lookup: Lookup) -> Address:
        """Whom a lookup's next try asks."""
        server = self.resolver or lookup.server
        assert server is not None, "a lookup on its way has asked somebody"
        return server

    def _seek(self, question: Question, now_ns: int) -> list[Order]:
        if question in self._lookups or question in self._settled:
            return []
        repeat_ns, why = self._failed.get(question, (0, ""))
        if (answer := self._cache.get(question, now_ns)) is not None:
            self._settle(question, answer)
        elif now_ns < repeat_ns:
            self._settled[question] = why
        elif self.resolver is None:
            self._settled[question] = "the device has no resolver"
        else:
            return self._begin(question, self.resolver, now_ns)
        return []

    def _begin(self, question: Question, resolver: Address, now_ns: int) -> list[Order]:
        lookup = Lookup(question, self._random.randrange(1 << 16), self._limits.timeout, self._limits.tries)
        self._lookups[question] = lookup
        return self._after(lookup, lookup.begin(now_ns, resolver), now_ns)

    def _after(self, lookup: Lookup, step: Step | None, now_ns: int, came_ns: int | None = None) -> list[Order]:
        if step is None or self._lookups.get(lookup.question) is not lookup:
            return []
        question = lookup.question
        if step is not Step.DONE:
            self._note("asked", str(lookup.server), f"{question.name} {question.family} by {_TRANSPORTS[step]}")
            return [(step, lookup)]
        del self._lookups[question]
        if lookup.reply is not None:
            reply = lookup.reply
            self._settle(question, self._cache.put(question, reply.addresses, reply.ttl_s, now_ns), came_ns)
        else:
            self._failed[question] = now_ns + FAILURE_KEPT_NS, lookup.trouble
            self._settled[question] = lookup.trouble
            self._note("failed", "", f"{question.name} {question.family}: {lookup.trouble}")
        self._finish(question.name, now_ns)
        return [(step, lookup)]

    def _settle(self, question: Question, answer: Answer, came_ns: int | None = None) -> None:
        self._settled[question] = answer
        addresses = " ".join(str(address) for address in answer.addresses) or "none"
        cached = "cached" if answer.cached else "fresh"
        self._note("answered", addresses, f"{question.name} {question.family} ttl={answer.ttl_s}s {cached}", came_ns)

    def _finish(self, name: str, now_ns: int) -> None:
        """Tells those who wait for a name, once every family of it has come to something."""
        questions = [Question(name, family) for family in FAMILIES]
        if any(question in self._lookups for question in questions):
            return
        found = {question.family: self._settled.pop(question) for question in questions if question in self._settled}
        answers = {family: outcome for family, outcome in found.items() if isinstance(outcome, Answer)}
        troubles = [outcome for outcome in found.values() if isinstance(outcome, str)]
        resolution = Resolution(name, now_ns, answers, troubles[0] if troubles else "")
        for then in self._callers.pop(name, []):
            then(resolution)

    def _restart(self, which: Flush, now_ns: int) -> list[Order]:
        orders: list[Order] = []
        for question in [question for question in (*self._settled, *self._lookups) if which.may_match(question.name)]:
            self._settled.pop(question, None)
            if (stale := self._lookups.pop(question, None)) is not None:
                orders.append((Step.DONE, stale))
            assert self.resolver is not None, "a lookup on its way has asked somebody"
            orders += self._begin(question, self.resolver, now_ns)
        return orders


_TRANSPORTS = {Step.SEND: "UDP", Step.STREAM: "TCP"}
