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
from dataplane.compiler.lowering.operators import LOGICAL, Op
from dataplane.compiler.lowering.parts import Parts, described
from dataplane.compiler.lowering.resolution import WIDEST
from dataplane.compiler.lowering.scope import Scope
from dataplane.compiler.lowering.types import BOOLEAN
from dataplane.compiler.lowering.values import (
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
)


class Expressions(Parts):
    """Expressions of one body: their statements go to its current block."""

    def __init__(self, builder: Builder, scope: Scope) -> None:
        super().__init__(builder, scope)
        self._kinds: Mapping[type, Callable[[Any], Entity]] = {
            syntax.Integer: self._integer,
            syntax.Boolean: lambda node: Value(BOOLEAN, lowered.Constant(int(node.value), BOOLEAN)),
            syntax.String: lambda node: Text(node.value),
            syntax.Name: self._name,
            syntax.TypeName: lambda node: TypeName(self.type(node.type)),
            syntax.Member: self.member,
            syntax.Index: self.index,
            syntax.Slice: self.slice,
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

    def entity(self, node: syntax.Expression) -> Entity:
        kind = self._kinds.get(type(node))
        if kind is None:
            raise CompileError(node.position, "found a set; expected a value")
        return kind(node)

    def data(self, node: syntax.Expression) -> Data:
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
