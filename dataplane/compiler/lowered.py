"""The lowered form: a checked program with nothing left to resolve.

Every name is a variable, every type concrete, every constant folded. Parsers and controls that others apply are inlined
(their variables renamed); calls copy parameters in and out explicitly (P4_16 section 6.8); extern calls are statements
of their own. `emitter` prints it as C, `p4info` and `layout` describe it, the tests' reference interprets it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Literal

from dataplane.compiler.errors import NOWHERE, Position

# ---- types -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bits:
    """`bit<width>`, or `int<width>` where signed; 1 to 128 bits. Enums and errors are numbers of 32 bits."""

    width: int
    signed: bool = False


@dataclass(frozen=True)
class Boolean:
    """`bool`; in a header it takes one bit."""


@dataclass(frozen=True)
class Field:
    """A member of a header or struct."""

    name: str
    type: "Type"
    annotations: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Header:
    """A header type: `Bits` and `Boolean` members alone, in order of the wire; its length is a multiple of 8 bits."""

    name: str
    fields: tuple[Field, ...]
    annotations: Mapping[str, str] = field(default_factory=dict, compare=False)
    """`controller_header` for packet-in and packet-out."""

    @property
    def width(self) -> int:
        """Bits on the wire."""
        return sum(width(member.type) for member in self.fields)


@dataclass(frozen=True)
class Struct:
    """A struct type; members of any type."""

    name: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Stack:
    """A header stack, with its `nextIndex`."""

    element: Header
    size: int


Type = Bits | Boolean | Header | Struct | Stack


def width(of: Type) -> int:
    """Bits of a type as it stands in a header, a digest or a hash; stacks count every element."""
    match of:
        case Bits(bits):
            return bits
        case Boolean():
            return 1
        case Stack(element, size):
            return size * element.width
        case _:
            return sum(width(member.type) for member in of.fields)


# ---- places: what can be read and assigned ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Variable:
    """A place with a name, unique in the program; there is no recursion, so one of each is enough."""

    name: str
    type: Type


@dataclass(frozen=True)
class Member:
    """A member of a header or struct."""

    base: "Place"
    name: str
    type: Type


@dataclass(frozen=True)
class Element:
    """An element of a stack. Outside its bounds reading gives zero (invalid), writing changes nothing."""

    base: "Place"
    index: "Expression"
    type: Header


Place = Variable | Member | Element

HEADERS = "headers"
METADATA = "metadata"
STANDARD = "standard_metadata"
"""Names of the variables that parser, controls and deparser share."""

# ---- expressions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Constant:
    """A number (for `int<N>` negative ones too) or, as 0 and 1, a boolean."""

    value: int
    type: Bits | Boolean


@dataclass(frozen=True)
class Read:
    """The value of a place; for an invalid header's member whatever is there."""

    place: Place
    type: Type


class UnaryOperator(StrEnum):
    NEGATE = "-"
    COMPLEMENT = "~"
    NOT = "!"


