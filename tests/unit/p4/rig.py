"""A pipeline of the handmade program over maps in memory, and short ways to write P4Runtime messages."""

import handmade
from finsy.proto import p4r
from memory_maps import memory_maps

from dataplane.compiler.bundle import Bundle
from dataplane.compiler.initial import initial_entries
from dataplane.compiler.layouts import layout
from dataplane.compiler.p4info import p4info
from dataplane.target.pipeline import Pipeline, Surroundings

INSERT, MODIFY, DELETE = p4r.Update.INSERT, p4r.Update.MODIFY, p4r.Update.DELETE


class Clock:
    """Time that tests set, in nanoseconds."""

    def __init__(self):
        self.now = 1_000_000_000

    def __call__(self):
        return self.now


class Rig:
    """A pipeline with its maps, clock and names."""

    def __init__(self, program=None):
        self.program = program or handmade.program()
        self.info = p4info(self.program)
        self.layout = layout(self.program)
        self.maps = memory_maps(self.layout)
        self.clock = Clock()
        self.settled = []
        around = Surroundings(lambda: self.settled.append(1), self.clock, lambda: 7, 510)
        self.initial = initial_entries(self.program, self.info)
        self.pipeline = Pipeline(self.info, self.layout, self.maps, self.initial, around)
        self.tables = {table.preamble.alias: table for table in self.info.tables}
        self.actions = {action.preamble.alias: action for action in self.info.actions}

    def place(self, name):
        """The layout of a table."""
        return next(table for table in self.layout.tables if table.name.endswith(f".{name}"))

    def action(self, name, *values):
        info = self.actions[name]
        params = [p4r.Action.Param(param_id=each.id, value=v) for each, v in zip(info.params, values, strict=True)]
        return p4r.TableAction(action=p4r.Action(action_id=info.preamble.id, params=params))

    def entry(self, table, match=(), action=None, **fields):
        """A table entry; matches as (field id, kind, values)."""
        matches = [field_match(*each) for each in match]
        return p4r.TableEntry(table_id=self.tables[table].preamble.id, match=matches, action=action, **fields)

    def write(self, kind, entity):
        self.pipeline.write(p4r.Update(type=kind, entity=wrap(entity)))

    def read(self, entity):
        return [unwrap(each) for each in self.pipeline.read(wrap(entity))]

    def bundle(self):
        return Bundle("handmade", self.info, self.layout, self.initial, "/* C */", b"object")


def field_match(number, kind, *values):
    match = p4r.FieldMatch(field_id=number)
    names = {"exact": ["value"], "lpm": ["value", "prefix_len"], "ternary": ["value", "mask"], "range": ["low", "high"]}
    for name, value in zip(names.get(kind, ["value"]), values, strict=True):
        setattr(getattr(match, kind), name, value)
    return match


KINDS = {
    p4r.TableEntry: "table_entry",
    p4r.ActionProfileMember: "action_profile_member",
    p4r.ActionProfileGroup: "action_profile_group",
    p4r.MeterEntry: "meter_entry",
    p4r.DirectMeterEntry: "direct_meter_entry",
    p4r.CounterEntry: "counter_entry",
    p4r.DirectCounterEntry: "direct_counter_entry",
    p4r.PacketReplicationEngineEntry: "packet_replication_engine_entry",
    p4r.RegisterEntry: "register_entry",
    p4r.DigestEntry: "digest_entry",
}


def wrap(message):
    return p4r.Entity(**{KINDS[type(message)]: message})


def unwrap(entity):
    return getattr(entity, entity.WhichOneof("entity"))
