"""Tables as C: the key, the lookup, what a hit does, and the actions."""

from collections.abc import Iterator

from dataplane.compiler.emitter.bitstrings import filling
from dataplane.compiler.emitter.controls import ControlStatements
from dataplane.compiler.emitter.numbers import bits_of
from dataplane.compiler.emitter.statements import Lines, indented, may_exit, origin
from dataplane.compiler.layout import MAXIMUM_GROUP, MAXIMUM_MASKS, Layout, ProfileLayout, TableLayout
from dataplane.compiler.lowered import Algorithm, Bits, Boolean, MatchKind, Program, Table, TableAction

LEAVING = "return hit | 2 | action << 2;"
"""How a table's function tells that its action exits."""
EXPANSION = 16
"""Rows for which a ternary table has room, per entry: ranges take several."""
LARGE = 1 << 16
"""Entries from which on memory is taken as they come."""


class Tables:
    """The tables of a program."""

    def __init__(self, program: Program, layout: Layout, statements: ControlStatements) -> None:
        self._layout = layout
        self._statements = statements
        self._program = program
        self._numbers = {action: number for number, action in enumerate(program.actions)}
        self._profiles = {profile.name: profile for profile in layout.profiles}

    def maps(self) -> Lines:
        """Definitions of the maps of tables and profiles."""
        for table, place in zip(self._program.tables, self._layout.tables, strict=True):
            yield f"/* {table.name} */"
            yield from _table_maps(place)
        if self._program.tables:
            sizes = [self._default_size(*each) for each in zip(self._program.tables, self._layout.tables, strict=True)]
            yield f"ARRAY(defaults, {max(sizes)}, {len(sizes)});"
        for profile in self._program.profiles:
            found = self._profiles[profile.name]
            yield f"/* {profile.name} */"
            yield f"SPARSE({found.members}, 4, {found.record_size}, {max(1, profile.size)});"
            yield f"SPARSE({found.groups}, 4, {4 + 4 * MAXIMUM_GROUP}, {max(1, profile.size)});"

    def key_size(self) -> int:
        """Bytes of the largest key, prefix length or mask number included."""
        return max((place.key_size + 4 for place in self._layout.tables), default=8)

    def record_size(self) -> int:
        return max((place.record_size for place in self._layout.tables), default=8)

    def matching(self, number: int) -> Lines:
        """The callback that looks an entry up with one mask, of ternary tables."""
        place = self._layout.tables[number]
        if place.masks is None:
            return
        yield f"static long match{number}(u32 at, struct walk *walk)"
        yield "{"
        yield "\tstruct state *s = walk->s;"
        yield f"\tconst u8 *mask = bpf_map_lookup_elem(&{place.masks}, &at), *entry;"
        yield "\tif (!mask || *(u32 *)mask <= s->best)"
        yield "\t\treturn 1;"
        yield "\tif (*(u32 *)(mask + 4) == ~0u)"
        yield "\t\treturn 0;"
        yield "\t*(u32 *)s->masked = *(u32 *)(mask + 4);"
        yield f"\tmask_key(s->masked + 4, s->key, mask + 8, {place.key_size});"
        yield f"\tentry = bpf_map_lookup_elem(&{place.entries}, s->masked);"
        yield "\tif (entry && *(u32 *)entry > s->best) {"
        yield "\t\ts->best = *(u32 *)entry;"
        yield f"\t\tcopy_record(s->record, entry + 4, {place.record_size});"
        yield "\t}"
        yield "\treturn 0;"
        yield "}"

    def body(self, number: int) -> Lines:
        """The body of a table's function."""
        table, place = self._program.tables[number], self._layout.tables[number]
        yield "const u8 *record = 0;"
        yield f"u32 own = {number}, hit, action;"
        yield from origin(table.position)
        if table.matched:
            yield from self._lookup(number, table, place)
        yield "hit = record != 0;"
        if table.matched:
            yield "if (hit) {"
            yield from indented(self._on_hit(table, place))
            yield "}"
        yield "if (!record)"
        yield "\trecord = bpf_map_lookup_elem(&defaults, &own);"
        yield "if (!record)"
        yield "\treturn 0;"
        yield "action = *(u32 *)record;"
        yield "switch (action) {"
        for offered in table.actions:
            yield f"case {self._numbers[offered.action]}: {{"
            yield from indented(self._run(offered))
            yield "\tbreak;"
            yield "}"
        yield "}"
        yield "return hit | action << 2;"

    def _lookup(self, number: int, table: Table, place: TableLayout) -> Lines:
        """Sets `record` where an entry is found."""
        lead = 4 if place.kind == "lpm" else 0
        for key, field in zip(table.matched, place.key, strict=True):
            yield from filling(self._statements, key.expression, field, f"s->key + {lead}" if lead else "s->key")
        if place.kind == "ternary":
            yield "s->best = 0;"
            yield "{"
            yield "\tstruct walk walk = {s, skb};"
            yield f"\tbpf_loop({MAXIMUM_MASKS}, match{number}, &walk, 0);"
            yield "}"
            yield "if (s->best)"
            yield "\trecord = (const u8 *)s->record;"
            return
        if lead:
            yield f"*(u32 *)s->key = {8 * place.key_size};"
        yield f"record = bpf_map_lookup_elem(&{place.entries}, s->key);"

    def _on_hit(self, table: Table, place: TableLayout) -> Lines:
        yield "u32 index = *(u32 *)(record + 4);"
        if place.counter:
            yield f"count(bpf_map_lookup_elem(&{place.counter}, &index), s->c.length);"
        if place.last_hit:
            yield f"u64 *last = bpf_map_lookup_elem(&{place.last_hit}, &index);"
            yield "if (last)"
            yield "\t*last = now_ns(s);"
        if place.meter:
            assert table.meter is not None
            unit = "1" if table.meter.unit == "packets" else "s->c.length"
            yield f"struct meter *meter = bpf_map_lookup_elem(&{place.meter}, &index);"
            yield f"s->colour = meter ? colour_of(meter, {unit}, now_ns(s)) : 0;"
            if table.meter_target is not None:
                yield from self._statements.store(table.meter_target, "s->colour")
        if place.profile is not None:
            yield from self._member(table, self._profiles[place.profile])

    def _member(self, table: Table, profile: ProfileLayout) -> Lines:
        """The record of the member that a reference leads to, by a group or directly."""
        selected = [key.expression for key in table.keys if key.kind is MatchKind.SELECTOR]
        algorithm = (table.profile and table.profile.algorithm) or Algorithm.CRC32
        yield "u32 id = *(u32 *)(record + 8);"
        yield "if (*(u32 *)record == 1) {"
        yield f"\tstruct selector_group *group = bpf_map_lookup_elem(&{profile.groups}, &id);"
        if selected:
            yield from indented(self._statements.summing.compute("chosen", algorithm, selected, table.position))
        else:
            yield "\tu64 chosen = 0;"
        yield "\tid = 0;"
        yield "\tif (group && group->count) {"
        # A mask rather than a comparison: 6.1's verifier loses the bounds where clang shifts first.
        yield "\t\tid = group->members[chosen % group->count & (MAXIMUM_GROUP - 1)];"
        yield "\t}"
        yield "}"
        yield f"record = bpf_map_lookup_elem(&{profile.members}, &id);"
        yield "hit = record != 0;"

    def _run(self, offered: TableAction) -> Lines:
        """One action with its data."""
        action = offered.action
        layout = self._layout.actions[self._numbers[action]]
        yield from self._statements.block(offered.before)
        for variable, parameter in zip(action.parameters, layout.parameters, strict=True):
            kind = variable.type
            assert isinstance(kind, Bits | Boolean)
            bits = bits_of(kind)
            place = f"record + {parameter.offset}"
            value = f"*(u{8 * parameter.size} *)({place})"
            if bits > 64:
                value = f"U128(*(u64 *)({place} + 8), *(u64 *)({place}))"
            yield from self._statements.store(variable, value)
        if action.body:
            name = self._statements.names.of(action)
            if may_exit(action.body):
                yield f"if ({name}(s, skb))"
                yield f"\t{LEAVING}"
            else:
                yield f"{name}(s, skb);"
        yield from self._statements.ending(offered.after, LEAVING)

    def _default_size(self, table: Table, place: TableLayout) -> int:
        if table.profile is None:
            return place.record_size
        layouts = [self._layout.actions[self._numbers[each.action]] for each in table.actions]
        ends = [parameter.offset + parameter.size for layout in layouts for parameter in layout.parameters]
        return (max(ends, default=8) + 7) // 8 * 8


def _table_maps(place: TableLayout) -> Iterator[str]:
    size = max(1, place.size)
    if place.key:
        if place.masks:
            yield f"SPARSE({place.entries}, {place.key_size + 4}, {place.record_size + 4}, {size * EXPANSION});"
            yield f"ARRAY({place.masks}, {place.key_size + 8}, {MAXIMUM_MASKS});"
        elif place.kind == "lpm":
            yield f"TRIE({place.entries}, {place.key_size + 4}, {place.record_size}, {size});"
        else:
            kind = "SPARSE" if size > LARGE else "HASH"
            yield f"{kind}({place.entries}, {place.key_size}, {place.record_size}, {size});"
    else:
        yield f"HASH({place.entries}, 4, {place.record_size}, 1);"
    if place.counter:
        yield f"ARRAY({place.counter}, sizeof(struct counter), {size});"
    if place.meter:
        yield f"METERS({place.meter}, {size});"
    if place.last_hit:
        yield f"ARRAY({place.last_hit}, 8, {size});"
