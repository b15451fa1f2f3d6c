"""Statements as C.

Every block becomes the body of a C function `u32 name(struct state *s, struct __sk_buff *skb)` that returns 1 where the
program exits. A line `// file:line` tells where in the P4 source the C behind it comes from (`clang` reads it).
"""

from collections.abc import Iterator

from dataplane.compiler.emitter.bytefields import writing
from dataplane.compiler.emitter.expressions import Expressions
from dataplane.compiler.emitter.numbers import bits_of, computing, literal
from dataplane.compiler.emitter.places import Located, Places, header_size, parts
from dataplane.compiler.errors import NOWHERE, Position
from dataplane.compiler.lowered import (
    Apply,
    Assign,
    Bits,
    Block,
    Boolean,
    Call,
    Conditional,
    Exit,
    Header,
    If,
    MarkToDrop,
    Place,
    Push,
    Read,
    Return,
    SetValidity,
    Stack,
    Statement,
    Struct,
    Switch,
    statements,
)

Lines = Iterator[str]


def indented(lines: Lines) -> Lines:
    for line in lines:
        yield line if line.startswith(("//", "#")) else f"\t{line}"


def origin(position: Position) -> Lines:
    if position != NOWHERE and position.file:
        yield f"// {position.file}:{position.line}"


class Statements:
    """Statements that controls, parsers and deparsers share; the others are in the classes that derive from it."""

    def __init__(self, places: Places, names: "Names") -> None:
        self.places = places
        self.expressions = Expressions(places)
        self.names = names
        self._temporaries = 0
        self._leaving = "return 1;"
        """What an `Exit` is in C: the function's value says so to its caller."""

    def block(self, block: Block) -> Lines:
        """All statements of a block."""
        for statement in block:
            yield from origin(getattr(statement, "position", NOWHERE))
            yield from self.statement(statement)

    def ending(self, block: Block, leaving: str) -> list[str]:
        """All statements of a block where an `Exit` is other C than elsewhere."""
        usual, self._leaving = self._leaving, leaving
        try:
            return list(self.block(block))
        finally:
            self._leaving = usual

    def statement(self, statement: Statement) -> Lines:
        """One statement; raises `AssertionError` for one that has no place in this kind of block."""
        match statement:
            case Assign():
                yield from self._assign(statement)
            case SetValidity(header, valid):
                found = self.places.locate(header)
                yield from self.within(found, iter([f"{found.valid} = {int(valid)};"]))
            case Push(stack, count):
                yield from self._push(stack, count)
            case If(condition, then, otherwise):
                yield f"if ({self.expressions.text(condition)}) {{"
                yield from indented(self.block(then))
                if otherwise:
                    yield "} else {"
                    yield from indented(self.block(otherwise))
                yield "}"
            case Switch():
                yield from self._switch(statement)
            case Call(function):
                yield from self._call(self.names.of(function), may_exit(function.body))
            case Return():
                yield "return 0;"
            case Exit():
                yield self._leaving
            case MarkToDrop():
                yield "MARK_TO_DROP(s);"
            case _:
                raise AssertionError(f"{type(statement).__name__} has no place here")

    def store(self, place: Place, value: str, bits: tuple[int, int] | None = None) -> Lines:
        """Sets a number: the C expression's upper bits are zero."""
        kind = place.type
        assert isinstance(kind, Bits | Boolean), place
        found = self.places.locate(place)
        yield from self.within(found, self._store(found, value, bits_of(kind), bits))

    def within(self, found: Located, lines: Lines) -> Lines:
        """The lines, where the index that the place needs (if any) is within bounds."""
        index = found.index
        if index is None:
            yield from lines
            return
        yield "{"
        yield f"\t{self.expressions.declared(index)}"
        yield f"\tif ({index.name} < {index.size}) {{"
        yield from indented(indented(lines))
        yield "\t}"
        yield "}"

    def temporary(self) -> str:
        """A fresh name of a C variable."""
        self._temporaries += 1
        return f"t{self._temporaries}"

    # ---- assignments

    def _assign(self, statement: Assign) -> Lines:
        target, value = statement.target, statement.value
        if isinstance(target.type, Bits | Boolean):
            yield from self.store(target, self.expressions.text(value), statement.bits)
        elif isinstance(value, Conditional):
            yield f"if ({self.expressions.text(value.condition)}) {{"
            yield from indented(self._assign(Assign(target, value.then)))
            yield "} else {"
            yield from indented(self._assign(Assign(target, value.otherwise)))
            yield "}"
        else:
            assert isinstance(value, Read), value
            yield from self.copy(target, value.place)

    def copy(self, target: Place, source: Place) -> Lines:
        """A whole header, struct or stack."""
        kind = target.type
        to, origin_ = self.places.locate(target), self.places.locate(source)
        match kind:
            case Struct():
                for one, other in zip(parts(target), parts(source), strict=True):
                    yield from self._assign(Assign(one, Read(other, other.type)))
            case Header():
                yield from self.within(to, self._copy_header(to, origin_, kind))
            case Stack(element, size):
                yield f"{to.valid}.next = {origin_.valid}.next;"
                for place in range(size):
                    pair = [Located(f"{each.data}.at[{place}]", f"{each.valid}.at[{place}]") for each in (to, origin_)]
                    yield from self._copy_header(pair[0], pair[1], element)
            case _:
                raise AssertionError(kind)

    def _copy_header(self, to: Located, source: Located, kind: Header) -> Lines:
        copying = [
            f"copy({to.data}.words, {source.data}.words, {header_size(kind)});",
            f"{to.valid} = {source.valid};",
        ]
        if source.index is None:
            yield from copying
            return
        yield from self.within(source, iter(copying))
        yield f"if ({self.expressions.text(source.index.expression)} >= {source.index.size})"
        yield f"\t{to.valid} = 0;"

    def _store(self, found: Located, value: str, width: int, part: tuple[int, int] | None) -> Lines:
        kept = computing(width)
        if found.bits is None:
            if part is not None:
                high, low = part
                keep = literal(~(((1 << (high - low + 1)) - 1) << low), width)
                value = f"({found.data} & {keep}) | (({kept}){value} << {low})"
            yield f"{found.data} = {value};"
            return
        offset, bits = found.bits
        if part is not None:
            high, low = part
            offset, bits = offset + bits - 1 - high, high - low + 1
        name = self.temporary()
        yield "{"
        yield f"\t{computing(bits)} {name} = {value};"
        yield from indented(writing(f"(u8 *){found.data}", offset, bits, name))
        yield "}"

    def _push(self, stack: Place, count: int) -> Lines:
        """Elements move by `count`; those that come in are invalid (P4_16 section 8.18)."""
        kind = stack.type
        assert isinstance(kind, Stack)
        found, size = self.places.locate(stack), kind.size
        order = range(size - 1, -1, -1) if count > 0 else range(size)
        for place in order:
            source = place - count
            if 0 <= source < size:
                words = f"{found.data}.at[{place}].words, {found.data}.at[{source}].words"
                yield f"copy({words}, {header_size(kind.element)});"
                yield f"{found.valid}.at[{place}] = {found.valid}.at[{source}];"
            else:
                yield f"{found.valid}.at[{place}] = 0;"
        following = f"{found.valid}.next"
        if count > 0:
            yield f"{following} = {following} + {count} > {size} ? {size} : {following} + {count};"
        else:
            yield f"{following} = {following} > {-count} ? {following} - {-count} : 0;"

    # ---- control flow

    def _switch(self, statement: Switch) -> Lines:
        name = self.temporary()
        kind = statement.value.type
        assert isinstance(kind, Bits | Boolean)
        bits = bits_of(kind)
        yield "{"
        yield f"\t{computing(bits)} {name} = {self.expressions.text(statement.value)};"
        lead = "\t"
        for values, block in statement.cases:
            test = " || ".join(f"{name} == {literal(value, bits)}" for value in values)
            yield f"{lead}if ({test}) {{"
            yield from indented(indented(self.block(block)))
            lead = "\t} else "
        if statement.default:
            yield f"{lead}{{"
            yield from indented(indented(self.block(statement.default)))
            lead = "\t}"
        elif statement.cases:
            lead = "\t}"
        yield lead
        yield "}"

    def _call(self, name: str, exits: bool) -> Lines:
        if exits:
            yield f"if ({name}(s, skb))"
            yield "\treturn 1;"
        else:
            yield f"{name}(s, skb);"


class Names:
    """C names of a program's objects."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._kept: list[object] = []

    def give(self, what: object, prefix: str, label: str) -> str:
        """A name for an object; the label is for readers."""
        plain = "".join(each if each.isalnum() and each.isascii() else "_" for each in label)
        name = f"{prefix}{len(self._names)}_{plain}"
        self._names[id(what)] = name
        self._kept.append(what)
        return name

    def of(self, what: object) -> str:
        return self._names[id(what)]


def may_exit(block: Block) -> bool:
    """Whether a block can end ingress or egress; tables are asked for their actions."""
    for statement in statements(block):
        match statement:
            case Exit():
                return True
            case Call(function) if may_exit(function.body):
                return True
            case _ if table_may_exit(statement):
                return True
    return False


def table_may_exit(statement: Statement) -> bool:
    return isinstance(statement, Apply) and any(
        may_exit(block) for each in statement.table.actions for block in (each.before, each.action.body, each.after)
    )
