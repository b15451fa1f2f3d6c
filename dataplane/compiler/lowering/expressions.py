"""Checks expressions and lowers them (P4_16 section 8).

What has effects (calls, applied tables) becomes statements of the current block in front of the one that the expression
stands in, in the order of the source (section 8.1); where an operand could change by that, it is kept in a temporary.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dataplane.compiler import lowered, syntax
from dataplane.compiler.errors import CompileError, UnsupportedError
from dataplane.compiler.lowered import Bits
from dataplane.compiler.lowering import constants, types
from dataplane.compiler.lowering.builder import Builder
from dataplane.compiler.lowering.callables import Aggregate
from dataplane.compiler.lowering.conversions import root
from dataplane.compiler.lowering.operators import LOGICAL, Op, Operators
from dataplane.compiler.lowering.resolution import WIDEST
from dataplane.compiler.lowering.scope import Scope, choices, nearest
from dataplane.compiler.lowering.types import BOOLEAN, describe
from dataplane.compiler.lowering.values import (
    Applied,
    Data,
    Entity,
    Fields,
    Items,
    Number,
    Text,
    TypeName,
    Unset,
    Value,
    constant,
    member,
)


class Expressions(Operators):
    """Expressions of one body: their statements go to its current block."""

    in_parser = False

    def __init__(self, builder: Builder, scope: Scope) -> None:
        super().__init__(builder, scope)
        self._kinds: Mapping[type, Callable[[Any], Entity]] = {
            syntax.Integer: self._integer,
            syntax.Boolean: lambda node: Value(BOOLEAN, lowered.Constant(int(node.value), BOOLEAN)),
            syntax.String: lambda node: Text(node.value),
            syntax.Name: self._name,
            syntax.TypeName: lambda node: TypeName(self.type(node.type)),
            syntax.Member: self._member,
            syntax.Index: self._index,
            syntax.Slice: self._slice,
            syntax.Call: self.call,
            syntax.Cast: lambda node: self.cast(self.data(node.operand), self.type(node.type), node.position),
            syntax.Unary: lambda node: self.negate(node.operator, self.data(node.operand), node),
            syntax.Binary: self._binary,
            syntax.Conditional: self._conditional,
            syntax.List: self._list,
            syntax.Record: self._record,
            syntax.Dots: lambda node: Unset(default=True),
            syntax.InvalidHeader: lambda node: Unset(default=True),
            syntax.Default: lambda node: Unset(),
        }

    def call(self, node: syntax.Call) -> Entity:
        """A call, and what it gives."""
        raise NotImplementedError

    def apply(self, applied: Applied, wanted: str) -> Value | None:
        """Applies a table and gives `hit`, `miss` or `action_run`, or nothing where nothing is wanted."""
        raise NotImplementedError

    def entity(self, node: syntax.Expression) -> Entity:
        """What an expression stands for."""
        kind = self._kinds.get(type(node))
        if kind is None:
            raise CompileError(node.position, "found a set; expected a value")
        return kind(node)

    def data(self, node: syntax.Expression) -> Data:
        """An expression that is a value."""
        found = self.entity(node)
        if not isinstance(found, Data):
            raise CompileError(node.position, f"found {described(found)}; expected a value")
        return found

    def value(self, node: syntax.Expression, expected: types.Type) -> Value:
        """An expression as a value of a type."""
        return self.convert(self.data(node), expected, node.position)

    def elsewhere(self, scope: Scope) -> "Expressions":
        return Expressions(self.builder, scope)

    def fixed(self, node: syntax.Expression, what: str) -> int:
        found = self.data(node)
        if isinstance(found, Number):
            return found.value
        known = constant(found)
        if known is None or not isinstance(known.type, Bits):
            raise CompileError(node.position, f"found no constant number; expected the {what} known at compile time")
        return known.value

    def sequence(self, nodes: Sequence[syntax.Expression]) -> list[Data]:
        """Several expressions, in order; what a later one could change is kept as it was."""
        result: list[Data] = []
        for node in nodes:
            mark = len(self.block)
            found = self.data(node)
            if len(self.block) > mark:
                result = [self._kept(earlier, mark) for earlier in result]
            result.append(found)
        return result

    def _kept(self, data: Data, mark: int) -> Data:
        if not isinstance(data, Value) or constant(data) or (data.writable and not types.scalar(data.type)):
            return data
        if data.place is not None and root(data.place).name in self.builder.temporaries:
            return data
        kept = self.temporary("kept", data.type)
        assert kept.place is not None
        self.block.insert(mark, lowered.Assign(kept.place, data.expression))
        return Value(data.type, kept.expression, data.place, data.writable, data.bits, data.next_of)

    @contextmanager
    def aside(self) -> Iterator[list[lowered.Statement]]:
        """Collects the statements of what is lowered inside in a block of its own."""
        outer, self.block = self.block, []
        try:
            yield self.block
        finally:
            self.block = outer

    # names, literals and lists

    def _name(self, node: syntax.Name) -> Entity:
        found = self.find(node.name, node, node.absolute)
        if isinstance(found, Aggregate):
            return self.convert(found.data, found.type, node.position)
        return found

    def _integer(self, node: syntax.Integer) -> Data:
        if node.width is None:
            return Number(node.value)
        if node.width > WIDEST:
            raise UnsupportedError(node.position, f"number of {node.width} bits (wider than {WIDEST})")
        type_ = Bits(node.width, node.signed)
        if node.value >> node.width:
            raise CompileError(node.position, f"found {node.value}; expected a number of {node.width} bits")
        return Value(type_, lowered.Constant(constants.wrap(node.value, type_), type_))

    def _list(self, node: syntax.List) -> Data:
        if node.dots:
            raise UnsupportedError(node.position, "... in a list")
        return Items(tuple(self.sequence(node.elements)))

    def _record(self, node: syntax.Record) -> Data:
        if node.dots:
            raise UnsupportedError(node.position, "... in a list")
        found = self.sequence([value for _, value in node.members])
        names = [name.text for name, _ in node.members]
        for index, (name, _) in enumerate(node.members):
            if name.text in names[:index]:
                raise CompileError(name.position, f"found a second value of {name}; expected one")
        return Fields(dict(zip(names, found, strict=True)))

    # parts of values

    def _member(self, node: syntax.Member) -> Entity:
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

    def _index(self, node: syntax.Index) -> Value:
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

    def _slice(self, node: syntax.Slice) -> Value:
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

    # operators that may leave operands alone

    def _binary(self, node: syntax.Binary) -> Data:
        if node.operator in LOGICAL:
            return self._logical(node)
        left, right = self.sequence([node.left, node.right])
        return self.operate(node.operator, left, right, node)

    def _logical(self, node: syntax.Binary) -> Value:
        left = self.value(node.left, BOOLEAN)
        with self.aside() as needed:
            right = self.value(node.right, BOOLEAN)
        conjunction = node.operator is Op.LOGICAL_AND
        known = constant(left)
        if known:
            if bool(known.value) is not conjunction:
                return left
            self.block += needed
            return right
        if not needed:
            return self.combine(node.operator, left, right, BOOLEAN, node)
        result = self.temporary("condition", BOOLEAN)
        assert result.place is not None
        self.block.append(lowered.Assign(result.place, left.expression))
        needed.append(lowered.Assign(result.place, right.expression))
        then, otherwise = (tuple(needed), ()) if conjunction else ((), tuple(needed))
        self.block.append(lowered.If(result.expression, then, otherwise, node.position))
        return result

    def _conditional(self, node: syntax.Conditional) -> Data:
        condition = self.value(node.condition, BOOLEAN)
        with self.aside() as before_then:
            then = self.data(node.then)
        with self.aside() as before_otherwise:
            otherwise = self.data(node.otherwise)
        known = constant(condition)
        if known:
            self.block += before_then if known.value else before_otherwise
            return then if known.value else otherwise
        with self.aside() as conversions:
            one, another = self.alike(Op.EQUAL, then, otherwise, node)
        if not (before_then or before_otherwise or conversions) and types.scalar(one.type):
            type_ = types.form(one.type)
            return Value(one.type, lowered.Conditional(condition.expression, one.expression, another.expression, type_))
        result = self.temporary("choice", one.type)
        assert result.place is not None
        self.block += conversions
        before_then.append(lowered.Assign(result.place, one.expression))
        before_otherwise.append(lowered.Assign(result.place, another.expression))
        self.block.append(lowered.If(condition.expression, tuple(before_then), tuple(before_otherwise), node.position))
        return result


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
