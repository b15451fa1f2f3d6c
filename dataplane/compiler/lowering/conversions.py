"""Values of one type as those of another, and their storing (P4_16 sections 8.9 to 8.13)."""

from collections.abc import Iterator

from dataplane.compiler import lowered
from dataplane.compiler.errors import CompileError, Position
from dataplane.compiler.lowered import Bits
from dataplane.compiler.lowering import constants, relations, types
from dataplane.compiler.lowering.builder import Builder
from dataplane.compiler.lowering.resolution import Resolution
from dataplane.compiler.lowering.scope import Scope
from dataplane.compiler.lowering.types import Type, describe
from dataplane.compiler.lowering.values import Data, Fields, Items, Number, Unset, Value, constant, member, variable


class Conversions(Resolution):
    """Conversions in one body: what they need to compute goes to its current block."""

    name = ""
    """Of what the body belongs to: in front of its variables' names."""

    def __init__(self, builder: Builder, scope: Scope) -> None:
        super().__init__(builder, scope)
        self.block: list[lowered.Statement] = []

    def temporary(self, name: str, type_: Type) -> Value:
        """A new variable that the program does not name."""
        made = self.builder.variable(f"{self.name}.{name}", types.form(type_))
        self.builder.temporaries.add(made.name)
        return variable(made, type_)

    def placed(self, value: Value) -> Value:
        """The same value, in a place that its members can be read from."""
        if value.place is not None:
            return value
        result = self.temporary("whole", value.type)
        assert result.place is not None
        self.block.append(lowered.Assign(result.place, value.expression))
        return Value(result.type, result.expression, result.place)

    def convert(self, data: Data, target: Type, position: Position) -> Value:
        """A value where another type is expected: implicit casts alone."""
        if isinstance(data, Value):
            if data.type == target:
                return data
            if isinstance(data.type, types.SerializableEnum) and data.type.underlying == target:
                return Value(target, data.expression)
        if isinstance(data, Number) and isinstance(target, Bits):
            return self._sized(data, target, position)
        if isinstance(data, Unset) and data.default and types.scalar(target):
            return Value(target, lowered.Constant(0, types.number(target)))
        aggregate = isinstance(target, types.Struct | types.Header | types.Tuple | types.Stack)
        if isinstance(data, Items | Fields | Unset) and aggregate:
            result = self.temporary("list", target)
            self._fill(result, data, position)
            return result
        raise CompileError(position, f"found {describe(data.type)}; expected {describe(target)}")

    def _sized(self, number: Number, target: Bits, position: Position) -> Value:
        if not constants.fits(number.value, target):
            raise CompileError(position, f"found {number.value}; expected a number in the range of {describe(target)}")
        return Value(target, lowered.Constant(constants.wrap(number.value, target), target))

    def cast(self, data: Data, target: Type, position: Position) -> Data:
        """`(target) data`."""
        if isinstance(data, Items | Fields | Unset):
            return self.convert(data, target, position)
        if not relations.casts(data.type, target):
            raise CompileError(
                position, f"found a cast from {describe(data.type)} to {describe(target)}; expected types that it can"
            )
        if isinstance(data, Number):
            if target == types.INTEGER:
                return data
            form = types.number(target)
            return Value(target, lowered.Constant(constants.wrap(data.value, form), form))
        assert isinstance(data, Value)
        if target == types.INTEGER:
            known = constant(data)
            if known is None:
                raise CompileError(position, "found a cast to int; expected a constant")
            return Number(known.value)
        if not types.scalar(target):
            return Value(target, data.expression, data.place)
        return Value(target, _cast_expression(data.expression, types.number(target)))

    def store(self, target: Value, data: Data, position: Position) -> None:
        """Assigns to a place."""
        assert target.place is not None
        if isinstance(data, Items | Fields | Unset) and not types.scalar(target.type):
            if _mentions(data, root(target.place)):
                data = self.convert(data, target.type, position)
            else:
                self._fill(target, data, position)
                return
        value = self.convert(data, target.type, position)
        self.block.append(lowered.Assign(target.place, value.expression, target.bits, position))

    def _fill(self, target: Value, data: Data, position: Position) -> None:
        """Assigns a list or record to a place, member by member."""
        assert target.place is not None
        if isinstance(data, Unset):
            if not data.default:
                raise CompileError(position, "found _; expected a value")
            self.clear(target)
            return
        members = list(parts(target))
        if isinstance(target.type, types.Header):
            self.block.append(lowered.SetValidity(target.place, True))
        if isinstance(data, Fields):
            named = dict(members)
            if set(data.members) != set(named):
                raise CompileError(
                    position,
                    f"found members {', '.join(data.members)}; expected {', '.join(named)} of {describe(target.type)}",
                )
            for name, item in data.members.items():
                self.store(named[name], item, position)
        elif isinstance(data, Items):
            if len(data.items) != len(members):
                raise CompileError(
                    position, f"found {len(data.items)} values; expected {len(members)} of {describe(target.type)}"
                )
            for (_, part), item in zip(members, data.items, strict=True):
                self.store(part, item, position)

    def clear(self, target: Value) -> None:
        """Zero, headers invalid: how BMv2 starts a variable that the program does not initialize."""
        assert target.place is not None
        match target.type:
            case types.Header() | types.Stack():
                self.invalidate(target)
            case types.Struct() | types.Tuple():
                for _, part in parts(target):
                    self.clear(part)
            case _:
                zero = lowered.Constant(0, types.number(target.type))
                self.block.append(lowered.Assign(target.place, zero))

    def invalidate(self, target: Value) -> None:
        """Makes the headers of a place invalid, as those of an `out` parameter are at first (section 6.8)."""
        assert target.place is not None
        match target.type:
            case types.Header():
                self.block.append(lowered.SetValidity(target.place, False))
            case types.Stack(size=size):
                self.block.append(lowered.Push(target.place, -size))
            case types.Struct() | types.Tuple():
                for _, part in parts(target):
                    self.invalidate(part)


def parts(of: Value) -> Iterator[tuple[str, Value]]:
    """The members of an aggregate in a place, with their names; a stack's elements."""
    assert of.place is not None
    match of.type:
        case types.Struct(members=members) | types.Header(members=members):
            for name in members:
                yield name, member(of, name)
        case types.Tuple(elements):
            for index, element in enumerate(elements):
                place = lowered.Member(of.place, f"f{index}", types.form(element))
                yield f"f{index}", Value(element, lowered.Read(place, place.type), place, of.writable)
        case types.Stack(element, size):
            for index in range(size):
                at = lowered.Element(of.place, lowered.Constant(index, types.BIT32), element.form)
                yield str(index), Value(element, lowered.Read(at, at.type), at, of.writable)


def _cast_expression(expression: lowered.Expression, target: Bits | lowered.Boolean) -> lowered.Expression:
    if expression.type == target:
        return expression
    if isinstance(expression, lowered.Constant):
        return lowered.Constant(constants.wrap(expression.value, target), target)
    return lowered.Cast(expression, target)


def root(place: lowered.Place) -> lowered.Variable:
    while not isinstance(place, lowered.Variable):
        place = place.base
    return place


def _mentions(data: Data, changed: lowered.Variable) -> bool:
    """Whether a value could change by an assignment to a variable."""
    match data:
        case Items(items):
            return any(_mentions(item, changed) for item in items)
        case Fields(members):
            return any(_mentions(item, changed) for item in members.values())
        case Value(expression=lowered.Read(place)):
            return root(place) == changed
        case Value(expression=lowered.Constant()):
            return False
        case Value():
            return True
        case _:
            return False
