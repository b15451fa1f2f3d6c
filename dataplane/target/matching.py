"""Match fields of P4Runtime to the keys of a table's map (P4Runtime section "Match Format")."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from finsy.proto import p4i, p4r

from dataplane.compiler.layout import KeyField, TableLayout
from dataplane.target.bytestrings import Width, canonical, decode, hexadecimal
from dataplane.target.refusal import invalid

EXACT, LPM, TERNARY = p4i.MatchField.EXACT, p4i.MatchField.LPM, p4i.MatchField.TERNARY
RANGE, OPTIONAL = p4i.MatchField.RANGE, p4i.MatchField.OPTIONAL
NAMES = {EXACT: "exact", LPM: "lpm", TERNARY: "ternary", RANGE: "range", OPTIONAL: "optional"}

Matched = tuple[bytes, bytes]
"""Of one field: value and mask; of a range: low and high. Both in the field's bytes."""


@dataclass(frozen=True)
class Field:
    """One key field as P4Info and the layout have it."""

    name: str
    width: Width
    kind: int
    place: KeyField

    @property
    def everything(self) -> Matched:
        """What an entry that leaves the field out matches."""
        zero = bytes(self.width.size)
        return (zero, self.ones) if self.kind == RANGE else (zero, zero)

    @property
    def ones(self) -> bytes:
        return ((1 << self.width.bits) - 1).to_bytes(self.width.size, "big")

    def prefix_mask(self, length: int) -> bytes:
        mask = ((1 << length) - 1) << (self.width.bits - length)
        return mask.to_bytes(self.width.size, "big")

    def value(self, match: p4r.FieldMatch) -> Matched:
        """What a match field asks for; makes its numbers canonical in passing."""
        sent = match.WhichOneof("field_match_type")
        if sent != NAMES[self.kind]:
            raise invalid(f"{self.name}: found a match of kind {sent}; expected {NAMES[self.kind]}")
        if self.kind == EXACT:
            return self.number(match.exact, "value"), self.ones
        if self.kind == OPTIONAL:
            return self.number(match.optional, "value"), self.ones
        if self.kind == LPM:
            return self._prefix(match.lpm)
        if self.kind == TERNARY:
            return self._masked(match.ternary)
        return self._range(match.range)

    def number(self, message: Any, name: str) -> bytes:
        sent = getattr(message, name)
        value = self.width.padded(sent)
        if sent[0] == 0 and len(sent) > 1:
            setattr(message, name, canonical(sent))
        return value

    def _prefix(self, lpm: Any) -> Matched:
        length = lpm.prefix_len
        if not 0 < length <= self.width.bits:
            raise invalid(
                f"{self.name}: found prefix length {length}; expected 1 to {self.width.bits}, or no match field"
            )
        value, mask = self.number(lpm, "value"), self.prefix_mask(length)
        return self._within(value, mask)

    def _masked(self, ternary: Any) -> Matched:
        value, mask = self.number(ternary, "value"), self.number(ternary, "mask")
        if not any(mask):
            raise invalid(f"{self.name}: found mask 0; expected at least one bit, or no match field")
        return self._within(value, mask)

    def _within(self, value: bytes, mask: bytes) -> Matched:
        if decode(value) & ~decode(mask):
            raise invalid(
                f"{self.name}: found {hexadecimal(value)} with mask {hexadecimal(mask)}; expected 0 where the mask is 0"
            )
        return value, mask

    def _range(self, bounds: Any) -> Matched:
        low, high = self.number(bounds, "low"), self.number(bounds, "high")
        if low > high:
            raise invalid(f"{self.name}: found {hexadecimal(low)} to {hexadecimal(high)}; expected low to high")
        if (low, high) == self.everything:
            raise invalid(f"{self.name}: found a range of all values; expected less, or no match field")
        return low, high


@dataclass(frozen=True)
class Key:
    """The key of one table."""

    table: str
    fields: tuple[Field, ...]
    by_id: dict[int, tuple[int, Field]]

    @property
    def needs_priority(self) -> bool:
        return any(field.kind in (TERNARY, RANGE, OPTIONAL) for field in self.fields)

    def parse(self, matches: Iterable[p4r.FieldMatch]) -> tuple[Matched, ...]:
        """What an entry matches, one for each field in the table's order."""
        found: list[Matched | None] = [None] * len(self.fields)
        for match in matches:
            known = self.by_id.get(match.field_id)
            if known is None:
                names = ", ".join(f"{number} ({field.name})" for number, (_, field) in self.by_id.items())
                raise invalid(f"{self.table}: found match field {match.field_id}; expected one of {names or 'none'}")
            place, field = known
            if found[place] is not None:
                raise invalid(f"{field.name}: found two matches; expected one")
            found[place] = field.value(match)
        for place, field in enumerate(self.fields):
            if found[place] is None:
                if field.kind == EXACT:
                    raise invalid(f"{field.name}: found no match; expected one, for its kind is exact")
                found[place] = field.everything
        return tuple(matched for matched in found if matched is not None)


def key_of(table: p4i.Table, layout: TableLayout) -> Key:
    """The key of a table; fields of P4Info and layout are in the same order."""
    name = table.preamble.alias
    fields = tuple(
        Field(f"{name}.{match.name}", Width(match.bitwidth, f"{name}.{match.name}"), match.match_type, place)
        for match, place in zip(table.match_fields, layout.key, strict=True)
    )
    numbers = [match.id for match in table.match_fields]
    return Key(name, fields, dict(zip(numbers, enumerate(fields), strict=True)))
