"""Values and expressions of the lowered form, evaluated in Python: exact integers, no cleverness.

A number is an int within its type (negative ones for `int<N>`), a boolean 0 or 1, a header a `HeaderValue`, a struct a
dictionary, a stack a `StackValue`.
"""

from dataclasses import dataclass

from dataplane.compiler.lowered import (
    Binary,
    BinaryOperator,
    Bits,
    Boolean,
    Cast,
    Concatenation,
    Conditional,
    Constant,
    Element,
    Header,
    IsValid,
    Member,
    NextIndex,
    Read,
    Slice,
    Stack,
    Struct,
    Unary,
    UnaryOperator,
    Variable,
    width,
)


@dataclass
class HeaderValue:
    valid: bool
    fields: dict[str, int]

    def copy(self):
        return HeaderValue(self.valid, dict(self.fields))

    def __eq__(self, other):
        if not self.valid or not other.valid:
            return self.valid == other.valid
        return self.fields == other.fields

    __hash__ = None


@dataclass
class StackValue:
    elements: list[HeaderValue]
    next_index: int = 0

    def copy(self):
        return StackValue([element.copy() for element in self.elements], self.next_index)


def zero(of):
    """A value of a type with all bits zero and all headers invalid."""
    match of:
        case Bits() | Boolean():
            return 0
        case Header():
            return HeaderValue(False, {member.name: 0 for member in of.fields})
        case Struct():
            return {member.name: zero(member.type) for member in of.fields}
        case Stack(element, size):
            return StackValue([zero(element) for _ in range(size)])
    raise AssertionError(of)


def copied(value):
    if isinstance(value, int):
        return value
    if isinstance(value, dict):
        return {name: copied(member) for name, member in value.items()}
    return value.copy()


def fitted(value, of):
    """A number cut to its type."""
    if isinstance(of, Boolean):
        return value & 1
    value &= (1 << of.width) - 1
    if of.signed and value >> (of.width - 1):
        value -= 1 << of.width
    return value


def pattern(value, of):
    """The bits of a number, as an unsigned one."""
    return value & ((1 << width(of)) - 1)


def bits(value, of):
    """A value as (bits, width), in order of the wire: headers whether valid or not."""
    match of:
        case Bits() | Boolean():
            return pattern(value, of), width(of)
        case Header():
            parts = [bits(value.fields[member.name], member.type) for member in of.fields]
        case Struct():
            parts = [bits(value[member.name], member.type) for member in of.fields]
        case Stack(element, _):
            parts = [bits(each, element) for each in value.elements]
    return joined(parts)


def joined(parts):
    total, size = 0, 0
    for value, length in parts:
        total, size = (total << length) | value, size + length
    return total, size


def packed(parts):
    """Bits as bytes, filled up with zeros at the end."""
    total, size = joined(parts)
    pad = -size % 8
    return (total << pad).to_bytes((size + pad) // 8)


class Evaluator:
    """Expressions over a state: variables by name."""

    def __init__(self, state):
        self.state = state

    def place(self, place):
        """The value at a place; of an element outside its stack, zero."""
        match place:
            case Variable(name, _):
                return self.state[name]
            case Member(base, name, _):
                held = self.place(base)
                return held.fields[name] if isinstance(held, HeaderValue) else held[name]
            case Element(base, index, of):
                elements = self.place(base).elements
                number = self.value(index)
                return elements[number] if 0 <= number < len(elements) else zero(of)
        raise AssertionError(place)

    def store(self, place, value):
        """Sets what is at a place."""
        match place:
            case Variable(name, _) if isinstance(value, dict) and name in self.state:
                # Those who hold the struct see the new members.
                self.state[name] |= value
            case Variable(name, _):
                self.state[name] = value
            case Member(base, name, _):
                held = self.place(base)
                (held.fields if isinstance(held, HeaderValue) else held)[name] = value
            case Element(base, index, _):
                elements = self.place(base).elements
                number = self.value(index)
                if 0 <= number < len(elements):
                    elements[number] = value

    def value(self, expression):
        match expression:
            case Constant(value, _):
                return value
            case Read(place, _):
                return copied(self.place(place))
            case Unary(operator, operand, of):
                return self._unary(operator, self.value(operand), of)
            case Binary():
                return self._binary(expression)
            case Slice(operand, high, low, _):
                return (pattern(self.value(operand), operand.type) >> low) & ((1 << (high - low + 1)) - 1)
            case Concatenation(left, right, of):
                parts = [bits(self.value(each), each.type) for each in (left, right)]
                return fitted(joined(parts)[0], of)
            case Cast(operand, of):
                return fitted(self.value(operand), of)
            case Conditional(condition, then, otherwise, _):
                return self.value(then if self.value(condition) else otherwise)
            case IsValid(header):
                return int(self.place(header).valid)
            case NextIndex(stack):
                return self.place(stack).next_index
        raise AssertionError(expression)

    def _unary(self, operator, value, of):
        match operator:
            case UnaryOperator.NEGATE:
                return fitted(-value, of)
            case UnaryOperator.COMPLEMENT:
                return fitted(~value, of)
            case UnaryOperator.NOT:
                return 1 - value

    def _binary(self, expression):
        operator, of = expression.operator, expression.type
        left = self.value(expression.left)
        if operator is BinaryOperator.LOGICAL_AND:
            return left and self.value(expression.right)
        if operator is BinaryOperator.LOGICAL_OR:
            return left or self.value(expression.right)
        right = self.value(expression.right)
        match operator:
            case BinaryOperator.ADD:
                return fitted(left + right, of)
            case BinaryOperator.SUBTRACT:
                return fitted(left - right, of)
            case BinaryOperator.MULTIPLY:
                return fitted(left * right, of)
            case BinaryOperator.DIVIDE:
                return fitted(left // right, of) if right else 0
            case BinaryOperator.MODULO:
                return fitted(left % right, of) if right else left
            case BinaryOperator.ADD_SATURATING:
                return saturated(left + right, of)
            case BinaryOperator.SUBTRACT_SATURATING:
                return saturated(left - right, of)
            case BinaryOperator.AND:
                return fitted(left & right, of)
            case BinaryOperator.OR:
                return fitted(left | right, of)
            case BinaryOperator.XOR:
                return fitted(left ^ right, of)
            case BinaryOperator.SHIFT_LEFT:
                return fitted(left << right, of) if right < width(of) else 0
            case BinaryOperator.SHIFT_RIGHT:
                return fitted(left >> min(right, width(of)), of)
            case BinaryOperator.EQUAL:
                return int(left == right)
            case BinaryOperator.UNEQUAL:
                return int(left != right)
            case BinaryOperator.LESS:
                return int(left < right)
            case BinaryOperator.LESS_EQUAL:
                return int(left <= right)
            case BinaryOperator.GREATER:
                return int(left > right)
            case BinaryOperator.GREATER_EQUAL:
                return int(left >= right)


def saturated(value, of):
    low, high = (-(1 << (of.width - 1)), (1 << (of.width - 1)) - 1) if of.signed else (0, (1 << of.width) - 1)
    return max(low, min(high, value))