class BinaryOperator(StrEnum):
    """Both sides have the same type but for shifts; comparisons and logic give `Boolean`."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"
    MODULO = "%"
    ADD_SATURATING = "|+|"
    SUBTRACT_SATURATING = "|-|"
    AND = "&"
    OR = "|"
    XOR = "^"
    SHIFT_LEFT = "<<"
    SHIFT_RIGHT = ">>"
    """Arithmetic for `int<N>`."""
    EQUAL = "=="
    """Of headers and structs too: same members; of headers: both invalid, or both valid with the same members."""
    UNEQUAL = "!="
    LESS = "<"
    LESS_EQUAL = "<="
    GREATER = ">"
    GREATER_EQUAL = ">="
    LOGICAL_AND = "&&"
    """The right side is evaluated only where the left leaves it open; expressions have no side effects here."""
    LOGICAL_OR = "||"


@dataclass(frozen=True)
class Unary:
    operator: UnaryOperator
    operand: "Expression"
    type: Bits | Boolean


@dataclass(frozen=True)
class Binary:
    operator: BinaryOperator
    left: "Expression"
    right: "Expression"
    type: Bits | Boolean
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Slice:
    """Bits `high` to `low` of a number, as `bit<high - low + 1>`."""

    operand: "Expression"
    high: int
    low: int
    type: Bits


@dataclass(frozen=True)
class Concatenation:
    """`left ++ right`; the result is at most 128 bits."""

    left: "Expression"
    right: "Expression"
    type: Bits


@dataclass(frozen=True)
class Cast:
    """Between numbers (truncated, zero- or sign-extended by the operand's sign) and between `bit<1>` and `bool`."""

    operand: "Expression"
    type: Bits | Boolean


@dataclass(frozen=True)
class Conditional:
    condition: "Expression"
    then: "Expression"
    otherwise: "Expression"
    type: Type


@dataclass(frozen=True)
class IsValid:
    """`header.isValid()`."""

    header: Place
    type: Boolean = field(default_factory=Boolean)


@dataclass(frozen=True)
class NextIndex:
    """A stack's `nextIndex`; `lastIndex` is this minus one."""

    stack: Place
    type: Bits = field(default_factory=lambda: Bits(32))


Expression = Constant | Read | Unary | Binary | Slice | Concatenation | Cast | Conditional | IsValid | NextIndex

# ---- statements ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Assign:
    """Numbers, booleans; whole headers (validity too), structs and stacks (`nextIndex` too) of the same type.

    With `bits` (high, low) only these bits of a number change.
    """

    target: Place
    value: Expression
    bits: tuple[int, int] | None = None
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class SetValidity:
    header: Place
    valid: bool


@dataclass(frozen=True)
class Push:
    """`push_front(count)`; with a negative count `pop_front(-count)` (P4_16 section 8.18)."""

    stack: Place
    count: int


@dataclass(frozen=True)
class If:
    condition: Expression
    then: "Block"
    otherwise: "Block"
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Switch:
    """The first case with the value; without one the default."""

    value: Expression
    cases: tuple[tuple[tuple[int, ...], "Block"], ...]
    default: "Block"
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Call:
    """Runs a function, or an action outside a table: parameters have been assigned before, and are copied out after."""

    function: "Function"


@dataclass(frozen=True)
class Apply:
    """Applies a table: `hit` and `action_run` (index into the program's actions) are set where wanted."""

    table: "Table"
    hit: Variable | None = None
    action_run: Variable | None = None
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Return:
    """Ends the function, the action, or the block of the pipeline that it stands in."""


@dataclass(frozen=True)
class Exit:
    """Ends ingress or egress."""


# parser


@dataclass(frozen=True)
class Extract:
    """`packet.extract(header)`; where the target is a stack: into its `next`, which then moves on."""

    target: Place
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Lookahead:
    """`target = packet.lookahead<T>()`; bits are left where they are."""

    target: Place
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Advance:
    """`packet.advance(bits)`; bits of type `Bits(32)`, a multiple of 8 or the packet is rejected."""

    bits: Expression
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Verify:
    """`verify(condition, error)`: else the parser rejects with this error."""

    condition: Expression
    error: Expression


# deparser


@dataclass(frozen=True)
class Emit:
    """`packet.emit(place)`: a header if valid; of a struct or stack each valid header in order."""

    place: Place
    position: Position = field(default=NOWHERE, compare=False)


# externs of v1model


class Algorithm(Enum):
    """`HashAlgorithm` of v1model, numbered as there."""

    CRC32 = 0
    CRC32_CUSTOM = 1
    CRC16 = 2
    CRC16_CUSTOM = 3
    RANDOM = 4
    IDENTITY = 5
    CSUM16 = 6
    XOR16 = 7


@dataclass(frozen=True)
class Checksum:
    """`verify_checksum` (target none: sets `checksum_error` where `expected` differs) and `update_checksum`.

    `data` are numbers, booleans, headers or structs, one after the other; `payload` adds what follows the parsed
    headers.
    """

    condition: Expression
    data: tuple[Expression, ...]
    algorithm: Algorithm
    payload: bool
    expected: Expression | None = None
    target: Place | None = None
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Hash:
    """`target = base + (hash of data) % maximum`, or `base` where maximum is 0."""

    target: Place
    algorithm: Algorithm
    base: Expression
    data: tuple[Expression, ...]
    maximum: Expression
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Random:
    """`target` is from `low` to `high`, both included."""

    target: Place
    low: Expression
    high: Expression


@dataclass(frozen=True)
class Count:
    """An indirect counter at an index (`Bits`); beyond its size nothing happens."""

    counter: "Counter"
    index: Expression


@dataclass(frozen=True)
class DirectCount:
    """In an action: counts at the entry that was hit. Only where the program calls it (v1model counts every hit)."""

    counter: "Counter"


@dataclass(frozen=True)
class ExecuteMeter:
    """Colour (0 green, 1 yellow, 2 red) of an indirect meter at an index into `target`."""

    meter: "Meter"
    index: Expression
    target: Place


@dataclass(frozen=True)
class ReadDirectMeter:
    """Colour of the entry that was hit into `target`."""

    meter: "Meter"
    target: Place


@dataclass(frozen=True)
class ReadRegister:
    """Beyond its size reads zero."""

    target: Place
    register: "Register"
    index: Expression


@dataclass(frozen=True)
class WriteRegister:
    """Beyond its size changes nothing."""

    register: "Register"
    index: Expression
    value: Expression


@dataclass(frozen=True)
class Digest:
    """`digest(receiver, data)`: one message for the controller when ingress has ended."""

    digest: "DigestType"
    data: Expression


@dataclass(frozen=True)
class Clone:
    """`clone`/`clone_preserving_field_list`: when ingress (or egress) ends, a copy goes to a session's ports.

    `preserve`: the metadata that the copy keeps (members with `@field_list` of that number).
    """

    from_egress: bool
    session: Expression
    preserve: tuple[Place, ...]


@dataclass(frozen=True)
class Resubmit:
    """`resubmit_preserving_field_list`: after ingress the packet as it came starts again."""

    preserve: tuple[Place, ...]


@dataclass(frozen=True)
class Recirculate:
    """`recirculate_preserving_field_list`: after the deparser the packet as it is starts again."""

    preserve: tuple[Place, ...]


@dataclass(frozen=True)
class Truncate:
    """`truncate(bytes)`: what leaves is at most so long."""

    length: Expression


@dataclass(frozen=True)
class MarkToDrop:
    """`mark_to_drop(standard_metadata)`: egress_spec 511, mcast_grp 0."""


Statement = (
    Assign
    | SetValidity
    | Push
    | If
    | Switch
    | Call
    | Apply
    | Return
    | Exit
    | Extract
    | Lookahead
    | Advance
    | Verify
    | Emit
    | Checksum
    | Hash
    | Random
    | Count
    | DirectCount
    | ExecuteMeter
    | ReadDirectMeter
    | ReadRegister
    | WriteRegister
    | Digest
    | Clone
    | Resubmit
    | Recirculate
    | Truncate
    | MarkToDrop
)
Block = tuple[Statement, ...]

# ---- objects ---------------------------------------------------------------------------------------------------------

Annotations = Mapping[str, str]
"""Name to text within the parentheses, string literals unquoted: `id`, `name`, `alias`, `hidden`…"""


@dataclass(frozen=True, eq=False)
class Function:
    """A control (or P4 function) that is called: parameters and locals are variables of the program."""

    name: str
    body: Block


@dataclass(frozen=True, eq=False)
class Action:
    """`parameters` are action data from the control plane, in order; directional ones are variables assigned before.

    Names are those of the control plane: `MyIngress.ipv4_forward`, or `NoAction`.
    """

    name: str
    parameters: tuple[Variable, ...]
    """Their P4 names are in `parameter_names`: a variable's own is unique in the program."""
    parameter_names: tuple[str, ...]
    body: Block
    annotations: Annotations
    parameter_annotations: tuple[Annotations, ...] = ()
    position: Position = NOWHERE


@dataclass(frozen=True)
class TableAction:
    """An action of a table; `before` copies bound directional arguments in, `after` out (and exits where it has to)."""

    action: Action
    before: Block = ()
    after: Block = ()
    annotations: Annotations = field(default_factory=dict, compare=False)
    """`tableonly`, `defaultonly`."""


class MatchKind(StrEnum):
    EXACT = "exact"
    LPM = "lpm"
    TERNARY = "ternary"
    RANGE = "range"
    OPTIONAL = "optional"
    SELECTOR = "selector"
    """Not matched: input of an action selector's hash."""


@dataclass(frozen=True)
class Key:
    name: str
    """As the control plane has it: `hdr.ipv4.dstAddr`, or from `@name`."""
    expression: Expression
    """A number or boolean."""
    kind: MatchKind
    annotations: Annotations = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class KeyValue:
    """What an entry wants of one key: exact (mask all ones), lpm (mask of leading ones), ternary, optional (mask all or
    nothing), or `high` for a range from `value` to `high`."""

    value: int
    mask: int
    high: int | None = None


@dataclass(frozen=True)
class ActionCall:
    """An action with action data."""

    action: Action
    arguments: tuple[int, ...]


@dataclass(frozen=True)
class Entry:
    """An entry that the program brings; a larger priority wins, as in P4Runtime (without meaning for exact and lpm)."""

    keys: tuple[KeyValue, ...]
    call: ActionCall
    priority: int
    constant: bool
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, eq=False)
class Table:
    name: str
    keys: tuple[Key, ...]
    actions: tuple[TableAction, ...]
    default: ActionCall
    constant_default: bool
    size: int
    entries: tuple[Entry, ...]
    constant_entries: bool
    """`const entries`: the control plane cannot change them."""
    annotations: Annotations
    counter: "Counter | None" = None
    meter: "Meter | None" = None
    meter_target: Place | None = None
    """Where a direct meter's colour goes at every hit, if v1model's `read` is not called."""
    profile: "Profile | None" = None
    idle_timeout: bool = False
    position: Position = NOWHERE

    @property
    def matched(self) -> tuple[Key, ...]:
        """The keys that entries give values for."""
        return tuple(key for key in self.keys if key.kind is not MatchKind.SELECTOR)


