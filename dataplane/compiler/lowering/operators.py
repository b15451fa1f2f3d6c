"""Operators on values (P4_16 sections 8.5 to 8.9)."""

from dataplane.compiler import lowered, syntax
from dataplane.compiler.errors import CompileError, UnsupportedError
from dataplane.compiler.lowered import Bits, Boolean
from dataplane.compiler.lowering import constants, types
from dataplane.compiler.lowering.conversions import Conversions
from dataplane.compiler.lowering.resolution import WIDEST
from dataplane.compiler.lowering.types import BOOLEAN, describe
from dataplane.compiler.lowering.values import Data, Fields, Items, Number, Unset, Value, constant

Op = syntax.BinaryOperator
LOGICAL = (Op.LOGICAL_AND, Op.LOGICAL_OR)
SHIFTS = (Op.SHIFT_LEFT, Op.SHIFT_RIGHT)
EQUALITY = (Op.EQUAL, Op.UNEQUAL)
COMPARISONS = (*EQUALITY, Op.LESS, Op.LESS_EQUAL, Op.GREATER, Op.GREATER_EQUAL)


class Operators(Conversions):
    """Operators of one body."""

    def operate(self, operator: Op, left: Data, right: Data, node: syntax.Node) -> Data:
        """`left operator right`; not for `&&` and `||`."""
        if operator is Op.CONCATENATE:
            return self._concatenate(left, right, node)
        if isinstance(left, Number) and isinstance(right, Number):
            return self._compute(operator, left, right, node)
        if operator in SHIFTS:
            return self._shift(operator, left, right, node)
        one, another = self.alike(operator, left, right, node)
        if operator not in EQUALITY and not isinstance(one.type, Bits):
            raise CompileError(node.position, f"found {operator} of {describe(one.type)}; expected numbers")
        type_ = BOOLEAN if operator in COMPARISONS else one.type
        assert isinstance(type_, Bits | Boolean)
        return self.combine(operator, one, another, type_, node)

    def combine(self, operator: Op, left: Value, right: Value, type_: Bits | Boolean, node: syntax.Node) -> Value:
        """A checked operation, folded where both sides are known."""
        form = lowered.BinaryOperator(operator)
        one, another = constant(left), constant(right)
        if another and another.value == 0 and operator in (Op.DIVIDE, Op.MODULO):
            raise CompileError(node.position, "found division by zero; expected another divisor")
        if one and another:
            return Value(type_, constants.binary(form, one, another, type_))
        return Value(type_, lowered.Binary(form, left.expression, right.expression, type_, node.position))

    def negate(self, operator: syntax.UnaryOperator, operand: Data, node: syntax.Unary) -> Data:
        """`!`, `~`, `-` or `+` of a value."""
        if operator is syntax.UnaryOperator.NOT:
            return self._unary(operator, self.convert(operand, BOOLEAN, node.operand.position), BOOLEAN)
        if isinstance(operand, Number):
            if operator is syntax.UnaryOperator.COMPLEMENT:
                raise CompileError(node.position, "found ~ of a number without a width; expected one with a width")
            return Number(-operand.value) if operator is syntax.UnaryOperator.NEGATE else operand
        type_ = types.decayed(operand.type)
        if not isinstance(operand, Value) or not isinstance(type_, Bits):
            raise CompileError(node.position, f"found {operator} of {describe(operand.type)}; expected a number")
        if operator is syntax.UnaryOperator.PLUS:
            return Value(type_, operand.expression)
        return self._unary(operator, operand, type_)

    def _unary(self, operator: syntax.UnaryOperator, operand: Value, type_: Bits | Boolean) -> Value:
        form, known = lowered.UnaryOperator(operator), constant(operand)
        if known:
            return Value(type_, constants.unary(form, known))
        return Value(type_, lowered.Unary(form, operand.expression, type_))

    def _compute(self, operator: Op, left: Number, right: Number, node: syntax.Node) -> Data:
        try:
            result = constants.integer(lowered.BinaryOperator(operator), left.value, right.value)
        except ValueError as error:
            raise CompileError(node.position, f"found {error}") from error
        if operator in COMPARISONS:
            return Value(BOOLEAN, lowered.Constant(result, BOOLEAN))
        return Number(result)

    def alike(self, operator: Op, left: Data, right: Data, node: syntax.Node) -> tuple[Value, Value]:
        """Both sides with one type: what has none takes the other's, serializable enums their underlying one."""
        if isinstance(left, Number | Items | Fields | Unset):
            return self._like(left, right, node)
        if isinstance(right, Number | Items | Fields | Unset):
            other, one = self._like(right, left, node)
            return one, other
        if not isinstance(left, Value) or not isinstance(right, Value):
            raise CompileError(node.position, f"found {describe(left.type)} {operator} {describe(right.type)}")
        if left.type == right.type and operator in EQUALITY:
            return left, right
        one = Value(types.decayed(left.type), left.expression)
        other = Value(types.decayed(right.type), right.expression)
        if one.type != other.type:
            raise CompileError(
                node.position,
                f"found {describe(left.type)} {operator} {describe(right.type)}; expected the same type on both sides",
            )
        return one, other

    def _like(self, bare: Data, other: Data, node: syntax.Node) -> tuple[Value, Value]:
        if not isinstance(other, Value):
            raise CompileError(node.position, "found two lists or numbers; expected a value with a type on one side")
        if isinstance(bare, Number):
            other = Value(types.decayed(other.type), other.expression)
        return self.convert(bare, other.type, node.position), other

    def _shift(self, operator: Op, left: Data, right: Data, node: syntax.Node) -> Value:
        type_ = types.decayed(left.type)
        if isinstance(left, Number):
            raise CompileError(
                node.position, f"found {operator} of a number without a width; expected one with a width"
            )
        if not isinstance(left, Value) or not isinstance(type_, Bits):
            raise CompileError(node.position, f"found {operator} of {describe(left.type)}; expected a number")
        if isinstance(right, Number):
            if right.value < 0:
                raise CompileError(node.position, f"found a shift by {right.value}; expected 0 or more")
            right = Value(types.BIT32, lowered.Constant(min(right.value, WIDEST), types.BIT32))
        amount = types.decayed(right.type)
        if not isinstance(right, Value) or not isinstance(amount, Bits) or amount.signed:
            raise CompileError(node.position, f"found a shift by {describe(right.type)}; expected an unsigned number")
        return self.combine(operator, left, right, type_, node)

    def _concatenate(self, left: Data, right: Data, node: syntax.Node) -> Value:
        one, another = types.decayed(left.type), types.decayed(right.type)
        if isinstance(left, Number) or isinstance(right, Number):
            raise CompileError(node.position, "found ++ of a number without a width; expected one with a width")
        if not (isinstance(left, Value) and isinstance(right, Value)) or not (
            isinstance(one, Bits) and isinstance(another, Bits)
        ):
            raise CompileError(node.position, f"found {describe(one)} ++ {describe(another)}; expected numbers")
        if one.width + another.width > WIDEST:
            raise UnsupportedError(node.position, f"++ to {one.width + another.width} bits (wider than {WIDEST})")
        type_ = Bits(one.width + another.width, one.signed)
        known, other = constant(left), constant(right)
        if known and other:
            value = known.value << another.width | constants.bits(other.value, another.width - 1, 0)
            return Value(type_, lowered.Constant(constants.wrap(value, type_), type_))
        return Value(type_, lowered.Concatenation(left.expression, right.expression, type_))
