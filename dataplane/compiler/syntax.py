"""The syntax tree of a P4_16 program, as it was written: nothing is resolved, folded or checked.

It holds the whole grammar of P4_16 (specification 1.2.5, appendix G), what this target cannot run included, so that
later layers refuse a construct at its place by its name. Every node's first member is the place where it starts;
positions do not take part in comparisons.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from dataplane.compiler.errors import Position


@dataclass(frozen=True)
class Node:
    """Anything in the tree."""

    position: Position = field(compare=False, repr=False)


# ---- names and annotations -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Identifier(Node):
    """A name at its place: where something is declared, or a member behind a dot."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Annotation(Node):
    """`@name`, `@name(…)` or `@name[…]`.

    `text` is what stands in the parentheses, tokens separated by blanks, a lone string literal unquoted. For
    `@name[…]` (structured) the values are parsed: `expressions`, or `pairs` of `key=expression`.
    """

    name: str
    text: str | None = None
    expressions: "tuple[Expression, ...]" = ()
    pairs: "tuple[tuple[Identifier, Expression], ...]" = ()
    structured: bool = False


Annotations = tuple[Annotation, ...]

# ---- types -----------------------------------------------------------------------------------------------------------


class Basic(StrEnum):
    """Types with a keyword of their own and no width."""

    BOOL = "bool"
    ERROR = "error"
    MATCH_KIND = "match_kind"
    STRING = "string"
    INT = "int"
    """Integers without a width."""
    VOID = "void"
    DONT_CARE = "_"
    """An argument of a generic that is to be inferred."""


@dataclass(frozen=True)
class BasicType(Node):
    kind: Basic


@dataclass(frozen=True)
class BitsType(Node):
    """`bit<width>`, `int<width>` (signed); plain `bit` is `bit<1>`."""

    width: "Expression"
    signed: bool = False


@dataclass(frozen=True)
class VarbitType(Node):
    """`varbit<width>`."""

    width: "Expression"


@dataclass(frozen=True)
class NamedType(Node):
    """A type by its name, a type parameter included; `absolute` with a dot in front (looked up at the top)."""

    name: str
    absolute: bool = False


@dataclass(frozen=True)
class SpecializedType(Node):
    """`base<arguments>`."""

    base: NamedType
    arguments: "tuple[Type, ...]"


@dataclass(frozen=True)
class StackType(Node):
    """`element[size]`."""

    element: "Type"
    size: "Expression"


@dataclass(frozen=True)
class TupleType(Node):
    """`tuple<elements>`."""

    elements: "tuple[Type, ...]"


@dataclass(frozen=True)
class ListType(Node):
    """`list<element>`."""

    element: "Type"


Type = BasicType | BitsType | VarbitType | NamedType | SpecializedType | StackType | TupleType | ListType

# ---- expressions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Integer(Node):
    """`10`, `0xff`, `8w255` (width 8), `4s-3` is a minus in front of `4s3` (width 4, signed)."""

    value: int
    width: int | None = None
    signed: bool = False


@dataclass(frozen=True)
class Boolean(Node):
    value: bool


@dataclass(frozen=True)
class String(Node):
    """A string literal, escapes resolved."""

    value: str


@dataclass(frozen=True)
class Name(Node):
    """A variable, constant, parameter, instance, function, action or table; `this` too."""

    name: str
    absolute: bool = False


@dataclass(frozen=True)
class TypeName(Node):
    """A type where an expression stands: `Kind` in `Kind.A`, `error` in `error.NoMatch`, `C` in `C.apply()`."""

    type: "Type"


@dataclass(frozen=True)
class Member(Node):
    """`base.member`; the node's place is where `base` starts, the member has its own."""

    base: "Expression"
    member: Identifier


@dataclass(frozen=True)
class Index(Node):
    """`base[index]`."""

    base: "Expression"
    index: "Expression"


@dataclass(frozen=True)
class Slice(Node):
    """`base[high:low]`."""

    base: "Expression"
    high: "Expression"
    low: "Expression"


@dataclass(frozen=True)
class Argument(Node):
    """`value` or `name = value`; without a value it is `_`."""

    value: "Expression | None"
    name: Identifier | None = None


@dataclass(frozen=True)
class Call(Node):
    """A call of a function, method, action or constructor (then `function` is a `TypeName`)."""

    function: "Expression"
    type_arguments: tuple[Type, ...]
    arguments: tuple[Argument, ...]


