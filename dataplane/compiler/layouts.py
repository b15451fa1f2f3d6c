"""The layout of a program: which maps it has, and what lies where in them."""

from collections.abc import Iterable, Sequence
from typing import Literal

from dataplane.compiler.layout import (
    RECORD_HEADER,
    REFERENCE_SIZE,
    ActionLayout,
    CounterLayout,
    DigestLayout,
    KeyField,
    Layout,
    MeterLayout,
    Parameter,
    ProfileLayout,
    RegisterLayout,
    TableLayout,
)
from dataplane.compiler.lowered import (
    Action,
    Counter,
    DigestType,
    Field,
    Key,
    MatchKind,
    Meter,
    Profile,
    Program,
    Register,
    Stack,
    Struct,
    Table,
    Type,
    width,
)

MASKED = {MatchKind.TERNARY, MatchKind.RANGE, MatchKind.OPTIONAL}


def layout(program: Program) -> Layout:
    """Where everything of a program lies; the same program gives the same layout."""
    actions = {action: _action(number, action) for number, action in enumerate(program.actions)}
    return Layout(
        tuple(actions.values()),
        tuple(_table(number, table, actions) for number, table in enumerate(program.tables)),
        tuple(_profile(number, profile, program, actions) for number, profile in enumerate(program.profiles)),
        tuple(
            CounterLayout(counter.name, map_of(program, counter), counter.size)
            for counter in program.counters
            if counter.size is not None
        ),
        tuple(
            MeterLayout(meter.name, map_of(program, meter), meter.size)
            for meter in program.meters
            if meter.size is not None
        ),
        tuple(_register(map_of(program, register), register) for register in program.registers),
        tuple(_digest(number, digest) for number, digest in enumerate(program.digests)),
    )


def map_of(program: Program, what: Counter | Meter | Register) -> str:
    """Name of the map of an indirect counter or meter, or a register."""
    match what:
        case Counter():
            return f"c{program.counters.index(what)}"
        case Meter():
            return f"m{program.meters.index(what)}"
        case _:
            return f"r{program.registers.index(what)}"


def kind_of(table: Table) -> Literal["exact", "lpm", "ternary"]:
    """How entries are found: by the whole key, by the longest prefix of one lpm key, or by masks."""
    kinds = [key.kind for key in table.matched]
    if MASKED & set(kinds) or kinds.count(MatchKind.LPM) > 1:
        return "ternary"
    return "lpm" if MatchKind.LPM in kinds else "exact"


def integer_size(bits: int) -> int:
    """Bytes of the smallest C integer that holds so many bits: 1, 2, 4, 8 or 16."""
    return next(size for size in (1, 2, 4, 8, 16) if bits <= 8 * size)


def record_size(actions: Iterable[ActionLayout]) -> int:
    """Bytes of a record for any of these actions, a multiple of 8."""
    ends = [parameter.offset + parameter.size for action in actions for parameter in action.parameters]
    return (max(ends, default=RECORD_HEADER) + 7) // 8 * 8


def members(of: Type, name: str = "") -> list[tuple[str, Type]]:
    """Numbers and booleans of a type, one after the other, with their names (`ipv4.ttl`, `labels[0].ttl`)."""
    match of:
        case Stack(element, size):
            return [each for place in range(size) for each in members(element, f"{name}[{place}]")]
        case _ if not isinstance(of, Struct) and not hasattr(of, "fields"):
            return [(name, of)]
        case _:
            fields: Sequence[Field] = of.fields
            prefix = f"{name}." if name else ""
            return [each for field in fields for each in members(field.type, prefix + field.name)]


def _action(number: int, action: Action) -> ActionLayout:
    parameters, offset = [], RECORD_HEADER
    for name, variable in zip(action.parameter_names, action.parameters, strict=True):
        size = integer_size(width(variable.type))
        alignment = min(size, 8)
        offset = (offset + alignment - 1) // alignment * alignment
        parameters.append(Parameter(name, width(variable.type), offset, size))
        offset += size
    return ActionLayout(action.name, number, tuple(parameters))


def _table(number: int, table: Table, actions: dict[Action, ActionLayout]) -> TableLayout:
    kind = kind_of(table)
    key = _key(table.matched, lpm_last=kind == "lpm")
    record = record_size(actions[each.action] for each in table.actions)
    return TableLayout(
        name=table.name,
        kind=kind,
        key=key,
        key_size=sum(field.size for field in key),
        record_size=REFERENCE_SIZE if table.profile else record,
        size=table.size,
        entries=f"t{number}_entries",
        default=f"t{number}_default",
        masks=f"t{number}_masks" if kind == "ternary" else None,
        counter=f"t{number}_counter" if table.counter else None,
        meter=f"t{number}_meter" if table.meter else None,
        last_hit=f"t{number}_last_hit" if table.idle_timeout else None,
        profile=table.profile.name if table.profile else None,
    )


def _key(keys: Sequence[Key], lpm_last: bool) -> tuple[KeyField, ...]:
    order = sorted(keys, key=lambda key: lpm_last and key.kind is MatchKind.LPM)
    offsets, offset = {}, 0
    for key in order:
        offsets[key.name] = offset
        offset += (width(key.expression.type) + 7) // 8
    return tuple(KeyField(key.name, width(key.expression.type), offsets[key.name]) for key in keys)


def _profile(number: int, profile: Profile, program: Program, actions: dict[Action, ActionLayout]) -> ProfileLayout:
    users = [table for table in program.tables if table.profile is profile]
    used = [actions[each.action] for table in users for each in table.actions]
    return ProfileLayout(profile.name, f"p{number}_members", f"p{number}_groups", record_size(used))


def _register(name: str, register: Register) -> RegisterLayout:
    bits = register.type.width
    return RegisterLayout(register.name, name, register.size, bits, integer_size(bits))


def _digest(number: int, digest: DigestType) -> DigestLayout:
    fields, offset = [], 0
    for name, kind in members(digest.type):
        fields.append(KeyField(name, width(kind), offset))
        offset += fields[-1].size
    return DigestLayout(digest.name, number, tuple(fields))
