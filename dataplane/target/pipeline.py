"""The P4Runtime entities of one loaded program: every update and read goes to the table or extern that it names."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from finsy.proto import p4i, p4r

from dataplane.compiler.layout import Layout, ProfileLayout
from dataplane.target.actions import Action, Actions, actions_of
from dataplane.target.arrays import Array, IndirectCounter, IndirectMeter, Register, refuse_colours
from dataplane.target.deciding import Deciding, OwnActions, ProfileActions
from dataplane.target.digests import Digests
from dataplane.target.maps import Maps
from dataplane.target.masks import Masks
from dataplane.target.profiles import Profile
from dataplane.target.refusal import invalid, missing, unimplemented
from dataplane.target.replication import Replication
from dataplane.target.tables import Table

T = TypeVar("T")
Update = p4r.Update
ARRAYS = {"counter_entry": "counter_id", "meter_entry": "meter_id", "register_entry": "register_id"}
ABSENT = {"value_set_entry": "parser value sets", "extern_entry": "externs beyond v1model"}


@dataclass(frozen=True)
class Surroundings:
    """What a pipeline takes from outside."""

    settle: Callable[[], None] = lambda: None
    """Returns when no packet is in the program that was in it before."""
    clock: Callable[[], int] = time.monotonic_ns
    wall: Callable[[], int] = time.time_ns
    cpu_port: int | None = None


class Pipeline:
    """The entities of a program whose maps are there; `initial` are the entries of its source."""

    def __init__(
        self, info: p4i.P4Info, layout: Layout, maps: Maps, initial: p4r.WriteRequest, around: Surroundings
    ) -> None:
        self.info = info
        actions = actions_of(info, layout)
        self._profiles = _profiles(info, layout, maps, actions)
        self.tables = _tables(info, layout, maps, actions, self._profiles, around)
        self._arrays: dict[str, dict[int, Array]] = _arrays(info, layout, maps)
        self._replication = Replication(maps, around.cpu_port)
        self.digests = Digests(info, layout.digests, around.clock, around.wall)
        for update in initial.updates:
            self.table(update.entity.table_entry.table_id).fill(update.entity.table_entry)

    # updates

    def write(self, update: p4r.Update) -> None:
        """One update; a `Refusal` says why not, and then nothing has changed."""
        kind = update.type
        if kind not in (Update.INSERT, Update.MODIFY, Update.DELETE):
            raise invalid(f"update: found type {kind}; expected INSERT, MODIFY or DELETE")
        what = update.entity.WhichOneof("entity")
        if what is None:
            raise invalid("update: found no entity; expected one")
        entity = getattr(update.entity, what)
        if what == "table_entry":
            self.table(entity.table_id).write(kind, entity)
        elif what == "action_profile_member":
            self._profile(entity.action_profile_id).write_member(kind, entity)
        elif what == "action_profile_group":
            self._profile(entity.action_profile_id).write_group(kind, entity)
        elif what == "packet_replication_engine_entry":
            self._replication.write(kind, entity)
        elif what == "digest_entry":
            self.digests.write(kind, entity)
        elif what in ABSENT:
            raise unimplemented(f"update: found {what}; {ABSENT[what]} are not there, expected another entity")
        elif kind != Update.MODIFY:
            raise invalid(f"update: found INSERT or DELETE of {what}; expected MODIFY, for it is always there")
        elif what in ARRAYS:
            self._array(what, getattr(entity, ARRAYS[what])).modify(entity)
        else:
            self._write_direct(what, entity)

    def _write_direct(self, what: str, entity: Any) -> None:
        table = self.table(entity.table_entry.table_id)
        if entity.table_entry.is_default_action:
            raise unimplemented(f"{table.name}: found {what} of the default action; it has none here")
        if what == "direct_counter_entry":
            counters = _expect(table.directs.counters, table.name, "counter")
            entry = table.find(entity.table_entry)
            if entity.HasField("data"):
                counters.write(entry.index, entity.data)
        else:
            refuse_colours(entity, table.name)
            meters = _expect(table.directs.meters, table.name, "meter")
            config = entity.config if entity.HasField("config") else None
            meters.write(table.find(entity.table_entry).index, config)

    # reads

    def read(self, entity: p4r.Entity) -> Iterator[p4r.Entity]:
        """What a request names; ids of 0 stand for all."""
        what = entity.WhichOneof("entity")
        if what is None:
            raise invalid("read: found no entity; expected one, ids of 0 stand for all")
        request = getattr(entity, what)
        if what == "table_entry":
            yield from self._read_tables(request)
        elif what == "action_profile_member":
            for profile in self._some(self._profiles, request.action_profile_id, "action profile"):
                for member in profile.members(request.member_id):
                    yield p4r.Entity(action_profile_member=member)
        elif what == "action_profile_group":
            for profile in self._some(self._profiles, request.action_profile_id, "action profile"):
                for group in profile.groups(request.group_id):
                    yield p4r.Entity(action_profile_group=group)
        elif what == "packet_replication_engine_entry":
            yield from self._replication.read(request)
        elif what == "digest_entry":
            yield from self.digests.read(request)
        elif what in ABSENT:
            return
        elif what in ARRAYS:
            for array in self._some(self._arrays[what], getattr(request, ARRAYS[what]), what.split("_")[0]):
                yield from array.read(request)
        else:
            yield from self._read_direct(what, request)

    def _read_tables(self, request: p4r.TableEntry) -> Iterator[p4r.Entity]:
        if not request.table_id and (request.match or request.HasField("action")):
            raise invalid("read: found a match or an action with table 0 (all tables); expected neither")
        for table in self._some(self.tables, request.table_id, "table"):
            for entry in table.read(request):
                yield p4r.Entity(table_entry=entry)

    def _read_direct(self, what: str, request: Any) -> Iterator[p4r.Entity]:
        wanted = request.table_entry
        for table in self._some(self.tables, wanted.table_id, "table"):
            resource = table.directs.counters if what == "direct_counter_entry" else table.directs.meters
            if resource is None:
                if wanted.table_id:
                    _expect(resource, table.name, "counter" if what == "direct_counter_entry" else "meter")
                continue
            if wanted.match:
                table.find(wanted)
            for entry in table.select(wanted):
                yield _direct(what, resource, entry, request)

    # masks

    def mark(self) -> list[tuple[Masks, int]]:
        """What is to be tidied up when the packets that are in the program now have left it."""
        masks = [table.masks for table in self.tables.values() if table.masks is not None]
        return [(each, each.mark()) for each in masks if each.stale]

    # names

    def table(self, identifier: int) -> Table:
        """The table with an id."""
        return self._named(self.tables, identifier, "table")

    def _profile(self, identifier: int) -> Profile:
        return self._named(self._profiles, identifier, "action profile")

    def _array(self, what: str, identifier: int) -> Array:
        return self._named(self._arrays[what], identifier, what.split("_")[0])

    @staticmethod
    def _named(known: Mapping[int, T], identifier: int, what: str) -> T:
        if identifier not in known:
            ids = ", ".join(str(each) for each in known) or "none"
            raise missing(f"found {what} {identifier}; expected one of this pipeline: {ids}")
        return known[identifier]

    def _some(self, known: Mapping[int, T], identifier: int, what: str) -> list[T]:
        return [self._named(known, identifier, what)] if identifier else list(known.values())

    # reconciliation

    def state(self) -> Iterator[p4r.Update]:
        """Everything that was written, as the updates that write it again, in an order that works."""
        for entity, kind in self._state():
            yield p4r.Update(type=kind, entity=entity)

    def _state(self) -> Iterator[tuple[p4r.Entity, int]]:
        for request in ("action_profile_member", "action_profile_group", "packet_replication_engine_entry"):
            for entity in self.read(_request(request)):
                yield entity, Update.INSERT
        for table in self.tables.values():
            for entry in table.written():
                yield p4r.Entity(table_entry=entry), Update.INSERT
            if table.default.changed:
                yield p4r.Entity(table_entry=table.default.message), Update.MODIFY
        for request in ("counter_entry", "meter_entry", "register_entry"):
            for entity in self.read(_request(request)):
                if not _is_untouched(entity):
                    yield entity, Update.MODIFY
        for entity in self.read(_request("digest_entry")):
            yield entity, Update.INSERT


def _request(name: str) -> p4r.Entity:
    entity = p4r.Entity()
    getattr(entity, name).SetInParent()
    return entity


def _is_untouched(entity: p4r.Entity) -> bool:
    """Whether an element of an array is as it was at the start."""
    what = entity.WhichOneof("entity")
    if what == "register_entry":
        return bool(entity.register_entry.data.bitstring == b"\0")
    if what == "meter_entry":
        return not entity.meter_entry.HasField("config")
    return bool(entity.counter_entry.data == p4r.CounterData())


def _direct(what: str, resource: Any, entry: Any, request: Any) -> p4r.Entity:
    key = p4r.TableEntry(table_id=entry.message.table_id, match=entry.message.match, priority=entry.message.priority)
    data = resource.read(entry.index)
    if what == "direct_counter_entry":
        return p4r.Entity(direct_counter_entry=p4r.DirectCounterEntry(table_entry=key, data=data))
    refuse_colours(request, "direct meter")
    return p4r.Entity(direct_meter_entry=p4r.DirectMeterEntry(table_entry=key, config=data))


def _expect(resource: T | None, table: str, what: str) -> T:
    if resource is None:
        raise invalid(f"{table}: found a direct {what}; expected a table that has one")
    return resource


def _tables(
    info: p4i.P4Info,
    layout: Layout,
    maps: Maps,
    known: Mapping[int, Action],
    profiles: Mapping[int, Profile],
    around: Surroundings,
) -> dict[int, Table]:
    layouts = {table.name: table for table in layout.tables}
    tables = {}
    for table in info.tables:
        place = layouts[table.preamble.name]
        actions = Actions(table, known)
        deciding: Deciding = OwnActions(table.preamble.alias, actions, place.record_size)
        if table.implementation_id:
            deciding = ProfileActions(table.preamble.id, profiles[table.implementation_id])
        tables[table.preamble.id] = Table(table, place, maps, actions, deciding, around.clock, around.settle)
    return tables


def _profiles(info: p4i.P4Info, layout: Layout, maps: Maps, known: Mapping[int, Action]) -> dict[int, Profile]:
    layouts: dict[str, ProfileLayout] = {profile.name: profile for profile in layout.profiles}
    tables = {table.preamble.id: table for table in info.tables}
    return {
        profile.preamble.id: Profile(
            profile,
            layouts[profile.preamble.name],
            # Tables that share a profile have the same actions (P4Runtime section "Action Profile Member Programming").
            Actions(tables[profile.table_ids[0]] if profile.table_ids else p4i.Table(), known),
            maps,
        )
        for profile in info.action_profiles
    }


def _arrays(info: p4i.P4Info, layout: Layout, maps: Maps) -> dict[str, dict[int, Array]]:
    counters = {each.name: each for each in layout.counters}
    meters = {each.name: each for each in layout.meters}
    registers = {each.name: each for each in layout.registers}
    return {
        "counter_entry": {
            each.preamble.id: IndirectCounter(each, counters[each.preamble.name], maps) for each in info.counters
        },
        "meter_entry": {
            each.preamble.id: IndirectMeter(each, meters[each.preamble.name], maps) for each in info.meters
        },
        "register_entry": {
            each.preamble.id: Register(each, registers[each.preamble.name], maps) for each in info.registers
        },
    }