@dataclass(frozen=True)
class Cast(Node):
    """`(type) operand`."""

    type: Type
    operand: "Expression"


class UnaryOperator(StrEnum):
    NOT = "!"
    COMPLEMENT = "~"
    NEGATE = "-"
    PLUS = "+"


@dataclass(frozen=True)
class Unary(Node):
    operator: UnaryOperator
    operand: "Expression"


class BinaryOperator(StrEnum):
    MULTIPLY = "*"
    DIVIDE = "/"
    MODULO = "%"
    ADD = "+"
    SUBTRACT = "-"
    ADD_SATURATING = "|+|"
    SUBTRACT_SATURATING = "|-|"
    SHIFT_LEFT = "<<"
    SHIFT_RIGHT = ">>"
    LESS_EQUAL = "<="
    GREATER_EQUAL = ">="
    LESS = "<"
    GREATER = ">"
    EQUAL = "=="
    UNEQUAL = "!="
    AND = "&"
    OR = "|"
    XOR = "^"
    CONCATENATE = "++"
    LOGICAL_AND = "&&"
    LOGICAL_OR = "||"


@dataclass(frozen=True)
class Binary(Node):
    """The node's place is the operator's."""

    operator: BinaryOperator
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True)
class Conditional(Node):
    """`condition ? then : otherwise`."""

    condition: "Expression"
    then: "Expression"
    otherwise: "Expression"


@dataclass(frozen=True)
class List(Node):
    """`{ a, b }`; `dots` where it ends with `...` (the rest has default values). As a keyset, `(a, b)`."""

    elements: "tuple[Expression, ...]"
    dots: bool = False


@dataclass(frozen=True)
class Record(Node):
    """`{ name = value, … }`; `dots` where it ends with `...`."""

    members: "tuple[tuple[Identifier, Expression], ...]"
    dots: bool = False


@dataclass(frozen=True)
class InvalidHeader(Node):
    """`{#}`: an invalid header or header union."""


@dataclass(frozen=True)
class Dots(Node):
    """`...` as a whole expression: the default value."""


@dataclass(frozen=True)
class Mask(Node):
    """`value &&& mask` in a keyset."""

    value: "Expression"
    mask: "Expression"


@dataclass(frozen=True)
class Range(Node):
    """`low .. high` in a keyset."""

    low: "Expression"
    high: "Expression"


@dataclass(frozen=True)
class Default(Node):
    """`default` or `_` in a keyset, `default` as a switch label."""


Expression = (
    Integer
    | Boolean
    | String
    | Name
    | TypeName
    | Member
    | Index
    | Slice
    | Call
    | Cast
    | Unary
    | Binary
    | Conditional
    | List
    | Record
    | InvalidHeader
    | Dots
    | Mask
    | Range
    | Default
)

# ---- statements ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Assignment(Node):
    """`target = value`; with an operator `target += value` and the like. The place is the target's."""

    target: Expression
    value: Expression
    operator: BinaryOperator | None = None


@dataclass(frozen=True)
class CallStatement(Node):
    """A call alone; `C.apply(…)` with a type (direct application) is a call of `Member(TypeName, apply)`."""

    call: Call


@dataclass(frozen=True)
class Block(Node):
    statements: "tuple[Statement, ...]"
    annotations: Annotations = ()


@dataclass(frozen=True)
class If(Node):
    condition: Expression
    then: "Statement"
    otherwise: "Statement | None" = None


@dataclass(frozen=True)
class SwitchCase(Node):
    """`label: block`; without a block the label falls through to the next one."""

    label: Expression
    block: Block | None


@dataclass(frozen=True)
class Switch(Node):
    value: Expression
    cases: tuple[SwitchCase, ...]


@dataclass(frozen=True)
class Return(Node):
    value: Expression | None = None


@dataclass(frozen=True)
class Exit(Node):
    """`exit;`."""


@dataclass(frozen=True)
class Empty(Node):
    """`;`."""


@dataclass(frozen=True)
class For(Node):
    """`for (start; condition; step) body`."""

    start: "tuple[Statement, ...]"
    condition: Expression
    step: "tuple[Statement, ...]"
    body: "Statement"
    annotations: Annotations = ()


@dataclass(frozen=True)
class ForIn(Node):
    """`for (type variable in values) body`; `values` may be a `Range`."""

    variable: "VariableDeclaration"
    values: Expression
    body: "Statement"
    annotations: Annotations = ()


