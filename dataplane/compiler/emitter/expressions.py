"""Expressions as C: each gives a number with its upper bits zero, of the type to compute with."""

from dataplane.compiler.emitter.bytefields import reading
from dataplane.compiler.emitter.numbers import bits_of, computing, literal, masked, widened
from dataplane.compiler.emitter.places import Index, Located, Places, header_size, parts
from dataplane.compiler.lowered import (
    STANDARD,
    Binary,
    BinaryOperator,
    Bits,
    Boolean,
    Cast,
    Concatenation,
    Conditional,
    Constant,
    Expression,
    Header,
    IsValid,
    Member,
    NextIndex,
    Place,
    Read,
    Slice,
    Stack,
    Struct,
    Unary,
    UnaryOperator,
    Variable,
)

O = BinaryOperator  # noqa: E741
LOGIC = {O.LOGICAL_AND: "&&", O.LOGICAL_OR: "||"}
COMPARISONS = {O.EQUAL, O.UNEQUAL, O.LESS, O.LESS_EQUAL, O.GREATER, O.GREATER_EQUAL}
BITWISE = {O.AND, O.OR, O.XOR}
WRAPPING = {O.ADD, O.SUBTRACT}
SHIFTS = {O.SHIFT_LEFT, O.SHIFT_RIGHT}
CALLS = {
    (O.DIVIDE, False): "divide",
    (O.MODULO, False): "modulo",
}
SIZED_CALLS = {
    (O.ADD_SATURATING, False): "add_saturating",
    (O.ADD_SATURATING, True): "add_signed_saturating",
    (O.SUBTRACT_SATURATING, False): "subtract_saturating",
    (O.SUBTRACT_SATURATING, True): "subtract_signed_saturating",
    (O.SHIFT_LEFT, False): "shift_left",
    (O.SHIFT_LEFT, True): "shift_left",
    (O.SHIFT_RIGHT, False): "shift_right",
    (O.SHIFT_RIGHT, True): "shift_arithmetic",
}
TIMES = {"ingress_global_timestamp": "now_us(s)"}
"""Members of the standard metadata that are read from the clock, at first reading."""


