"""What expressions give while a program is checked: data of a type, and things that only have a name."""

from collections.abc import Mapping
from dataclasses import dataclass

from dataplane.compiler import lowered, syntax
from dataplane.compiler.errors import Position
from dataplane.compiler.lowering import types
from dataplane.compiler.lowering.types import Type


@dataclass(frozen=True, slots=True)
class Value:
    """Data of a type that a variable can have.

    With a place it can be assigned, if `writable`; with `bits` (high, low) only these bits of the place.
    """

    type: Type
    expression: lowered.Expression
    place: lowered.Place | None = None
    writable: bool = False
    bits: tuple[int, int] | None = None
    next_of: lowered.Place | None = None
    """The stack of which this is the `next` element."""


@dataclass(frozen=True, slots=True)
class Number:
    """A compile-time number without width."""

    value: int

    @property
    def type(self) -> Type:
        return types.INTEGER


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal."""

    text: str

    @property
    def type(self) -> Type:
        return types.TEXT


@dataclass(frozen=True, slots=True)
class Items:
    """`{ a, b }`."""

    items: "tuple[Data, ...]"

    @property
    def type(self) -> Type:
        return types.Tuple(tuple(item.type for item in self.items))


@dataclass(frozen=True, slots=True)
class Fields:
    """`{ a = 1, b = 2 }`."""

    members: "Mapping[str, Data]"

    @property
    def type(self) -> Type:
        return types.Record(tuple((name, member.type) for name, member in self.members.items()))


@dataclass(frozen=True, slots=True)
class Unset:
    """`_` as an argument; `...` and `{#}` as a value (`default`: zero, headers invalid)."""

    default: bool = False

    @property
    def type(self) -> Type:
        return types.ANYTHING


@dataclass(frozen=True, slots=True)
class Nothing:
    """What a call without a value gives."""

    @property
    def type(self) -> Type:
        return types.VOID


Data = Value | Number | Text | Items | Fields | Unset | Nothing


@dataclass(frozen=True)
class TypeName:
    """A type where an expression stands."""

    type: Type


@dataclass(frozen=True, eq=False)
class Table:
    """A table of one instance of a control."""

    form: lowered.Table
    actions: Mapping[str, int]
    """P4 name of each action to its number in the program."""
    before: lowered.Block = ()
    """What its keys need computed in front of every application."""


@dataclass(frozen=True, eq=False)
class ExternObject:
    """An instance of an extern; `form` is what stands for it in the lowered program."""

    type: types.Extern
    form: "lowered.Counter | lowered.Meter | lowered.Register | lowered.Profile | None"


@dataclass(frozen=True, eq=False)
class Applied:
    """What `table.apply()` gives; who takes `hit`, `miss` or `action_run` of it (or nothing) lets it happen."""

    table: Table
    position: Position


@dataclass(frozen=True, eq=False)
class Broken:
    """Declared, but in error: what uses it is not reported again."""

    declaration: syntax.Node


Entity = object
"""Anything that a name can stand for: data, types, declarations, instances."""


def constant(data: Data) -> lowered.Constant | None:
    """The constant that a value is, if it is one."""
    if isinstance(data, Value) and isinstance(data.expression, lowered.Constant):
        return data.expression
    return None


def known(data: Data) -> bool:
    """Whether everything in it is known at compile time."""
    match data:
        case Number() | Text():
            return True
        case Value(expression=lowered.Constant()):
            return True
        case Items(items):
            return all(known(item) for item in items)
        case Fields(members):
            return all(known(member) for member in members.values())
        case _:
            return False


def variable(of: lowered.Variable, type_: Type, writable: bool = True) -> Value:
    """The value of a variable."""
    return Value(type_, lowered.Read(of, of.type), of, writable)


def member(of: Value, name: str) -> Value:
    """A member of a struct or header value that has a place."""
    assert isinstance(of.type, types.Struct | types.Header) and of.place is not None
    type_ = of.type.members[name].type
    place = lowered.Member(of.place, name, types.form(type_))
    return Value(type_, lowered.Read(place, place.type), place, of.writable)
