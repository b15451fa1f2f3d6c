"""What a P4Runtime switch holds, and which updates make it hold something else.

A program may have fewer tables than the lab's own; what there is no table for is left out and told once.

P4Runtime tells INSERT from MODIFY and refuses the wrong one, so what a switch holds is remembered; what it held before
this connection is read from it.
"""

import logging
from collections.abc import Iterable, Mapping

from finsy import P4Schema, P4TableEntry
from finsy.proto import p4r

from controller import entries
from controller.rules import Rule

log = logging.getLogger(__name__)
_KEPT = 1 << 15
"""Encoded rules that are kept: a device that moves to and fro gives the same ones again and again."""


class _Encoded:
    """An entry as P4Runtime has it: its key (table, match, priority), and what is said of it."""

    __slots__ = ("content", "entity", "is_default", "key")

    def __init__(self, entry: P4TableEntry, schema: P4Schema) -> None:
        self.entity = entry.encode(schema)
        found = self.entity.table_entry
        self.is_default = found.is_default_action
        key = p4r.TableEntry(table_id=found.table_id, priority=found.priority, is_default_action=self.is_default)
        key.match.extend(sorted(found.match, key=lambda match: match.field_id))
        said = p4r.TableEntry(action=found.action, metadata=found.metadata, idle_timeout_ns=found.idle_timeout_ns)
        self.key = key.SerializeToString(deterministic=True)
        self.content = said.SerializeToString(deterministic=True)


class Holding:
    """The entries of one switch on one connection."""

    def __init__(self, schema: P4Schema) -> None:
        self._schema = schema
        self._held: dict[bytes, bytes] = {}
        """Key to content."""
        self._rules: dict[Rule, tuple[_Encoded, ...]] = {}
        self._misfits: set[str] = set()

    def found(self, read: Iterable[P4TableEntry]) -> None:
        """This is what the switch holds, default actions aside."""
        encoded = self._encoded(read)
        self._held = {entry.key: entry.content for entry in encoded}

    def become(self, wanted: Iterable[P4TableEntry]) -> tuple[list[p4r.Update], int]:
        """The updates that leave these entries and no others, and how many others there are; they go last.

        Default actions are not read: those that are not wanted become the program's own again.
        """
        encoded = {entry.key: entry for entry in self._encoded(wanted)}
        strangers = [key for key in self._held if key not in encoded]
        updates = [update for entry in encoded.values() for update in self._put(entry)]
        updates += self._resets(encoded)
        for key in strangers:
            del self._held[key]
            stranger = p4r.Entity(table_entry=p4r.TableEntry.FromString(key))
            updates.append(p4r.Update(type=p4r.Update.DELETE, entity=stranger))
        return updates, len(strangers)

    def change(self, add: Iterable[Rule], remove: Iterable[Rule]) -> list[p4r.Update]:
        """The updates that add or change rules, and take others away, in order."""
        updates = [update for rule in add for entry in self._of(rule) for update in self._put(entry)]
        for rule in remove:
            for entry in self._of(rule):
                if self._held.pop(entry.key, None) is not None:
                    updates.append(p4r.Update(type=p4r.Update.DELETE, entity=entry.entity))
        return updates

    def _resets(self, wanted: Mapping[bytes, _Encoded]) -> list[p4r.Update]:
        """Default actions without a wish of the lab's: back to what the program says (P4Runtime section 9.1)."""
        changeable = (table.alias for table in self._schema.tables if table.const_default_action is None)
        defaults = self._encoded(P4TableEntry(name, is_default_action=True) for name in changeable)
        return [p4r.Update(type=p4r.Update.MODIFY, entity=e.entity) for e in defaults if e.key not in wanted]

    def _put(self, entry: _Encoded) -> list[p4r.Update]:
        before = self._held.get(entry.key)
        if before == entry.content:
            return []
        self._held[entry.key] = entry.content
        kind = p4r.Update.INSERT if before is None and not entry.is_default else p4r.Update.MODIFY
        return [p4r.Update(type=kind, entity=entry.entity)]

    def _of(self, rule: Rule) -> tuple[_Encoded, ...]:
        if (known := self._rules.get(rule)) is None:
            if len(self._rules) >= _KEPT:
                self._rules.clear()
            known = tuple(self._encoded(entries.entries(rule)))
            self._rules[rule] = known
        return known

    def _encoded(self, wanted: Iterable[P4TableEntry]) -> list[_Encoded]:
        """Those that the program has tables for, with such keys and actions."""
        found = []
        for entry in wanted:
            try:
                found.append(_Encoded(entry, self._schema))
            except ValueError as error:
                if entry.table_id not in self._misfits:
                    self._misfits.add(entry.table_id)
                    log.warning("the program has no table %s with what the lab puts there: %s", entry.table_id, error)
        return found