class Expressions:
    """Expressions of one program."""

    def __init__(self, places: Places) -> None:
        self.places = places

    def text(self, expression: Expression) -> str:
        """The C expression of a number or boolean."""
        match expression:
            case Constant(value, kind):
                return literal(value, bits_of(kind))
            case Read(place):
                return self._read(place)
            case Unary(operator, operand, kind):
                return self._unary(operator, operand, bits_of(kind))
            case Binary():
                return self._binary(expression)
            case Slice(operand, high, low):
                return self._slice(operand, high, low)
            case Concatenation(left, right, kind):
                kept = computing(kind.width)
                shifted = f"(({kept}){self.text(left)} << {bits_of(_scalar(right))})"
                return f"({shifted} | {self.text(right)})"
            case Cast(operand, kind):
                return self._cast(operand, kind)
            case Conditional(condition, then, otherwise, kind):
                assert isinstance(kind, Bits | Boolean)
                kept = computing(bits_of(kind))
                return f"({self.text(condition)} ? ({kept}){self.text(then)} : ({kept}){self.text(otherwise)})"
            case IsValid(header):
                found = self.places.locate(header)
                return self.guarded(found.index, found.valid)
            case NextIndex(stack):
                return f"{self.places.locate(stack).valid}.next"

    def guarded(self, index: Index | None, text: str) -> str:
        """A C expression whose place needs an index: zero where that is out of bounds."""
        if index is None:
            return text
        return f"({{ {self.declared(index)} {index.name} < {index.size} ? {text} : 0; }})"

    def declared(self, index: Index) -> str:
        """C statements that declare an index, whose bounds are to be checked after."""
        value = self.text(index.expression)
        if bits_of(_scalar(index.expression)) > 64:
            value = f"index_of({value})"
        return f"u64 {index.name} = {value}; OPAQUE({index.name});"

    def equal(self, left: Expression, right: Expression) -> str:
        """Whether two values of one type, whole headers and structs too, are the same."""
        kind = left.type
        if isinstance(kind, Bits | Boolean):
            return f"({self.text(left)} == {self.text(right)})"
        assert isinstance(left, Read) and isinstance(right, Read)
        return self._same(left.place, right.place)

    # ---- places

    def _read(self, place: Place) -> str:
        match place:
            case Member(Variable(name), member) if name == STANDARD and member in TIMES:
                return TIMES[member]
        found = self.places.locate(place)
        assert isinstance(place.type, Bits | Boolean), place
        bits = bits_of(place.type)
        return self.guarded(found.index, f"({computing(bits)}){self.value(found, bits)}")

    def value(self, found: Located, bits: int) -> str:
        """The number at a place, its index (if any) being checked already."""
        if found.bits is None:
            return found.data
        base = f"(u8 *){found.data}"
        return reading(base, *found.bits)

    def _same(self, left: Place, right: Place) -> str:
        kind = left.type
        if isinstance(kind, Struct):
            pairs = zip(parts(left), parts(right), strict=True)
            tests = [self.equal(Read(one, one.type), Read(other, other.type)) for one, other in pairs]
            return f"({' && '.join(tests)})" if tests else "1"
        one, other = self.places.locate(left), self.places.locate(right)
        if isinstance(kind, Stack):
            return self._same_stacks(one, other, kind)
        assert isinstance(kind, Header)
        test = same_headers(one, other, kind)
        for found in (one, other):
            if found.index:
                test = f"({{ {self.declared(found.index)} {found.index.name} < {found.index.size} && {test}; }})"
        return test

    def _same_stacks(self, one: Located, other: Located, kind: Stack) -> str:
        tests = []
        for place in range(kind.size):
            elements = [Located(f"{found.data}.at[{place}]", f"{found.valid}.at[{place}]") for found in (one, other)]
            tests.append(same_headers(elements[0], elements[1], kind.element))
        return f"({' && '.join(tests)})"

    # ---- operators

    def _unary(self, operator: UnaryOperator, operand: Expression, bits: int) -> str:
        text = self.text(operand)
        match operator:
            case UnaryOperator.NOT:
                return f"(!{text})"
            case UnaryOperator.NEGATE if bits > 64:
                return masked(f"subtract128(0, {text})", bits)
            case UnaryOperator.NEGATE:
                return masked(f"-({computing(bits)}){text}", bits)
            case UnaryOperator.COMPLEMENT:
                return masked(f"~({computing(bits)}){text}", bits)

    def _binary(self, expression: Binary) -> str:
        operator, left, right = expression.operator, expression.left, expression.right
        if operator in LOGIC:
            return f"({self.text(left)} {LOGIC[operator]} {self.text(right)})"
        if operator is O.EQUAL:
            return self.equal(left, right)
        if operator is O.UNEQUAL:
            return f"(!{self.equal(left, right)})"
        kind = _scalar(left)
        bits, signed = bits_of(kind), isinstance(kind, Bits) and kind.signed
        if operator in COMPARISONS:
            sides = [widened(self.text(side), bits) if signed else self.text(side) for side in (left, right)]
            return f"({sides[0]} {operator.value} {sides[1]})"
        second = self.text(right)
        if operator in SHIFTS and bits_of(_scalar(right)) > 64:
            second = f"shift_amount({second})"
        return self._arithmetic(operator, (self.text(left), second), bits, signed)

    def _arithmetic(self, operator: BinaryOperator, sides: tuple[str, str], bits: int, signed: bool) -> str:
        left, right = sides
        kept = computing(bits)
        if operator in BITWISE:
            return f"({left} {operator.value} {right})"
        if operator is O.SUBTRACT and bits > 64:
            return masked(f"subtract128({left}, {right})", bits)
        if operator in WRAPPING:
            return masked(f"({kept}){left} {operator.value} ({kept}){right}", bits)
        if operator is O.MULTIPLY:
            if bits > 64:
                return f"multiply128({left}, {right}, {bits})"
            return masked(f"({kept}){left} * ({kept}){right}", bits)
        size = 128 if bits > 64 else 64
        if (operator, signed) in CALLS:
            return f"({kept}){CALLS[operator, signed]}{size}({left}, {right})"
        return f"({kept}){SIZED_CALLS[operator, signed]}{size}({left}, {right}, {bits})"

    def _slice(self, operand: Expression, high: int, low: int) -> str:
        """Of a header's field, these bits alone are read."""
        bits = high - low + 1
        kept = computing(bits)
        if isinstance(operand, Read):
            found = self.places.locate(operand.place)
            if found.bits is not None:
                offset, whole = found.bits
                inner = Located(found.data, "", (offset + whole - 1 - high, bits))
                return self.guarded(found.index, f"({kept}){self.value(inner, bits)}")
        return f"(({kept})({self.text(operand)} >> {low}) & {literal(-1, bits)})"

    def _cast(self, operand: Expression, to: Bits | Boolean) -> str:
        source = _scalar(operand)
        before, after = bits_of(source), bits_of(to)
        text = self.text(operand)
        kept = computing(after)
        if after > before and isinstance(source, Bits) and source.signed:
            return masked(f"({kept}){widened(text, before)}", after)
        if after < before:
            return masked(f"({kept}){text}", after)
        return f"(({kept}){text})"


def same_headers(one: Located, other: Located, kind: Header) -> str:
    """Both invalid, or both valid with the same bytes (P4_16 section 8.17)."""
    contents = f"same({one.data}.words, {other.data}.words, {header_size(kind)})"
    return f"({one.valid} == {other.valid} && (!{one.valid} || {contents}))"


def _scalar(expression: Expression) -> Bits | Boolean:
    kind = expression.type
    assert isinstance(kind, Bits | Boolean), expression
    return kind
