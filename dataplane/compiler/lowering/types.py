"""Types as the checker knows them, and what they become in the lowered form.

`Bits` and `Boolean` are the lowered ones. Types that a program names are equal only to themselves; the others by what
they consist of.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Union

from dataplane.compiler import lowered
from dataplane.compiler.lowered import Bits, Boolean

ENUM = Bits(32)
"""What enums and errors are in the lowered form."""
BOOLEAN = Boolean()
BIT32 = Bits(32)


@dataclass(frozen=True)
class Integer:
    """`int`: compile-time numbers without width."""


@dataclass(frozen=True)
class Text:
    """`string`."""


@dataclass(frozen=True)
class Void:
    """`void`: of calls without a value."""


@dataclass(frozen=True)
class ErrorType:
    """`error`."""


@dataclass(frozen=True)
class Anything:
    """The type of `_` as an argument, and of a type argument that is left open."""


@dataclass(frozen=True, eq=False)
class Enum:
    """`enum`: members are numbered from 0."""

    name: str
    members: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class SerializableEnum:
    """`enum bit<N>`: members have the values that the program gives them."""

    name: str
    underlying: Bits
    members: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class NewType:
    """`type`: a type of its own, made from and turned into the underlying one only by casts."""

    name: str
    underlying: "Type"


@dataclass(frozen=True)
class Member:
    """A member of a header or struct."""

    type: "Type"
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Header:
    """`header`."""

    name: str
    members: Mapping[str, Member]
    form: lowered.Header


@dataclass(frozen=True, eq=False)
class Struct:
    """`struct`."""

    name: str
    members: Mapping[str, Member]
    form: lowered.Struct


@dataclass(frozen=True)
class Stack:
    """`header[size]`."""

    element: Header
    size: int


@dataclass(frozen=True)
class Tuple:
    """`tuple<...>`, and the type of `{ a, b }`."""

    elements: tuple["Type", ...]


@dataclass(frozen=True)
class Record:
    """The type of `{ a = 1, b = 2 }`."""

    members: tuple[tuple[str, "Type"], ...]


@dataclass(frozen=True)
class TypeVariable:
    """A type parameter of an extern, control or package declaration."""

    name: str


@dataclass(frozen=True)
class Extern:
    """An extern type with its type arguments; `packet_in` and `packet_out` too."""

    name: str
    arguments: tuple["Type", ...] = ()


@dataclass(frozen=True)
class Block:
    """The type of a parser, control or package declared without body, with its type arguments."""

    name: str
    arguments: tuple["Type", ...] = ()


@dataclass(frozen=True, eq=False)
class ActionName:
    """The type of `action_run`: the names of one table's actions, numbered as in the program."""

    table: str
    members: Mapping[str, int]


Type = Union[  # noqa: UP007 - forward references
    Bits,
    Boolean,
    Integer,
    Text,
    Void,
    ErrorType,
    Anything,
    Enum,
    SerializableEnum,
    NewType,
    Header,
    Struct,
    Stack,
    Tuple,
    Record,
    TypeVariable,
    Extern,
    Block,
    ActionName,
]

INTEGER = Integer()
TEXT = Text()
VOID = Void()
ERROR = ErrorType()
ANYTHING = Anything()


def describe(of: Type) -> str:
    """A type as a program writes it."""
    match of:
        case Bits(width, signed):
            return f"{'int' if signed else 'bit'}<{width}>"
        case Stack(element, size):
            return f"{element.name}[{size}]"
        case Tuple(elements):
            return f"tuple<{', '.join(describe(element) for element in elements)}>"
        case Record(members):
            return f"{{ {', '.join(f'{name} = {describe(type_)}' for name, type_ in members)} }}"
        case Extern(name, arguments) | Block(name, arguments):
            return f"{name}<{', '.join(describe(argument) for argument in arguments)}>" if arguments else name
        case ActionName(table):
            return f"action of {table}"
        case Enum() | SerializableEnum() | NewType() | Header() | Struct() | TypeVariable():
            return of.name
        case _:
            return _PLAIN[type(of)]


_PLAIN: Mapping[type, str] = {
    Boolean: "bool",
    Integer: "int",
    Text: "string",
    Void: "void",
    ErrorType: "error",
    Anything: "_",
}


@singledispatch
def form(of: Type) -> lowered.Type:
    """A type in the lowered form; of types of variables only."""
    raise TypeError(f"no variable has the type {describe(of)}")


@form.register(Bits)
@form.register(Boolean)
def _same(of: Bits | Boolean) -> lowered.Type:
    return of


@form.register(Enum)
@form.register(ErrorType)
@form.register(ActionName)
def _numbered(_: Enum | ErrorType | ActionName) -> lowered.Type:
    return ENUM


@form.register(SerializableEnum)
@form.register(NewType)
def _underlying(of: SerializableEnum | NewType) -> lowered.Type:
    return form(of.underlying)


@form.register(Header)
@form.register(Struct)
def _named(of: Header | Struct) -> lowered.Type:
    return of.form


@form.register(Stack)
def _stack(of: Stack) -> lowered.Type:
    return lowered.Stack(of.element.form, of.size)


@form.register(Tuple)
def _tuple(of: Tuple) -> lowered.Type:
    fields = tuple(lowered.Field(f"f{index}", form(element)) for index, element in enumerate(of.elements))
    return lowered.Struct(describe(of), fields)


def storable(of: Type) -> bool:
    """Whether a variable can have this type."""
    match of:
        case Integer() | Text() | Void() | Anything() | Record() | TypeVariable() | Extern() | Block():
            return False
        case Tuple(elements):
            return all(storable(element) for element in elements)
        case _:
            return True


def scalar(of: Type) -> bool:
    """Whether its values are one number or boolean."""
    return isinstance(of, Bits | Boolean | Enum | SerializableEnum | ErrorType | ActionName) or (
        isinstance(of, NewType) and scalar(of.underlying)
    )


def decayed(of: Type) -> Type:
    """A type as arithmetic takes it: of a serializable enum the underlying one."""
    return of.underlying if isinstance(of, SerializableEnum) else of


def number(of: Type) -> Bits | Boolean:
    """The lowered type of a scalar."""
    result = form(of)
    assert isinstance(result, Bits | Boolean)
    return result