@dataclass(frozen=True)
class Break(Node):
    """`break;`."""


@dataclass(frozen=True)
class Continue(Node):
    """`continue;`."""


# ---- declarations: parts ---------------------------------------------------------------------------------------------


class Direction(StrEnum):
    NONE = ""
    IN = "in"
    OUT = "out"
    INOUT = "inout"


@dataclass(frozen=True)
class Parameter(Node):
    name: Identifier
    type: Type
    direction: Direction = Direction.NONE
    default: Expression | None = None
    annotations: Annotations = ()


@dataclass(frozen=True)
class Field(Node):
    """A member of a header, struct or header union."""

    name: Identifier
    type: Type
    annotations: Annotations = ()


@dataclass(frozen=True)
class EnumMember(Node):
    name: Identifier
    value: Expression | None = None
    annotations: Annotations = ()


@dataclass(frozen=True)
class Key(Node):
    """One line of a table's key."""

    expression: Expression
    kind: Identifier
    annotations: Annotations = ()


@dataclass(frozen=True)
class ActionReference(Node):
    """An action in a table's list, as default or in an entry; without parentheses `arguments` is none."""

    action: Name
    arguments: tuple[Argument, ...] | None = None
    annotations: Annotations = ()


@dataclass(frozen=True)
class Entry(Node):
    """`[const] [priority =] keyset : action(…)`; several keys are several in `keyset`."""

    keyset: tuple[Expression, ...]
    action: ActionReference
    priority: Expression | None = None
    constant: bool = False
    annotations: Annotations = ()


@dataclass(frozen=True)
class Property(Node):
    """Any other table property: `default_action`, `size`, `counters`, `implementation`, `support_timeout`…"""

    name: Identifier
    value: Expression
    constant: bool = False
    annotations: Annotations = ()


@dataclass(frozen=True)
class SelectCase(Node):
    keyset: tuple[Expression, ...]
    state: Identifier


@dataclass(frozen=True)
class Select(Node):
    """`select (keys) { cases }`."""

    keys: tuple[Expression, ...]
    cases: tuple[SelectCase, ...]


@dataclass(frozen=True)
class State(Node):
    """A parser state; a missing transition is one to `reject`, an `Identifier` an unconditional one."""

    name: Identifier
    statements: "tuple[Statement, ...]"
    transition: Identifier | Select | None
    annotations: Annotations = ()


@dataclass(frozen=True)
class Prototype(Node):
    """Head of a function, an extern function or an extern's method; constructors have no result."""

    name: Identifier
    result: Type | None
    type_parameters: tuple[Identifier, ...]
    parameters: tuple[Parameter, ...]
    abstract: bool = False
    annotations: Annotations = ()


# ---- declarations ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Declaration(Node):
    name: Identifier


@dataclass(frozen=True)
class ConstantDeclaration(Declaration):
    type: Type
    value: Expression
    annotations: Annotations = ()


@dataclass(frozen=True)
class VariableDeclaration(Declaration):
    type: Type
    value: Expression | None = None
    annotations: Annotations = ()


@dataclass(frozen=True)
class Instantiation(Declaration):
    """`type(arguments) name;`; `body` are the methods that implement an extern's abstract ones."""

    type: Type
    arguments: tuple[Argument, ...]
    body: "tuple[FunctionDeclaration | Instantiation, ...] | None" = None
    annotations: Annotations = ()


@dataclass(frozen=True)
class HeaderDeclaration(Declaration):
    fields: tuple[Field, ...]
    type_parameters: tuple[Identifier, ...] = ()
    annotations: Annotations = ()


@dataclass(frozen=True)
class HeaderUnionDeclaration(Declaration):
    fields: tuple[Field, ...]
    type_parameters: tuple[Identifier, ...] = ()
    annotations: Annotations = ()


@dataclass(frozen=True)
class StructDeclaration(Declaration):
    fields: tuple[Field, ...]
    type_parameters: tuple[Identifier, ...] = ()
    annotations: Annotations = ()


@dataclass(frozen=True)
class EnumDeclaration(Declaration):
    """With an underlying type it is serializable."""

    members: tuple[EnumMember, ...]
    underlying: Type | None = None
    annotations: Annotations = ()


@dataclass(frozen=True)
class ErrorDeclaration(Node):
    """`error { … }`; adds to those there are."""

    members: tuple[Identifier, ...]


@dataclass(frozen=True)
class MatchKindDeclaration(Node):
    """`match_kind { … }`; adds to those there are."""

    members: tuple[Identifier, ...]


