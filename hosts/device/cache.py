"""The stub's cache: answers by name and family, until their TTL ends (RFC 1035 section 3.2.1, RFC 2308).

Times are CLOCK_MONOTONIC in ns.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal

from meclab.model import SECOND, Family

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Question:
    """A name in lower case with its final dot, and the family of the addresses asked for."""

    name: str
    family: Family


@dataclass(frozen=True)
class Answer:
    """What a question came to: addresses, or none (the name or the type does not exist)."""

    addresses: tuple[Address, ...]
    ttl_s: int
    expires_ns: int
    """When it may no longer be used; a TTL of 0 is used once."""
    cached: bool = False
    """Whether it came from the cache."""


@dataclass(frozen=True)
class Flush:
    """Which answers to drop: all, those with an address in `prefixes`, or those to `names` and names below them."""

    impact: Literal["all", "addresses", "name"] = "all"
    prefixes: tuple[Network, ...] = ()
    names: tuple[str, ...] = ()

    def matches(self, name: str, addresses: Iterable[Address]) -> bool:
        """Whether an answer is among them."""
        if self.impact == "addresses":
            return any(address in prefix for address in addresses for prefix in self.prefixes)
        return self.may_match(name)

    def may_match(self, name: str) -> bool:
        """Whether an answer to this name, with addresses not known yet, can be among them."""
        return self.impact != "name" or any(is_below(name, above) for above in self.names)

    def __str__(self) -> str:
        return " ".join([self.impact, *map(str, self.prefixes), *self.names])


class Cache:
    """Answers not yet expired."""

    def __init__(self, stretch_to_ns: int = 0) -> None:
        self._stretch_to_ns = stretch_to_ns
        """Positive answers are kept at least so long: what some devices do, against the RFCs."""
        self._answers: dict[Question, Answer] = {}

    def put(self, question: Question, addresses: tuple[Address, ...], ttl_s: int, now_ns: int) -> Answer:
        """Keeps an answer that has just come, if its TTL lets it; the answer."""
        kept_ns = ttl_s * SECOND
        if addresses:
            kept_ns = max(kept_ns, self._stretch_to_ns)
        if kept_ns:
            self._answers[question] = Answer(addresses, ttl_s, now_ns + kept_ns, cached=True)
        return Answer(addresses, ttl_s, now_ns + kept_ns)

    def get(self, question: Question, now_ns: int) -> Answer | None:
        """The answer, if there is one that still holds."""
        found = self._answers.get(question)
        if found is not None and found.expires_ns <= now_ns:
            del self._answers[question]
            return None
        return found

    def drop(self, flush: Flush) -> int:
        """Drops answers; how many it were."""
        gone = [question for question, a in self._answers.items() if flush.matches(question.name, a.addresses)]
        for question in gone:
            del self._answers[question]
        return len(gone)


def absolute(name: str) -> str:
    """A name in lower case with its final dot."""
    return name.lower().rstrip(".") + "."


def is_below(name: str, above: str) -> bool:
    """Whether a name is another one or below it."""
    name, above = absolute(name), absolute(above)
    return name == above or above == "." or name.endswith(f".{above}")