Unit = Literal["packets", "bytes", "packets_and_bytes"]


@dataclass(frozen=True, eq=False)
class Counter:
    """Indirect with a size, direct without."""

    name: str
    unit: Unit
    size: int | None
    annotations: Annotations


@dataclass(frozen=True, eq=False)
class Meter:
    """A two-rate three-colour marker (RFC 2698), indirect with a size, direct without."""

    name: str
    unit: Literal["packets", "bytes"]
    size: int | None
    annotations: Annotations


@dataclass(frozen=True, eq=False)
class Register:
    name: str
    type: Bits
    size: int
    annotations: Annotations


@dataclass(frozen=True, eq=False)
class Profile:
    """An action profile, or with an algorithm an action selector."""

    name: str
    size: int
    algorithm: Algorithm | None
    output_width: int
    annotations: Annotations


@dataclass(frozen=True, eq=False)
class DigestType:
    name: str
    type: Struct
    annotations: Annotations


# ---- the program -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One case of a select: each key's values, none for don't care."""

    values: tuple[KeyValue | None, ...]
    state: str


@dataclass(frozen=True)
class Select:
    """The first case that holds; none: rejected with `NoMatch`. A plain transition is one case without keys."""

    keys: tuple[Expression, ...]
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class State:
    """A parser state; `accept` and `reject` end."""

    name: str
    statements: Block
    transition: Select
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, eq=False)
class Program:
    """A v1model program. Blocks use the variables `headers`, `metadata` and `standard_metadata`, and `variables`."""

    name: str
    headers: Variable
    metadata: Variable
    standard: Variable
    variables: tuple[Variable, ...]
    """All others: locals and parameters; not initialized by themselves."""
    start: str
    states: Mapping[str, State]
    """Subparsers inlined."""
    verify_checksum: Block
    ingress: Block
    egress: Block
    compute_checksum: Block
    deparser: Block
    functions: tuple[Function, ...]
    """A function calls only earlier ones."""
    actions: tuple[Action, ...]
    """An action calls only earlier ones."""
    tables: tuple[Table, ...]
    counters: tuple[Counter, ...]
    meters: tuple[Meter, ...]
    registers: tuple[Register, ...]
    profiles: tuple[Profile, ...]
    digests: tuple[DigestType, ...]
    errors: tuple[str, ...]
    """By number: NoError, PacketTooShort, NoMatch, StackOutOfBounds, HeaderTooShort, ParserTimeout,
    ParserInvalidArgument, then the program's own."""
    controller_headers: tuple[Header, ...]
    """Header types with `@controller_header`."""
    package_annotations: Annotations = field(default_factory=dict)


def statements(block: Block) -> Iterator[Statement]:
    """Every statement of a block, those of branches too; called functions, actions and tables not."""
    for statement in block:
        yield statement
        match statement:
            case If(_, then, otherwise):
                yield from statements(then)
                yield from statements(otherwise)
            case Switch(_, cases, default):
                for _, inner in cases:
                    yield from statements(inner)
                yield from statements(default)
