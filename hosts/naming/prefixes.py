"""Prefixes that decide, of one name and one IP version: the longest match, and how far its answer holds.

The scope of an answer (RFC 7871 section 7.2.1) is the shortest prefix of the client's address inside which the
whole address space has the same answer; where prefixes lie inside the client's own subnet, so that what is known of
the client does not suffice, it is the longest of them: longer than what was asked.
"""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Prefixes(Generic[Value]):
    """A table of prefixes; never changes."""

    def __init__(self, bits: int, by_length: Mapping[int, Mapping[int, Value]]) -> None:
        """`bits` is the length of an address; `by_length` maps a prefix length and the value of that many leading
        bits to what is to be found."""
        self._bits = bits
        self._by_length = by_length
        self._lengths = sorted(by_length, reverse=True)
        self._ordered: dict[int, list[int]] = {}
        """The leading bits of a length in order, from when they are first needed."""

    def __bool__(self) -> bool:
        return bool(self._lengths)

    def match(self, address: int, known: int) -> tuple[Value | None, int]:
        """What the longest prefix decides that contains the client's subnet, and the scope in bits.

        `address` has `known` bits, the others are zero.
        """
        decided, found = 0, None
        for length in self._lengths:
            if length <= known:
                found = self._by_length[length].get(address >> (self._bits - length))
                if found is not None:
                    decided = length
                    break
        scope = decided
        for length in self._lengths:
            if length <= decided:
                break
            scope = max(scope, self._apart(length, address, known))
        return found, scope

    def _apart(self, length: int, address: int, known: int) -> int:
        """Bits that tell an address from every prefix of a length; the length itself for one inside the subnet.

        The nearest in order on either side shares the most bits.
        """
        value, ordered = address >> (self._bits - length), self._in_order(length)
        at = bisect_left(ordered, value)
        apart = 0
        for neighbour in ordered[max(at - 1, 0) : at + 1]:
            common = length - (value ^ neighbour).bit_length()
            apart = max(apart, length if common >= known else common + 1)
        return apart

    def _in_order(self, length: int) -> list[int]:
        ordered = self._ordered.get(length)
        if ordered is None:
            ordered = self._ordered[length] = sorted(self._by_length[length])
        return ordered
