"""Entries in the maps of a table: one row for exact and lpm, one or more for ternary (`compiler.layout`)."""

import errno
from collections.abc import Callable, Sequence
from typing import Protocol

from dataplane.compiler.layout import TableLayout
from dataplane.target.bytestrings import decode
from dataplane.target.maps import Map, Maps, number
from dataplane.target.masks import Masks
from dataplane.target.matching import LPM, RANGE, Field, Matched
from dataplane.target.ranges import combinations, prefixes
from dataplane.target.refusal import Refusal, exhausted, invalid

MAXIMUM_ROWS = 1024
"""Rows that the ranges of one entry may take."""

Row = tuple[bytes, bytes]
"""Key and mask, whole; of exact and lpm tables: key of the map, and nothing."""


class Rows(Protocol):
    """How a table's entries lie in its maps."""

    def of(self, matched: Sequence[Matched]) -> list[Row]:
        """The rows of what an entry matches."""

    def insert(self, rows: list[Row], priority: int, record: bytes) -> None:
        """Puts an entry in; all of it or, with a `Refusal`, nothing."""

    def modify(self, rows: list[Row], priority: int, old: bytes, new: bytes) -> None:
        """Gives an entry another record."""

    def remove(self, rows: list[Row], priority: int, record: bytes) -> None: ...


def rows_of(table: str, fields: Sequence[Field], layout: TableLayout, maps: Maps, settle: Callable[[], None]) -> Rows:
    if not fields:
        return Keyless(table)
    if layout.masks is not None:
        return Ternary(table, fields, maps[layout.entries], Masks(table, maps[layout.masks], settle))
    if layout.kind == "lpm":
        return LongestPrefix(table, fields, maps[layout.entries])
    return Exact(table, fields, maps[layout.entries])


def by_offset(fields: Sequence[Field]) -> list[int]:
    """Places of fields in the order in which they lie in a key."""
    return sorted(range(len(fields)), key=lambda place: fields[place].place.offset)


class Keyless:
    """A table without keys has its default action alone, and no map for entries."""

    def __init__(self, table: str) -> None:
        self._table = table

    def of(self, matched: Sequence[Matched]) -> list[Row]:
        raise invalid(f"{self._table}: found an entry; expected the default action alone, for the table has no key")

    def insert(self, rows: list[Row], priority: int, record: bytes) -> None: ...

    def modify(self, rows: list[Row], priority: int, old: bytes, new: bytes) -> None: ...

    def remove(self, rows: list[Row], priority: int, record: bytes) -> None: ...


class Exact:
    """A hash of keys."""

    def __init__(self, table: str, fields: Sequence[Field], entries: Map) -> None:
        self._table = table
        self._fields = fields
        self._order = by_offset(fields)
        self._map = entries

    def of(self, matched: Sequence[Matched]) -> list[Row]:
        return [(b"".join([matched[place][0] for place in self._order]), b"")]

    def insert(self, rows: list[Row], priority: int, record: bytes) -> None:
        _put(self._table, self._map, rows[0][0], record)

    def modify(self, rows: list[Row], priority: int, old: bytes, new: bytes) -> None:
        _put(self._table, self._map, rows[0][0], new)

    def remove(self, rows: list[Row], priority: int, record: bytes) -> None:
        self._map.delete(rows[0][0])


class LongestPrefix(Exact):
    """A trie: the key starts with its prefix's length, and the lpm field comes last."""

    def of(self, matched: Sequence[Matched]) -> list[Row]:
        key = super().of(matched)[0][0]
        place = next(place for place, field in enumerate(self._fields) if field.kind == LPM)
        width = self._fields[place].width
        length = decode(matched[place][1]).bit_count()
        before = (len(key) - width.size) * 8 + (width.size * 8 - width.bits)
        return [(number(before + length) + key, b"")]


class Ternary:
    """A hash for each mask, in one map; where entries differ in priority alone, the map has the best."""

    def __init__(self, table: str, fields: Sequence[Field], entries: Map, masks: Masks) -> None:
        self._table = table
        self._fields = fields
        self._order = by_offset(fields)
        self._map = entries
        self.masks = masks
        self._rivals: dict[Row, list[tuple[int, bytes]]] = {}

    def of(self, matched: Sequence[Matched]) -> list[Row]:
        choices = []
        count = 1
        for place in self._order:
            field = self._fields[place]
            taken = [matched[place]] if field.kind != RANGE else _expand(field, matched[place])
            count *= len(taken)
            choices.append(taken)
        if count > MAXIMUM_ROWS:
            raise exhausted(
                f"{self._table}: found ranges that take {count} prefixes together; expected at most {MAXIMUM_ROWS}"
            )
        return list(combinations(choices))

    def insert(self, rows: list[Row], priority: int, record: bytes) -> None:
        self.masks.reserve({mask for _, mask in rows})
        for done, row in enumerate(rows):
            try:
                self._add(row, priority, record)
            except Refusal:
                for added in rows[:done]:
                    self._drop(added, priority, record)
                raise
        for mask in {mask for _, mask in rows}:
            self.masks.raise_to(mask, priority)

    def modify(self, rows: list[Row], priority: int, old: bytes, new: bytes) -> None:
        for row in rows:
            rivals = self._rivals[row]
            place = rivals.index((priority, old))
            rivals[place] = (priority, new)
            if place == 0:
                _put(self._table, self._map, self._key(row), number(priority) + new)

    def remove(self, rows: list[Row], priority: int, record: bytes) -> None:
        for row in rows:
            self._drop(row, priority, record)

    def _key(self, row: Row) -> bytes:
        identifier = self.masks.number(row[1])
        assert identifier is not None
        return number(identifier) + row[0]

    def _add(self, row: Row, priority: int, record: bytes) -> None:
        self.masks.add(row[1])
        rivals = self._rivals.get(row, [])
        if not rivals or rivals[0][0] < priority:
            try:
                _put(self._table, self._map, self._key(row), number(priority) + record)
            except Refusal:
                self.masks.remove(row[1])
                raise
        place = next((index for index, (rival, _) in enumerate(rivals) if rival < priority), len(rivals))
        self._rivals[row] = [*rivals[:place], (priority, record), *rivals[place:]]

    def _drop(self, row: Row, priority: int, record: bytes) -> None:
        rivals = self._rivals[row]
        place = rivals.index((priority, record))
        del rivals[place]
        if not rivals:
            del self._rivals[row]
            self._map.delete(self._key(row))
        elif place == 0:
            best, following = rivals[0]
            _put(self._table, self._map, self._key(row), number(best) + following)
        self.masks.remove(row[1])


def _expand(field: Field, matched: Matched) -> list[Matched]:
    if matched == field.everything:
        return [(bytes(field.width.size), bytes(field.width.size))]
    size = field.width.size
    return [
        (value.to_bytes(size, "big"), mask.to_bytes(size, "big"))
        for value, mask in prefixes(decode(matched[0]), decode(matched[1]), field.width.bits)
    ]


def _put(table: str, entries: Map, key: bytes, value: bytes) -> None:
    try:
        entries.update(key, value.ljust(entries.value_size, b"\0"))
    except OSError as error:
        if error.errno in (errno.E2BIG, errno.ENOSPC, errno.ENOMEM):
            raise exhausted(
                f"{table}: found its map full at {entries.max_entries} rows; expected room for one more"
            ) from None
        raise
