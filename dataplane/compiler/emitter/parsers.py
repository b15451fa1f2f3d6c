"""The parser as C: states are labels, and states that lead back to themselves a loop that the verifier sees end."""

from collections.abc import Iterator, Sequence

from dataplane.compiler.emitter.bytefields import reading
from dataplane.compiler.emitter.numbers import bits_of, computing, literal
from dataplane.compiler.emitter.places import Places, header_size, parts
from dataplane.compiler.emitter.reach import components
from dataplane.compiler.emitter.statements import Lines, Names, Statements, indented, origin
from dataplane.compiler.lowered import (
    Advance,
    Bits,
    Boolean,
    Case,
    Expression,
    Extract,
    Header,
    KeyValue,
    Lookahead,
    Member,
    Place,
    Program,
    Stack,
    State,
    Statement,
    Struct,
    Verify,
    width,
)

ROUNDS = 256
"""Steps that one loop of the parser may take."""
ENDS = ("accept", "reject")


class ParserStatements(Statements):
    """The parser of a program."""

    def __init__(self, program: Program, places: Places, names: Names) -> None:
        super().__init__(places, names)
        self._states = program.states
        self._start = program.start
        self._errors = {name: number for number, name in enumerate(program.errors)}
        self._numbers = {name: number for number, name in enumerate([*ENDS, *program.states])}
        self._loops = [loop for loop in components(program) if loop.repeats]
        self._loop_of = {name: number for number, loop in enumerate(self._loops) for name in loop.states}
        self._inside: int | None = None
        """The loop that is being written."""

    def functions(self) -> Lines:
        """The functions of loops, then `parse`."""
        for number, loop in enumerate(self._loops):
            yield from self._loop(number, loop.states)
        yield "INLINE void parse(struct state *s, struct __sk_buff *skb)"
        yield "{"
        yield from indented(self._go(self._start))
        for name, state in self._states.items():
            if name not in self._loop_of:
                yield from self._state(state)
        for number, loop in enumerate(self._loops):
            yield from self._enter(number, loop.states)
        yield "accept:"
        yield "reject:"
        yield "\treturn;"
        yield "}"

    def statement(self, statement: Statement) -> Lines:
        match statement:
            case Extract(target):
                yield from self._extract(target)
            case Lookahead(target):
                size = (width(target.type) + 7) // 8
                yield "{"
                yield from indented(self._room(size))
                yield from indented(self._look(target, 0))
                yield "}"
            case Advance(bits):
                yield "{"
                yield f"\tu64 at = OFFSET(s), by = {self.expressions.text(bits)};"
                yield "\tif (by & 7) {"
                yield from indented(indented(self._reject("ParserInvalidArgument")))
                yield "\t}"
                yield "\tif (at + (by >> 3) > s->loaded) {"
                yield from indented(indented(self._reject("PacketTooShort")))
                yield "\t}"
                yield "\tOFFSET(s) = at + (by >> 3);"
                yield "}"
            case Verify(condition, error):
                yield f"if (!{self.expressions.text(condition)}) {{"
                yield f"\tPARSER_ERROR(s) = {self.expressions.text(error)};"
                yield from indented(self._go("reject"))
                yield "}"
            case _:
                yield from super().statement(statement)

    # ---- states

    def _state(self, state: State) -> Lines:
        yield f"state_{self._label(state.name)}:;"
        yield from origin(state.position)
        yield from indented(self.block(state.statements))
        yield from indented(self._select(state))

    def _label(self, name: str) -> str:
        return f"{self._numbers[name]}_{''.join(each if each.isalnum() else '_' for each in name)}"

    def _go(self, name: str) -> Lines:
        """On to a state: within a loop as its next step, else directly."""
        if self._inside is not None:
            yield f"s->parser_state = {self._numbers[name]};"
            yield f"return {int(self._loop_of.get(name) != self._inside)};"
        elif name in ENDS:
            yield f"goto {name};"
        elif name in self._loop_of:
            yield f"s->parser_state = {self._numbers[name]};"
            yield f"goto loop_{self._loop_of[name]};"
        else:
            yield f"goto state_{self._label(name)};"

    def _reject(self, error: str) -> Lines:
        yield f"PARSER_ERROR(s) = {self._errors.get(error, self._errors.get('NoMatch', 0))};"
        yield from self._go("reject")

    def _loop(self, number: int, states: Sequence[str]) -> Lines:
        self._inside = number
        yield f"static long parse_loop_{number}(u32 round, struct walk *walk)"
        yield "{"
        yield "\tstruct state *s = walk->s;"
        yield "\tstruct __sk_buff *skb = walk->skb;"
        yield "\tswitch (s->parser_state) {"
        for name in states:
            yield f"\tcase {self._numbers[name]}:"
            yield f"\t\tgoto state_{self._label(name)};"
        yield "\t}"
        yield "\treturn 1;"
        for name in states:
            yield from self._state(self._states[name])
        yield "}"
        self._inside = None

    def _enter(self, number: int, states: Sequence[str]) -> Lines:
        yield f"loop_{number}:"
        yield "\t{"
        yield "\t\tstruct walk walk = {s, skb};"
        yield f"\t\tbpf_loop({ROUNDS}, parse_loop_{number}, &walk, 0);"
        yield "\t}"
        yield "\tswitch (s->parser_state) {"
        leaving = sorted(
            {case.state for name in states for case in self._states[name].transition.cases} - set(states) - set(ENDS)
        )
        for name in leaving:
            yield f"\tcase {self._numbers[name]}:"
            yield from indented(indented(self._go(name)))
        for name in ENDS:
            yield f"\tcase {self._numbers[name]}:"
            yield f"\t\tgoto {name};"
        yield "\t}"
        yield from indented(self._reject("ParserTimeout"))

    def _select(self, state: State) -> Lines:
        keys = [self.temporary() for _ in state.transition.keys]
        yield "{"
        for name, key in zip(keys, state.transition.keys, strict=True):
            yield f"\t{computing(_bits(key))} {name} = {self.expressions.text(key)};"
        for case in state.transition.cases:
            test = " && ".join(self._tests(case, keys, state.transition.keys))
            if not test:
                yield from indented(self._go(case.state))
                break
            yield f"\tif ({test}) {{"
            yield from indented(indented(self._go(case.state)))
            yield "\t}"
        else:
            yield from indented(self._reject("NoMatch"))
        yield "}"

    def _tests(self, case: Case, names: Sequence[str], keys: Sequence[Expression]) -> Iterator[str]:
        for name, key, value in zip(names, keys, case.values, strict=True):
            if value is not None:
                yield from _test(name, value, _bits(key))

    # ---- bytes

    def _room(self, size: int) -> Lines:
        """Declares `at` with `size` bytes behind it."""
        yield "u64 at = OFFSET(s);"
        yield "OPAQUE(at);"
        yield f"if (at > FRONT_LIMIT - {size} || at + {size} > s->loaded) {{"
        yield from indented(self._reject("PacketTooShort"))
        yield "}"

    def _extract(self, target: Place) -> Lines:
        kind = target.type
        if isinstance(kind, Stack):
            yield from self._extract_next(target, kind)
            return
        assert isinstance(kind, Header)
        size = header_size(kind)
        found = self.places.locate(target)
        filling = [f"copy({found.data}.words, s->front + at, {size});", f"{found.valid} = 1;"]
        yield "{"
        yield from indented(self._room(size))
        yield from indented(self.within(found, iter(filling)))
        yield f"\tOFFSET(s) = at + {size};"
        yield "}"

    def _extract_next(self, target: Place, kind: Stack) -> Lines:
        size = header_size(kind.element)
        found = self.places.locate(target)
        yield "{"
        yield f"\tu64 next = {found.valid}.next;"
        yield "\tOPAQUE(next);"
        yield f"\tif (next >= {kind.size}) {{"
        yield from indented(indented(self._reject("StackOutOfBounds")))
        yield "\t}"
        yield from indented(self._room(size))
        yield f"\tcopy({found.data}.at[next].words, s->front + at, {size});"
        yield f"\t{found.valid}.at[next] = 1;"
        yield f"\t{found.valid}.next = next + 1;"
        yield f"\tOFFSET(s) = at + {size};"
        yield "}"

    def _look(self, target: Place, offset: int) -> Lines:
        """Fills a place with bits from `offset` on behind `at`."""
        kind = target.type
        if isinstance(kind, Bits | Boolean):
            bits = bits_of(kind)
            yield from self.store(target, f"({computing(bits)}){reading('s->front + at', offset, bits)}")
        elif isinstance(kind, Struct):
            for part in parts(target):
                yield from self._look(part, offset)
                offset += width(part.type)
        elif isinstance(kind, Header):
            for field in kind.fields:
                yield from self._look(Member(target, field.name, field.type), offset)
                offset += width(field.type)
            yield f"{self.places.locate(target).valid} = 1;"
        else:
            raise AssertionError(kind)


def _bits(key: Expression) -> int:
    kind = key.type
    assert isinstance(kind, Bits | Boolean)
    return bits_of(kind)


def _test(name: str, value: KeyValue, bits: int) -> Iterator[str]:
    full = (1 << bits) - 1
    if value.high is not None:
        yield f"{name} >= {literal(value.value, bits)} && {name} <= {literal(value.high, bits)}"
    elif value.mask & full == full:
        yield f"{name} == {literal(value.value, bits)}"
    elif value.mask:
        yield f"({name} & {literal(value.mask, bits)}) == {literal(value.value & value.mask, bits)}"
