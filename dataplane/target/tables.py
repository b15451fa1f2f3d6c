"""Entries of a table, as P4Runtime writes and reads them (section "TableEntry")."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from finsy.proto import p4i, p4r

from dataplane.compiler.layout import TableLayout
from dataplane.target.actions import Actions
from dataplane.target.deciding import Deciding
from dataplane.target.defaults import DefaultAction
from dataplane.target.directs import Directs
from dataplane.target.keys import Row, Ternary, rows_of
from dataplane.target.maps import Maps
from dataplane.target.masks import Masks
from dataplane.target.matching import Matched, key_of
from dataplane.target.numbers import Numbers
from dataplane.target.refusal import denied, exhausted, invalid, missing, present
from dataplane.target.resources import Clock

Update = p4r.Update
Identity = tuple[tuple[Matched, ...], int]
"""What an entry matches, and its priority (0 where the table has none)."""


@dataclass(slots=True)
class Entry:
    """One entry: as it is read back, and as it lies in the maps."""

    message: p4r.TableEntry
    """Without counters and meters."""
    rows: list[Row]
    priority: int
    """In the maps."""
    index: int
    record: bytes
    idle_since_ns: int
    """When it was inserted, or when its idleness was told last."""


class Table:
    """One table."""

    def __init__(
        self,
        info: p4i.Table,
        layout: TableLayout,
        maps: Maps,
        actions: Actions,
        deciding: Deciding,
        clock: Clock,
        settle: Callable[[], None],
    ) -> None:
        self.id = info.preamble.id
        self.name = info.preamble.alias
        self._info = info
        self._layout = layout
        self._key = key_of(info, layout)
        self._rows = rows_of(self.name, self._key.fields, layout, maps, settle)
        self._needs_priority = self._key.needs_priority
        self._deciding = deciding
        self._clock = clock
        self._entries: dict[Identity, Entry] = {}
        self._timed: set[Identity] = set()
        """Entries with an idle timeout."""
        self._numbers = Numbers(0, layout.size)
        self.default = DefaultAction(info, maps[layout.default], actions)
        self.directs = Directs(self.name, layout, maps, clock)

    def __len__(self) -> int:
        return len(self._entries)

    def fill(self, message: p4r.TableEntry) -> None:
        """An entry or the default of the program itself."""
        if message.is_default_action:
            self.default.fill(message)
        else:
            self._insert(message)

    def write(self, kind: int, message: p4r.TableEntry) -> None:
        """One update; refuses with the reason, and then nothing has changed."""
        if message.HasField("time_since_last_hit"):
            raise invalid(f"{self.name}: found time_since_last_hit in an update; expected it in reads alone")
        if message.is_default_action:
            self.default.write(kind, message)
        elif self._info.is_const_table and (kind != Update.MODIFY or message.HasField("action")):
            raise denied(f"{self.name}: its entries are const; expected reads, or MODIFY of counters and meters alone")
        elif kind == Update.INSERT:
            if message.is_const:
                raise invalid(f"{self.name}: found is_const in an update; expected it in the program alone")
            self._insert(message)
        elif kind == Update.MODIFY:
            self._modify(message)
        else:
            self._delete(message)

    # entries

    def find(self, message: p4r.TableEntry) -> Entry:
        """The entry that a message names by match and priority."""
        entry = self._entries.get(self._identify(message))
        if entry is None:
            raise missing(f"{self.name}: found no entry with this match and priority; expected one that was inserted")
        return entry

    def _identify(self, message: p4r.TableEntry) -> Identity:
        priority = message.priority
        if self._needs_priority and priority <= 0:
            raise invalid(
                f"{self.name}: found priority {priority}; expected 1 or more, for keys are ternary, range or optional"
            )
        if priority and not self._needs_priority:
            raise invalid(f"{self.name}: found priority {priority}; expected none, for every key is exact or lpm")
        return self._key.parse(message.match), priority

    def _insert(self, message: p4r.TableEntry) -> None:
        copy = _copy(message)
        identity = self._identify(copy)
        if identity in self._entries:
            raise present(f"{self.name}: an entry with this match and priority is there; expected another, or MODIFY")
        self.directs.check(message)
        index = self._numbers.take()
        if index is None:
            raise exhausted(f"{self.name}: found {len(self._entries)} entries; expected at most its size")
        record = None
        try:
            record = self._deciding.take(copy.action, index)
            self.directs.start(index, message)
            rows = self._rows.of(identity[0])
            priority = identity[1] or self._length(identity[0])
            self._rows.insert(rows, priority, record)
        except Exception:
            if record is not None:
                self._deciding.release(copy.action, index, record)
            self._numbers.give_back(index)
            raise
        _strip(copy)
        self._entries[identity] = Entry(copy, rows, priority, index, record, self._clock())
        self._time(identity)

    def _modify(self, message: p4r.TableEntry) -> None:
        copy = _copy(message)
        entry = self.find(copy)
        if entry.message.is_const and message.HasField("action"):
            raise denied(f"{self.name}: the entry is const; expected reads, or MODIFY of counters and meters alone")
        self.directs.check(message)
        if message.HasField("action"):
            record = self._deciding.take(copy.action, entry.index)
            self._rows.modify(entry.rows, entry.priority, entry.record, record)
            self._deciding.release(entry.message.action, entry.index, entry.record)
            entry.record = record
        else:
            copy.action.CopyFrom(entry.message.action)
        self.directs.change(entry.index, message)
        _strip(copy)
        copy.is_const = entry.message.is_const
        entry.message = copy
        entry.idle_since_ns = self._clock()
        self._time(self._identify(copy))

    def _delete(self, message: p4r.TableEntry) -> None:
        entry = self.find(message)
        if entry.message.is_const:
            raise denied(f"{self.name}: the entry is const; expected one that can be deleted")
        self._rows.remove(entry.rows, entry.priority, entry.record)
        self._deciding.release(entry.message.action, entry.index, entry.record)
        identity = self._identify(message)
        del self._entries[identity]
        self._timed.discard(identity)
        self._numbers.give_back(entry.index)

    def _length(self, matched: tuple[Matched, ...]) -> int:
        """Of several prefixes without priority, the longest together wins."""
        return 1 + sum(int.from_bytes(mask, "big").bit_count() for _, mask in matched)

    # idle entries

    def _time(self, identity: Identity) -> None:
        if self._entries[identity].message.idle_timeout_ns:
            self._timed.add(identity)
        else:
            self._timed.discard(identity)

    def expire(self) -> list[p4r.TableEntry]:
        """Entries that were idle as long as they may; each is told again after as long a time."""
        idle = []
        for identity in self._timed:
            entry = self._entries[identity]
            if self.directs.idle_ns(entry.index, entry.idle_since_ns) >= entry.message.idle_timeout_ns:
                entry.idle_since_ns = self._clock()
                idle.append(entry.message)
        return idle

    # reads

    def read(self, request: p4r.TableEntry) -> Iterator[p4r.TableEntry]:
        """The entries that a request names or filters, with the counters, meters and times that it asks for."""
        if request.is_default_action:
            if self.default.message.HasField("action"):
                yield self.default.message
            return
        if request.HasField("time_since_last_hit") and self.directs.hits is None and request.table_id:
            raise invalid(f"{self.name}: found time_since_last_hit; expected none, for timeouts are not supported")
        for entry in self.select(request):
            yield self._shown(entry, request)

    def select(self, request: p4r.TableEntry) -> list[Entry]:
        """Entries by match, priority, metadata and action, each where the request has it."""
        return [entry for entry in self._named(request) if _passes(entry.message, request)]

    def _named(self, request: p4r.TableEntry) -> list[Entry]:
        if not request.match:
            return list(self._entries.values())
        if self._needs_priority and not request.priority:
            matched = self._key.parse(request.match)
            return [entry for identity, entry in self._entries.items() if identity[0] == matched]
        entry = self._entries.get(self._identify(request))
        return [entry] if entry else []

    def _shown(self, entry: Entry, request: p4r.TableEntry) -> p4r.TableEntry:
        shown = _copy(entry.message)
        self.directs.show(shown, request, entry.index, entry.idle_since_ns)
        return shown

    @property
    def masks(self) -> Masks | None:
        """The masks of a ternary table."""
        return self._rows.masks if isinstance(self._rows, Ternary) else None

    def written(self) -> Iterator[p4r.TableEntry]:
        """What controllers wrote, with counts and meters: enough to write it again."""
        everything = p4r.TableEntry(meter_config={}, counter_data={})
        for entry in self._entries.values():
            if not entry.message.is_const:
                yield self._shown(entry, everything)


def _passes(message: p4r.TableEntry, request: p4r.TableEntry) -> bool:
    wanted = request.action.action.action_id
    return (
        (not request.priority or message.priority == request.priority)
        and (not request.controller_metadata or message.controller_metadata == request.controller_metadata)
        and (not request.metadata or message.metadata == request.metadata)
        and (not wanted or message.action.action.action_id == wanted)
    )


def _copy(message: p4r.TableEntry) -> p4r.TableEntry:
    copy = p4r.TableEntry()
    copy.CopyFrom(message)
    return copy


def _strip(message: p4r.TableEntry) -> None:
    for name in ("counter_data", "meter_config", "meter_counter_data", "time_since_last_hit"):
        message.ClearField(name)
