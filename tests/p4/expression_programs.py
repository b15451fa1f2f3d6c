"""Random well-typed P4 expressions, each with its own evaluation, and programs that are made of many of them."""

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

MAXIMUM_WIDTH = 128
WIDTHS = st.one_of(
    st.sampled_from([1, 7, 8, 9, 16, 31, 32, 33, 48, 63, 64, 65, 127, 128]), st.integers(1, MAXIMUM_WIDTH)
)


@dataclass(frozen=True)
class Kind:
    """A type: `bit<width>`, `int<width>`, or `bool` (width 0)."""

    width: int
    signed: bool = False

    def __str__(self):
        if not self.width:
            return "bool"
        return f"{'int' if self.signed else 'bit'}<{self.width}>"

    @property
    def bits(self):
        return self.width or 1

    def fit(self, value):
        value &= (1 << self.bits) - 1
        if self.signed and value >> (self.width - 1):
            value -= 1 << self.width
        return value

    def pattern(self, value):
        return value & ((1 << self.bits) - 1)

    @property
    def least(self):
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def most(self):
        return (1 << (self.width - self.signed)) - 1


BOOL = Kind(0)
KINDS = st.builds(Kind, WIDTHS, st.booleans())


@dataclass(frozen=True)
class Expression:
    """P4 text in parentheses, and its value over the values of the inputs."""

    text: str
    kind: Kind
    value: Callable


def literal(kind, value):
    if kind == BOOL:
        text = "true" if value else "false"
    elif value < 0:
        # The least number has no positive literal of its width: its complement does.
        text = f"(~{kind.width}s{~value})"
    else:
        text = f"{kind.width}{'s' if kind.signed else 'w'}{value}"
    return Expression(text, kind, lambda env: value)


def literals(kind):
    if kind == BOOL:
        return st.booleans().map(lambda value: literal(kind, int(value)))
    edges = st.sampled_from(sorted({kind.least, kind.most, 0, kind.fit(1), kind.fit(-1)}))
    return st.one_of(edges, st.integers(kind.least, kind.most)).map(lambda value: literal(kind, value))


ARITHMETIC = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "&": lambda left, right: left & right,
    "|": lambda left, right: left | right,
    "^": lambda left, right: left ^ right,
}
SATURATING = {"|+|": lambda left, right: left + right, "|-|": lambda left, right: left - right}
COMPARISONS = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


@st.composite
def expressions(draw, kind, inputs, depth):
    """An expression of a type over inputs (name to kind)."""
    choices = ["literal", "input", "input"]
    if depth:
        choices += ["conditional"]
        choices += (
            ["compare", "compare", "logic", "not", "boolean"]
            if kind == BOOL
            else ["arithmetic", "arithmetic", "saturating", "unary", "shift", "shift", "cast", "slice", "concatenate"]
        )
    return draw(RULES[draw(st.sampled_from(choices))](kind, inputs, depth - 1))


@st.composite
def _input(draw, kind, inputs, depth):
    """An input, converted where its type is another."""
    name = draw(st.sampled_from(sorted(inputs)))
    given = Expression(f"hdr.inputs.{name}", inputs[name], lambda env: env[name])
    if kind == BOOL:
        if given.kind.width == 1 and not given.kind.signed and draw(st.booleans()):
            return Expression(f"((bool) {given.text})", BOOL, given.value)
        zero = literal(given.kind, 0)
        return Expression(f"({given.text} != {zero.text})", BOOL, lambda env: int(env[name] != 0))
    return converted(given, kind)


def converted(given, kind):
    """Casts a number: first its width, then its sign, as P4_16 demands."""
    found = given
    if found.kind.width != kind.width:
        found = _cast(found, Kind(kind.width, found.kind.signed))
    if found.kind.signed != kind.signed:
        found = _cast(found, kind)
    return found


def _cast(given, kind):
    return Expression(f"(({kind}) {given.text})", kind, lambda env: kind.fit(given.value(env)))


@st.composite
def _binary(draw, kind, inputs, depth, table, result):
    operator = draw(st.sampled_from(sorted(table)))
    left, right = (draw(expressions(kind, inputs, depth)) for _ in range(2))
    compute = table[operator]
    return Expression(
        f"({left.text} {operator} {right.text})", kind, lambda env: result(compute(left.value(env), right.value(env)))
    )


