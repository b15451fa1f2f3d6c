"""Parts of values: members, elements, bits (P4_16 sections 8.10, 8.18, 8.6)."""

from collections.abc import Mapping, Sequence

from dataplane.compiler import lowered, syntax
from dataplane.compiler.errors import CompileError
from dataplane.compiler.lowered import Bits
from dataplane.compiler.lowering import constants, types
from dataplane.compiler.lowering.operators import Operators
from dataplane.compiler.lowering.resolution import WIDEST
from dataplane.compiler.lowering.scope import choices, nearest
from dataplane.compiler.lowering.types import BOOLEAN, describe
from dataplane.compiler.lowering.values import (
    Applied,
    Data,
    Entity,
    Number,
    TypeName,
    Value,
    constant,
    member,
)


class Parts(Operators):
    """Parts of the values in one body."""

    in_parser = False

    def entity(self, node: syntax.Expression) -> Entity:
        """What an expression stands for."""
        raise NotImplementedError

    def data(self, node: syntax.Expression) -> Data:
        """An expression that is a value."""
        raise NotImplementedError

    def sequence(self, nodes: Sequence[syntax.Expression]) -> list[Data]:
        """Several expressions, in order; what a later one could change is kept as it was."""
        raise NotImplementedError

    def apply(self, applied: Applied, wanted: str) -> Value | None:
        """Applies a table and gives `hit`, `miss` or `action_run`, or nothing where nothing is wanted."""
        raise NotImplementedError

    def member(self, node: syntax.Member) -> Entity:
        """`base.name`: of a struct or header, a stack, an enum, or of what an applied table gives."""
        base, name = self.entity(node.base), node.member
        match base:
            case Value(type=types.Struct() | types.Header() as type_):
                self.choice(name, type_.members, f"member of {type_.name}")
                return member(self.placed(base), name.text)
            case TypeName(type_):
                return self._named_constant(type_, name)
            case Applied():
                return self.apply(base, self.choice(name, ("hit", "miss", "action_run"), "result of apply"))
            case Value(type=types.Stack()):
                return self._of_stack(base, name)
            case _:
                raise CompileError(name.position, f"found .{name} of {described(base)}; expected a struct or header")

    def choice(self, name: syntax.Identifier, names: Sequence[str] | Mapping[str, object], what: str) -> str:
        """The name, if it is one of those that can stand there."""
        if name.text not in names:
            raise CompileError(
                name.position,
                f"found no {what} {name}{nearest(name.text, names)}; expected one of {choices(names)}",
            )
        return name.text

    def _named_constant(self, type_: types.Type, name: syntax.Identifier) -> Value:
        match type_:
            case types.Enum(members=members) | types.SerializableEnum(members=members):
                self.choice(name, members, f"member of enum {type_.name}")
                return Value(type_, lowered.Constant(members[name.text], types.number(type_)))
            case types.ErrorType():
                self.choice(name, self.builder.errors, "error")
                return Value(type_, lowered.Constant(self.builder.errors[name.text], types.ENUM))
            case _:
                raise CompileError(name.position, f"found .{name} of type {describe(type_)}; expected an enum or error")

    def _of_stack(self, base: Value, name: syntax.Identifier) -> Value:
        assert isinstance(base.type, types.Stack) and base.place is not None
        self.choice(name, ("next", "last", "lastIndex", "size"), "member of a header stack")
        if name.text == "size":
            return Value(types.BIT32, lowered.Constant(base.type.size, types.BIT32))
        following = lowered.NextIndex(base.place)
        one = lowered.Constant(1, types.BIT32)
        last = lowered.Binary(lowered.BinaryOperator.SUBTRACT, following, one, types.BIT32, name.position)
        if name.text == "lastIndex":
            return Value(types.BIT32, last)
        if not self.in_parser:
            raise CompileError(name.position, f"found .{name} in a control; expected it in a parser, here [index]")
        element = base.type.element
        if name.text == "next":
            place = lowered.Element(base.place, following, element.form)
            return Value(element, lowered.Read(place, element.form), place, base.writable, next_of=base.place)
        zero = lowered.Constant(0, types.BIT32)
        some = lowered.Binary(lowered.BinaryOperator.GREATER, following, zero, BOOLEAN, name.position)
        self.block.append(lowered.Verify(some, lowered.Constant(self.builder.errors["StackOutOfBounds"], types.ENUM)))
        place = lowered.Element(base.place, last, element.form)
        return Value(element, lowered.Read(place, element.form), place, base.writable)

    def index(self, node: syntax.Index) -> Value:
        """`base[index]`: of a stack or tuple."""
        base, index = self.sequence([node.base, node.index])
        if isinstance(base, Value) and isinstance(base.type, types.Tuple):
            return self._of_tuple(base, base.type.elements, index, node)
        if not isinstance(base, Value) or not isinstance(base.type, types.Stack):
            raise CompileError(node.position, f"found [] of {describe(base.type)}; expected a header stack")
        assert base.place is not None
        position, size = node.index.position, base.type.size
        if isinstance(index, Number):
            index = Value(types.BIT32, lowered.Constant(index.value, types.BIT32))
        if not isinstance(index, Value) or not isinstance(types.decayed(index.type), Bits):
            raise CompileError(position, f"found index of type {describe(index.type)}; expected a number")
        known = constant(index)
        if known and not 0 <= known.value < size:
            raise CompileError(position, f"found index {known.value}; expected 0 to {size - 1}")
        place = lowered.Element(base.place, index.expression, base.type.element.form)
        return Value(base.type.element, lowered.Read(place, place.type), place, base.writable)

    def _of_tuple(self, base: Value, elements: Sequence[types.Type], index: Data, node: syntax.Index) -> Value:
        number = index.value if isinstance(index, Number) else len(elements)
        if not 0 <= number < len(elements):
            raise CompileError(node.index.position, f"found another index; expected a constant below {len(elements)}")
        place = self.placed(base).place
        assert place is not None
        part = lowered.Member(place, f"f{number}", types.form(elements[number]))
        return Value(elements[number], lowered.Read(part, part.type), part, base.writable)

    def slice(self, node: syntax.Slice) -> Value:
        """`base[high:low]`."""
        base = self.data(node.base)
        high, low = self.fixed(node.high, "bit number"), self.fixed(node.low, "bit number")
        operand = types.decayed(base.type)
        top = operand.width if isinstance(operand, Bits) else WIDEST
        if not isinstance(base, Value | Number) or not isinstance(operand, Bits | types.Integer):
            raise CompileError(node.position, f"found bits of {describe(base.type)}; expected those of a number")
        if not 0 <= low <= high < top:
            raise CompileError(
                node.high.position, f"found [{high}:{low}] of {describe(base.type)}; expected bits {top - 1} to 0"
            )
        type_ = Bits(high - low + 1)
        if isinstance(base, Number):
            return Value(type_, lowered.Constant(constants.bits(base.value, high, low), type_))
        known = constant(base)
        if known:
            return Value(type_, lowered.Constant(constants.bits(known.value, high, low), type_))
        result = lowered.Slice(base.expression, high, low, type_)
        offset = base.bits[1] if base.bits else 0
        return Value(type_, result, base.place, base.writable, (high + offset, low + offset))


def described(entity: Entity) -> str:
    """Anything that a name can stand for, as errors call it."""
    match entity:
        case TypeName(type_):
            return f"type {describe(type_)}"
        case Applied():
            return "the result of apply"
        case _ if isinstance(entity, Data):
            return f"a value of type {describe(entity.type)}"
        case _:
            return _WORDS.get(type(entity).__name__, type(entity).__name__.lower())


_WORDS = {
    "Callable": "a function or action",
    "Overloads": "a function",
    "ExternFunctions": "an extern function",
    "ExternKind": "an extern type",
    "ExternObject": "an extern object",
    "Interface": "a type of parsers, controls or packages",
    "GenericType": "a type with type parameters",
    "Kind": "a parser or control",
    "Instance": "an instance of a parser or control",
    "Table": "a table",
    "State": "a parser state",
}