@dataclass(frozen=True)
class TypedefDeclaration(Declaration):
    """`typedef type name;`, or with `new` `type type name;`, which makes a type of its own."""

    type: Type
    new: bool = False
    annotations: Annotations = ()


@dataclass(frozen=True)
class ParserTypeDeclaration(Declaration):
    """`parser P<…>(…);`."""

    type_parameters: tuple[Identifier, ...]
    parameters: tuple[Parameter, ...]
    annotations: Annotations = ()


@dataclass(frozen=True)
class ControlTypeDeclaration(Declaration):
    """`control C<…>(…);`."""

    type_parameters: tuple[Identifier, ...]
    parameters: tuple[Parameter, ...]
    annotations: Annotations = ()


@dataclass(frozen=True)
class PackageDeclaration(Declaration):
    """`package P<…>(…);`."""

    type_parameters: tuple[Identifier, ...]
    parameters: tuple[Parameter, ...]
    annotations: Annotations = ()


@dataclass(frozen=True)
class ValueSetDeclaration(Declaration):
    """`value_set<type>(size) name;`."""

    type: Type
    size: Expression
    annotations: Annotations = ()


@dataclass(frozen=True)
class ParserDeclaration(Declaration):
    type_parameters: tuple[Identifier, ...]
    parameters: tuple[Parameter, ...]
    constructor_parameters: tuple[Parameter, ...]
    locals: "tuple[Local, ...]"
    states: tuple[State, ...]
    annotations: Annotations = ()


@dataclass(frozen=True)
class ControlDeclaration(Declaration):
    type_parameters: tuple[Identifier, ...]
    parameters: tuple[Parameter, ...]
    constructor_parameters: tuple[Parameter, ...]
    locals: "tuple[Local, ...]"
    apply: Block
    annotations: Annotations = ()


@dataclass(frozen=True)
class ActionDeclaration(Declaration):
    parameters: tuple[Parameter, ...]
    body: Block
    annotations: Annotations = ()


@dataclass(frozen=True)
class TableDeclaration(Declaration):
    """`keys`, `actions`, `entries` are none where the table has no such property."""

    keys: tuple[Key, ...] | None
    actions: tuple[ActionReference, ...] | None
    entries: tuple[Entry, ...] | None
    constant_entries: bool
    properties: tuple[Property, ...]
    annotations: Annotations = ()


@dataclass(frozen=True)
class FunctionDeclaration(Declaration):
    """A function with a body; its name is the prototype's."""

    prototype: Prototype
    body: Block


@dataclass(frozen=True)
class ExternFunctionDeclaration(Declaration):
    """`extern result name<…>(…);`."""

    prototype: Prototype


@dataclass(frozen=True)
class ExternDeclaration(Declaration):
    """`extern E<…> { … }`; a constructor is a method without result, named as the extern."""

    type_parameters: tuple[Identifier, ...]
    methods: tuple[Prototype, ...]
    annotations: Annotations = ()


Local = (
    ConstantDeclaration
    | VariableDeclaration
    | Instantiation
    | ActionDeclaration
    | TableDeclaration
    | ValueSetDeclaration
)
"""What stands within parsers, controls and blocks (in blocks constants, variables and instances alone)."""

Statement = (
    Assignment
    | CallStatement
    | Block
    | If
    | Switch
    | Return
    | Exit
    | Empty
    | For
    | ForIn
    | Break
    | Continue
    | ConstantDeclaration
    | VariableDeclaration
    | Instantiation
)

TopLevel = (
    ConstantDeclaration
    | Instantiation
    | HeaderDeclaration
    | HeaderUnionDeclaration
    | StructDeclaration
    | EnumDeclaration
    | ErrorDeclaration
    | MatchKindDeclaration
    | TypedefDeclaration
    | ParserTypeDeclaration
    | ControlTypeDeclaration
    | PackageDeclaration
    | ParserDeclaration
    | ControlDeclaration
    | ActionDeclaration
    | FunctionDeclaration
    | ExternFunctionDeclaration
    | ExternDeclaration
)


@dataclass(frozen=True)
class Program(Node):
    """A whole program, included files too, in order."""

    declarations: tuple[TopLevel, ...]


def named(annotations: Annotations, name: str) -> Iterator[Annotation]:
    """The annotations with a name."""
    return (annotation for annotation in annotations if annotation.name == name)
