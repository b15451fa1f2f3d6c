"""Statements of controls: tables, externs, what becomes of the packet."""

from dataplane.compiler.emitter.bitstrings import packing_member
from dataplane.compiler.emitter.numbers import bits_of, computing, literal, storage
from dataplane.compiler.emitter.places import Places
from dataplane.compiler.emitter.statements import Lines, Names, Statements, indented, may_exit
from dataplane.compiler.emitter.sums import Summing
from dataplane.compiler.layout import Layout
from dataplane.compiler.layouts import map_of, members
from dataplane.compiler.lowered import (
    Apply,
    Bits,
    Boolean,
    Checksum,
    Clone,
    Count,
    Digest,
    DirectCount,
    ExecuteMeter,
    Expression,
    Hash,
    Place,
    Program,
    Random,
    ReadDirectMeter,
    ReadRegister,
    Recirculate,
    Resubmit,
    Statement,
    Truncate,
    WriteRegister,
)


class ControlStatements(Statements):
    """Statements of the checksum, ingress and egress controls."""

    def __init__(self, program: Program, layout: Layout, places: Places, names: Names) -> None:
        super().__init__(places, names)
        self._program = program
        self._layout = layout
        self.summing = Summing(self)
        self.field_lists: list[tuple[Place, ...]] = []

    def statement(self, statement: Statement) -> Lines:
        match statement:
            case Apply():
                yield from self._apply(statement)
            case Checksum():
                yield from self._checksum(statement)
            case Hash():
                yield from self._hash(statement)
            case Random():
                yield from self._random(statement)
            case Count(counter, index):
                name = map_of(self._program, counter)
                yield from self._looked_up("struct counter", name, index, iter(["count(found, s->c.length);"]))
            case DirectCount():
                return  # counted at every hit
            case ExecuteMeter(meter, index, target):
                unit = "1" if meter.unit == "packets" else "s->c.length"
                colour = iter([f"colour = colour_of(found, {unit}, now_ns(s));"])
                yield "{"
                yield "\tu32 colour = 0;"
                yield from indented(self._looked_up("struct meter", map_of(self._program, meter), index, colour))
                yield from indented(self.store(target, "colour"))
                yield "}"
            case ReadDirectMeter(_, target):
                yield from self.store(target, "s->colour")
            case ReadRegister(target, register, index):
                yield from self._read_register(target, map_of(self._program, register), register.type, index)
            case WriteRegister(register, index, value):
                setting = iter([f"*found = {self.expressions.text(value)};"])
                kind = storage(register.type.width)
                yield from self._looked_up(kind, map_of(self._program, register), index, setting)
            case Digest(digest, data):
                yield from self._digest(self._program.digests.index(digest), data)
            case Clone(_, session, preserve):
                yield f"s->c.clone_session = {self.expressions.text(session)};"
                yield f"s->c.clone_list = {self._field_list(preserve)};"
            case Resubmit(preserve):
                yield f"s->c.resubmit_list = {self._field_list(preserve)};"
            case Recirculate(preserve):
                yield f"s->c.recirculate_list = {self._field_list(preserve)};"
            case Truncate(length):
                yield f"s->c.truncate = {self.expressions.text(length)};"
            case _:
                yield from super().statement(statement)

    def _field_list(self, preserve: tuple[Place, ...]) -> int:
        """Number of a field list, from 1 on."""
        if preserve not in self.field_lists:
            self.field_lists.append(preserve)
        return self.field_lists.index(preserve) + 1

    def _apply(self, statement: Apply) -> Lines:
        """The table's function returns `hit`, plus 2 for an exit, plus 4 times the number of the action."""
        name = self.names.of(statement.table)
        exits = any(
            may_exit(block) for each in statement.table.actions for block in (each.before, each.action.body, each.after)
        )
        if not (statement.hit or statement.action_run or exits):
            yield f"{name}(s, skb);"
            return
        result = self.temporary()
        yield "{"
        yield f"\tu32 {result} = {name}(s, skb);"
        if exits:
            yield f"\tif ({result} & 2)"
            yield "\t\treturn 1;"
        if statement.hit:
            yield from indented(self.store(statement.hit, f"({result} & 1)"))
        if statement.action_run:
            yield from indented(self.store(statement.action_run, f"({result} >> 2)"))
        yield "}"

    # ---- externs

    def _looked_up(self, kind: str, name: str, index: Expression, then: Lines) -> Lines:
        """`then` with `found`, a pointer to the element of an array at an index, if there is one."""
        text = self.expressions.text(index)
        yield "{"
        yield f"\tu32 at = {f'index_of({text})' if _wide(index) else text};"
        yield f"\t{kind} *found = bpf_map_lookup_elem(&{name}, &at);"
        yield "\tif (found) {"
        yield from indented(indented(then))
        yield "\t}"
        yield "}"

    def _read_register(self, target: Place, name: str, kind: Bits, index: Expression) -> Lines:
        value = self.temporary()
        yield "{"
        yield f"\t{computing(kind.width)} {value} = 0;"
        reading = iter([f"{value} = *found;"])
        yield from indented(self._looked_up(storage(kind.width), name, index, reading))
        yield from indented(self.store(target, value))
        yield "}"

    def _checksum(self, statement: Checksum) -> Lines:
        result = self.temporary()
        yield f"if ({self.expressions.text(statement.condition)}) {{"
        lines = self.summing.compute(result, statement.algorithm, statement.data, statement.position, statement.payload)
        yield from indented(lines)
        if statement.target is not None:
            yield from indented(self.store(statement.target, _cut(result, statement.target)))
        if statement.expected is not None:
            kind = statement.expected.type
            assert isinstance(kind, Bits | Boolean)
            expected = self.expressions.text(statement.expected)
            yield f"\tif (({computing(bits_of(kind))}){_cut_bits(result, bits_of(kind))} != {expected})"
            yield "\t\tSET_CHECKSUM_ERROR(s);"
        yield "}"

    def _hash(self, statement: Hash) -> Lines:
        result = self.temporary()
        kind = statement.target.type
        assert isinstance(kind, Bits | Boolean)
        kept = computing(max(33, bits_of(kind)))
        yield "{"
        yield from indented(self.summing.compute(result, statement.algorithm, statement.data, statement.position))
        yield f"\t{kept} {result}m = {self.expressions.text(statement.maximum)};"
        yield f"\t{kept} {result}b = {self.expressions.text(statement.base)};"
        remainder = f"modulo128({result}, {result}m)" if kept == "u128" else f"{result} % {result}m"
        yield f"\t{result}b += {result}m ? {remainder} : 0;"
        yield from indented(self.store(statement.target, _cut(f"{result}b", statement.target)))
        yield "}"

    def _random(self, statement: Random) -> Lines:
        low, high, result = self.temporary(), self.temporary(), self.temporary()
        kind = statement.target.type
        assert isinstance(kind, Bits | Boolean)
        yield "{"
        yield f"\tu64 {low} = {self.expressions.text(statement.low)};"
        yield f"\tu64 {high} = {self.expressions.text(statement.high)};"
        draw = "bpf_get_prandom_u32()"
        yield f"\tu64 {result} = {draw if bits_of(kind) <= 32 else f'((u64){draw} << 32) | {draw}'};"
        yield f"\tu64 {result}n = {high} - {low} + 1;"
        yield f"\t{result} = {high} < {low} ? {low} : {low} + ({result}n ? {result} % {result}n : {result});"
        yield from indented(self.store(statement.target, _cut(result, statement.target)))
        yield "}"

    def _digest(self, number: int, data: Expression) -> Lines:
        layout = self._layout.digests[number]
        size = 4 + sum(member.size for member in layout.members)
        self.summing.scratch = max(self.summing.scratch, size)
        assert len(members(data.type)) == len(layout.members)
        yield f"*(u32 *)s->scratch = {number};"
        yield from packing_member(self, data, layout.members, "s->scratch + 4")
        yield f"bpf_ringbuf_output(&digests, s->scratch, {size}, 0);"


def _wide(index: Expression) -> bool:
    kind = index.type
    return isinstance(kind, Bits) and kind.width > 32


def _cut(name: str, target: Place) -> str:
    kind = target.type
    assert isinstance(kind, Bits | Boolean)
    return _cut_bits(name, bits_of(kind))


def _cut_bits(name: str, bits: int) -> str:
    return f"({name} & {literal(-1, bits)})" if bits < 64 else name
