"""Arithmetic on constants, as P4_16 section 8 has it for values with a width."""

import operator
from collections.abc import Callable, Mapping

from dataplane.compiler.lowered import BinaryOperator as Op
from dataplane.compiler.lowered import Bits, Boolean, Constant, UnaryOperator


def wrap(value: int, type_: Bits | Boolean) -> int:
    """A number as its type holds it: modulo 2^width, negative for `int<N>` with the top bit set."""
    if isinstance(type_, Boolean):
        return int(value != 0)
    value &= (1 << type_.width) - 1
    if type_.signed and value >> (type_.width - 1):
        value -= 1 << type_.width
    return value


def fits(value: int, type_: Bits) -> bool:
    """Whether a number without width is in a type's range; negative ones are taken as two's complement."""
    lowest = -(1 << (type_.width - 1))
    return lowest <= value < (-lowest if type_.signed else 1 << type_.width)


def unary(of: UnaryOperator, operand: Constant) -> Constant:
    """`-a`, `~a` or `!a`."""
    match of:
        case UnaryOperator.NEGATE:
            result = -operand.value
        case UnaryOperator.COMPLEMENT:
            result = ~operand.value
        case UnaryOperator.NOT:
            result = int(not operand.value)
    return Constant(wrap(result, operand.type), operand.type)


def quotient(left: int, right: int) -> int:
    """Integer division that rounds towards zero."""
    result = abs(left) // abs(right)
    return result if (left < 0) == (right < 0) else -result


def remainder(left: int, right: int) -> int:
    """What `quotient` leaves; it has the sign of the left side."""
    return left - quotient(left, right) * right


_OPERATIONS: Mapping[Op, Callable[[int, int], int]] = {
    Op.ADD: operator.add,
    Op.SUBTRACT: operator.sub,
    Op.MULTIPLY: operator.mul,
    Op.DIVIDE: quotient,
    Op.MODULO: remainder,
    Op.AND: operator.and_,
    Op.OR: operator.or_,
    Op.XOR: operator.xor,
    Op.EQUAL: operator.eq,
    Op.UNEQUAL: operator.ne,
    Op.LESS: operator.lt,
    Op.LESS_EQUAL: operator.le,
    Op.GREATER: operator.gt,
    Op.GREATER_EQUAL: operator.ge,
    Op.LOGICAL_AND: lambda left, right: left and right,
    Op.LOGICAL_OR: lambda left, right: left or right,
}
_SHIFT_LIMIT = 4096
"""Bits; by more a number without width is not shifted."""


def integer(of: Op, left: int, right: int) -> int:
    """An operation on numbers without width; comparisons give 0 or 1.

    Raises ValueError: for division by zero, a negative or huge shift, and what needs a width.
    """
    if of in (Op.DIVIDE, Op.MODULO) and right == 0:
        raise ValueError("division by zero")
    if of in (Op.SHIFT_LEFT, Op.SHIFT_RIGHT):
        if not 0 <= right <= _SHIFT_LIMIT:
            raise ValueError(f"shift by {right}; expected 0 to {_SHIFT_LIMIT}")
        return left << right if of is Op.SHIFT_LEFT else left >> right
    if of not in _OPERATIONS:
        raise ValueError(f"operator {of} on numbers without a width")
    return int(_OPERATIONS[of](left, right))


def binary(of: Op, left: Constant, right: Constant, type_: Bits | Boolean) -> Constant:
    """An operation on constants with a width; `type_` is the result's. Raises ValueError as `integer` does."""
    if of in (Op.ADD_SATURATING, Op.SUBTRACT_SATURATING):
        assert isinstance(type_, Bits)
        exact = left.value + right.value if of is Op.ADD_SATURATING else left.value - right.value
        return Constant(clamp(exact, type_), type_)
    if of in (Op.SHIFT_LEFT, Op.SHIFT_RIGHT):
        assert isinstance(type_, Bits)
        amount = min(right.value, type_.width)
        shifted = left.value << amount if of is Op.SHIFT_LEFT else left.value >> amount
        return Constant(wrap(shifted, type_), type_)
    return Constant(wrap(integer(of, left.value, right.value), type_), type_)


def clamp(value: int, type_: Bits) -> int:
    """The nearest number that a type holds."""
    lowest = -(1 << (type_.width - 1)) if type_.signed else 0
    highest = (1 << (type_.width - type_.signed)) - 1
    return max(lowest, min(highest, value))


def bits(value: int, high: int, low: int) -> int:
    """Bits `high` to `low` of a number."""
    return (value >> low) & ((1 << (high - low + 1)) - 1)