def _arithmetic(kind, inputs, depth):
    return _binary(kind, inputs, depth, ARITHMETIC, kind.fit)


def _saturating(kind, inputs, depth):
    return _binary(kind, inputs, depth, SATURATING, lambda value: max(kind.least, min(kind.most, value)))


@st.composite
def _unary(draw, kind, inputs, depth):
    operator = draw(st.sampled_from(["-", "~"]))
    operand = draw(expressions(kind, inputs, depth))
    if operator == "-":
        return Expression(f"(-{operand.text})", kind, lambda env: kind.fit(-operand.value(env)))
    return Expression(f"(~{operand.text})", kind, lambda env: kind.fit(~operand.value(env)))


@st.composite
def _shift(draw, kind, inputs, depth):
    operator = draw(st.sampled_from(["<<", ">>"]))
    operand = draw(expressions(kind, inputs, depth))
    if draw(st.booleans()):
        number = draw(st.integers(0, kind.width + 3))
        amount = Expression(str(number), kind, lambda env: number)
    else:
        amount = draw(expressions(Kind(draw(st.sampled_from([3, 5, 8, 32, 64, 128]))), inputs, depth))

    def value(env):
        by = min(amount.value(env), 2 * MAXIMUM_WIDTH)
        number = operand.value(env)
        return kind.fit(number << by if operator == "<<" else number >> by)

    return Expression(f"({operand.text} {operator} {amount.text})", kind, value)


@st.composite
def _cast_from(draw, kind, inputs, depth):
    """From another width, another sign, or a boolean."""
    if kind == Kind(1) and draw(st.booleans()):
        operand = draw(expressions(BOOL, inputs, depth))
        return Expression(f"((bit<1>) {operand.text})", kind, operand.value)
    if draw(st.booleans()):
        return _cast(draw(expressions(Kind(draw(WIDTHS), kind.signed), inputs, depth)), kind)
    return _cast(draw(expressions(Kind(kind.width, not kind.signed), inputs, depth)), kind)


@st.composite
def _slice(draw, kind, inputs, depth):
    of = Kind(draw(st.integers(kind.width, MAXIMUM_WIDTH)), draw(st.booleans()))
    low = draw(st.integers(0, of.width - kind.width))
    high = low + kind.width - 1
    operand = draw(expressions(of, inputs, depth))
    plain = Kind(kind.width)
    found = Expression(
        f"({operand.text}[{high}:{low}])", plain, lambda env: plain.fit(of.pattern(operand.value(env)) >> low)
    )
    return converted(found, kind)


@st.composite
def _concatenate(draw, kind, inputs, depth):
    if kind.width == 1:
        return draw(literals(kind))
    right_width = draw(st.integers(1, kind.width - 1))
    left = draw(expressions(Kind(kind.width - right_width), inputs, depth))
    right = draw(expressions(Kind(right_width), inputs, depth))
    found = Expression(
        f"({left.text} ++ {right.text})",
        Kind(kind.width),
        lambda env: left.value(env) << right_width | right.value(env),
    )
    return converted(found, kind)


@st.composite
def _conditional(draw, kind, inputs, depth):
    condition = draw(expressions(BOOL, inputs, depth))
    then, otherwise = (draw(expressions(kind, inputs, depth)) for _ in range(2))
    return Expression(
        f"({condition.text} ? {then.text} : {otherwise.text})",
        kind,
        lambda env: then.value(env) if condition.value(env) else otherwise.value(env),
    )


@st.composite
def _compare(draw, kind, inputs, depth):
    of = draw(KINDS)
    operator = draw(st.sampled_from(sorted(COMPARISONS)))
    left, right = (draw(expressions(of, inputs, depth)) for _ in range(2))
    compute = COMPARISONS[operator]
    return Expression(
        f"({left.text} {operator} {right.text})", BOOL, lambda env: int(compute(left.value(env), right.value(env)))
    )


