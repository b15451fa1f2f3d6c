"""What can be called or instantiated, and how arguments meet parameters (P4_16 sections 6.8 and 8.20)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dataplane.compiler import lowered, syntax
from dataplane.compiler.errors import CompileError
from dataplane.compiler.lowered import Annotations
from dataplane.compiler.lowering import types
from dataplane.compiler.lowering.scope import Scope, choices, nearest
from dataplane.compiler.lowering.types import Type
from dataplane.compiler.lowering.values import Data, Entity, Value
from dataplane.compiler.syntax import Direction


@dataclass(frozen=True)
class Parameter:
    """A parameter with its type resolved."""

    name: syntax.Identifier
    type: Type
    direction: Direction
    default: syntax.Expression | None = None
    annotations: syntax.Annotations = ()

    @property
    def written(self) -> bool:
        """Whether the callee writes it."""
        return self.direction in (Direction.OUT, Direction.INOUT)


@dataclass(frozen=True)
class Signature:
    """An extern's function or method; types may have type variables."""

    name: str
    type_parameters: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    result: Type


@dataclass(frozen=True, eq=False)
class ExternFunctions:
    """All extern functions of a name; signatures are resolved when the first is called."""

    prototypes: list[syntax.Prototype]
    scope: Scope
    signatures: list[Signature] = field(default_factory=list)


@dataclass(frozen=True)
class Form:
    """A function or action as it is called: parameters that are not other names of places are variables."""

    function: lowered.Function
    variables: Mapping[str, Value]
    result: Value | None
    exited: Value | None = None
    """Where it leaves that it has met `exit`, so that the caller copies out before it exits itself."""


@dataclass(frozen=True)
class TableForm:
    """An action as tables run it, with the variables of its parameters."""

    action: lowered.Action
    variables: Mapping[str, Value]
    exited: Value | None


@dataclass(frozen=True, eq=False)
class Callable:
    """A P4 function or an action; `forms` by the places that its parameters stand for."""

    declaration: syntax.FunctionDeclaration | syntax.ActionDeclaration
    scope: Scope
    parameters: tuple[Parameter, ...]
    result: Type
    path: str
    """Of an action: the control plane's prefix."""
    isolated: bool
    """It sees nothing but its parameters and constants."""
    forms: dict[tuple[object, ...], Form] = field(default_factory=dict)
    table_forms: "list[TableForm]" = field(default_factory=list)
    """The action as tables have it, once there is one."""
    entered: list[bool] = field(default_factory=list)
    """Not empty while its body is lowered."""

    @property
    def name(self) -> str:
        return self.declaration.name.text


@dataclass(frozen=True, eq=False)
class Overloads:
    """All P4 functions of a name."""

    functions: list[Callable]


@dataclass(frozen=True, eq=False)
class Kind:
    """A parser or control declared with its body."""

    declaration: syntax.ControlDeclaration | syntax.ParserDeclaration
    scope: Scope
    parameters: tuple[Parameter, ...]
    constructor_parameters: tuple[Parameter, ...]
    entered: list[bool] = field(default_factory=list)
    """Not empty while its body is lowered."""
    used: list[bool] = field(default_factory=list)
    """Not empty once its body has been lowered."""

    @property
    def name(self) -> str:
        return self.declaration.name.text

    @property
    def what(self) -> str:
        """`parser` or `control`."""
        return "control" if isinstance(self.declaration, syntax.ControlDeclaration) else "parser"


@dataclass(frozen=True, eq=False)
class Instance:
    """A parser or control with its constructor's arguments; `path` is its name for the control plane."""

    kind: Kind
    path: str
    constants: Mapping[str, Entity]
    forms: list[Form] = field(default_factory=list)
    """Once it has been applied: the function that it is."""


@dataclass(frozen=True, eq=False)
class Package:
    """An instance of a package: what `main` is."""

    name: str
    types: tuple[Type, ...]
    """Type arguments, if they are written."""
    arguments: Mapping[str, Entity]
    node: syntax.Node
    annotations: Annotations


@dataclass(frozen=True)
class Aggregate:
    """A constant list: made where it is used."""

    type: Type
    data: Data


def bind(
    parameters: Sequence[Parameter], arguments: Sequence[syntax.Argument], node: syntax.Node, name: str
) -> dict[str, syntax.Argument]:
    """The argument of each parameter, by position or name; those with defaults may lack."""
    bound: dict[str, syntax.Argument] = {}
    names = [parameter.name.text for parameter in parameters]
    if len(arguments) > len(parameters):
        raise CompileError(
            node.position, f"found {count(len(arguments))} for {name}; expected {count(len(parameters))}"
        )
    for parameter, argument in zip(names, arguments, strict=False):
        if argument.name is not None:
            parameter = argument.name.text
            if parameter not in names:
                raise CompileError(
                    argument.name.position,
                    f"found no parameter {parameter} of {name}{nearest(parameter, names)}; expected {choices(names)}",
                )
        if parameter in bound:
            raise CompileError(argument.position, f"found a second argument {parameter} of {name}; expected one")
        bound[parameter] = argument
    required = [parameter for parameter in parameters if parameter.default is None]
    if any(parameter.name.text not in bound for parameter in required):
        missing = [parameter.name.text for parameter in required if parameter.name.text not in bound]
        raise CompileError(
            node.position,
            f"found {count(len(arguments))} for {name}; "
            f"expected {count(len(parameters))} ({', '.join(missing)} missing)",
        )
    return bound


def count(arguments: int) -> str:
    """`1 argument`, `2 arguments`."""
    return f"{arguments} argument{'' if arguments == 1 else 's'}"


def steady(place: lowered.Place) -> bool:
    """Whether a place is the same whatever happens: no index that is computed."""
    match place:
        case lowered.Variable():
            return True
        case lowered.Member(base=base):
            return steady(base)
        case lowered.Element(base=base, index=index):
            return isinstance(index, lowered.Constant) and steady(base)


def overlap(one: lowered.Place, another: lowered.Place) -> bool:
    """Whether two steady places have bits in common."""
    steps = zip(_path(one), _path(another), strict=False)
    return all(step == other for step, other in steps)


def _path(place: lowered.Place) -> list[object]:
    match place:
        case lowered.Variable(name=name):
            return [name]
        case lowered.Member(base=base, name=name):
            return [*_path(base), name]
        case lowered.Element(base=base, index=index):
            return [*_path(base), index]


def aggregate(of: Type) -> bool:
    """Whether values have parts."""
    return isinstance(of, types.Struct | types.Header | types.Stack | types.Tuple)