@st.composite
def _logic(draw, kind, inputs, depth):
    operator = draw(st.sampled_from(["&&", "||", "==", "!="]))
    left, right = (draw(expressions(BOOL, inputs, depth)) for _ in range(2))
    compute = {
        "&&": lambda one, other: one and other,
        "||": lambda one, other: one or other,
        "==": lambda one, other: int(one == other),
        "!=": lambda one, other: int(one != other),
    }[operator]
    return Expression(
        f"({left.text} {operator} {right.text})", BOOL, lambda env: compute(left.value(env), right.value(env))
    )


@st.composite
def _not(draw, kind, inputs, depth):
    operand = draw(expressions(BOOL, inputs, depth))
    return Expression(f"(!{operand.text})", BOOL, lambda env: 1 - operand.value(env))


@st.composite
def _boolean(draw, kind, inputs, depth):
    operand = draw(expressions(Kind(1), inputs, depth))
    return Expression(f"((bool) {operand.text})", BOOL, operand.value)


RULES = {
    "literal": lambda kind, inputs, depth: literals(kind),
    "input": _input,
    "arithmetic": _arithmetic,
    "saturating": _saturating,
    "unary": _unary,
    "shift": _shift,
    "cast": _cast_from,
    "slice": _slice,
    "concatenate": _concatenate,
    "conditional": _conditional,
    "compare": _compare,
    "logic": _logic,
    "not": _not,
    "boolean": _boolean,
}


@dataclass(frozen=True)
class ExpressionProgram:
    """A program that reads the inputs from the packet and answers with every expression's value."""

    inputs: dict[str, Kind]
    expressions: list[Expression]

    @property
    def text(self):
        outputs = {f"r{index}": each.kind for index, each in enumerate(self.expressions)}
        assignments = "\n".join(
            f"        hdr.outputs.r{index} = {each.text};" for index, each in enumerate(self.expressions)
        )
        if "pad;" in _members(outputs):
            assignments += "\n        hdr.outputs.pad = 0;"
        return TEMPLATE % {
            "inputs": _members(self.inputs),
            "outputs": _members(outputs),
            "assignments": assignments,
        }

    def packet(self, values):
        return _packed([(self.inputs[name].pattern(values[name]), self.inputs[name].bits) for name in self.inputs])

    def answer(self, values):
        return _packed([(each.kind.pattern(each.value(values)), each.kind.bits) for each in self.expressions])


def _members(kinds):
    lines = [f"    {kind} {name};" for name, kind in kinds.items()]
    pad = -sum(kind.bits for kind in kinds.values()) % 8
    return "\n".join([*lines, f"    bit<{pad}> pad;"] if pad else lines)


def _packed(parts):
    total = size = 0
    for value, width in parts:
        total, size = total << width | value, size + width
    pad = -size % 8
    return (total << pad).to_bytes((size + pad) // 8)


TEMPLATE = """
#include <core.p4>
#include <v1model.p4>

header inputs_t {
%(inputs)s
}

header outputs_t {
%(outputs)s
}

struct headers { inputs_t inputs; outputs_t outputs; }
struct metadata { }

parser P(packet_in packet, out headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    state start { packet.extract(hdr.inputs); transition accept; }
}
control V(inout headers hdr, inout metadata meta) { apply { } }
control I(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    apply {
        standard_metadata.egress_spec = 1;
        hdr.outputs.setValid();
%(assignments)s
        hdr.inputs.setInvalid();
    }
}
control E(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) { apply { } }
control D(packet_out packet, in headers hdr) { apply { packet.emit(hdr); } }
V1Switch(P(), V(), I(), E(), V(), D()) main;
"""


@st.composite
def programs(draw, count, depth=4):
    """A program of so many expressions over eight inputs."""
    inputs = {f"a{index}": draw(KINDS) for index in range(8)}
    kinds = st.one_of(KINDS, KINDS, KINDS, st.just(BOOL))
    return ExpressionProgram(
        inputs, [draw(expressions(draw(kinds), inputs, draw(st.integers(1, depth)))) for _ in range(count)]
    )


def values(program, random):
    """Values of the inputs: edges as often as any others."""
    found = {}
    for name, kind in program.inputs.items():
        edge = random.choice([kind.least, kind.most, 0, kind.fit(1), kind.fit(-1), kind.fit(random.getrandbits(8))])
        found[name] = random.choice([edge, kind.fit(random.getrandbits(kind.width))])
    return found
