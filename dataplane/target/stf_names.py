"""Names and values of an STF test to those of P4Info: tests name tables, keys and actions by their last parts."""

import re
from collections.abc import Iterable
from typing import Any, TypeVar

from finsy.proto import p4i, p4r

from dataplane.compiler.errors import CompileError, Position
from dataplane.target.stf import Call, Value
from meclab.check import nearest

T = TypeVar("T")
Match = p4i.MatchField


def find(kind: str, name: str, known: Iterable[tuple[str, T]], position: Position) -> T:
    """The one thing with this name, or whose name ends so; raises `CompileError` where there is none, or several."""
    candidates = list(known)
    wanted = canonical(name)
    for test in (str.__eq__, _ends_after_dot, str.endswith):
        found = {full: value for full, value in candidates if test(canonical(full), wanted)}
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            raise CompileError(position, f"found {kind} {name}, which may be any of {', '.join(found)}")
    raise CompileError(position, f"found {kind} {name}, expected {nearest(name, [full for full, _ in candidates])}")


def _ends_after_dot(full: str, wanted: str) -> bool:
    return full.endswith(f".{wanted}")


def canonical(name: str) -> str:
    """`data$1.valid`, `data[1].$valid$` and `data[1].isValid()` are the same key."""
    name = re.sub(r"\$([0-9]+)(?![\w$])", r"[\1]", name)
    return re.sub(r"(^|\.)(isValid\(\)|valid|\$valid)$", r"\1$valid$", name)


class Schema:
    """The tables and externs of a program."""

    def __init__(self, info: p4i.P4Info) -> None:
        self.info = info
        self._actions = {action.preamble.id: action for action in info.actions}

    def table(self, name: str, position: Position) -> p4i.Table:
        return find("table", name, ((each.preamble.name, each) for each in self.info.tables), position)

    def named(self, kind: str, objects: Iterable[Any], name: str, position: Position) -> Any:
        """A counter, register or meter."""
        return find(kind, name, ((each.preamble.name, each) for each in objects), position)

    def action(self, table: p4i.Table, call: Call, position: Position) -> p4r.Action:
        """An action of a table with its arguments; one that is left out is refused."""
        actions = [self._actions[reference.id] for reference in table.action_refs]
        action = find("action", call.name, ((each.preamble.name, each) for each in actions), position)
        message = p4r.Action(action_id=action.preamble.id)
        given = set()
        for name, value in call.arguments:
            parameter = find("argument", name, ((each.name, each) for each in action.params), position)
            given.add(parameter.id)
            message.params.add(param_id=parameter.id, value=encoded(value, parameter.bitwidth, name, position))
        absent = [each.name for each in action.params if each.id not in given]
        if absent:
            raise CompileError(position, f"found no value for {', '.join(absent)} of {call.name}, expected one")
        return message

    def entry(
        self, table: p4i.Table, keys: Iterable[tuple[str, Value]], priority: int | None, position: Position
    ) -> p4r.TableEntry:
        """An entry without its action. A key that is left out matches everything, or 0 where it is exact."""
        message = p4r.TableEntry(table_id=table.preamble.id)
        fields = {field.name: field for field in table.match_fields}
        given: dict[str, Value] = {}
        for name, value in keys:
            field = find("key", name, fields.items(), position)
            given[field.name] = value
        for name, field in fields.items():
            value = given.get(name, Value(0) if field.match_type == Match.EXACT else Value(0, 0))
            match = _match(field, value, position)
            if match is not None:
                message.match.append(match)
        if any(field.match_type in (Match.TERNARY, Match.RANGE, Match.OPTIONAL) for field in fields.values()):
            message.priority = (priority or 0) + 1
        return message


def _match(field: Any, value: Value, position: Position) -> p4r.FieldMatch | None:
    """None where everything matches: P4Runtime leaves such a field out."""
    width = field.bitwidth
    ones = (1 << width) - 1
    bits = value.value & ones if value.mask is not None else value.value
    mask = ones if value.mask is None else value.mask & ones
    match = p4r.FieldMatch(field_id=field.id)

    def code(each: int) -> bytes:
        return encoded(each, width, field.name, position)

    if field.match_type == Match.RANGE:
        low, high = (bits, value.high) if value.high is not None else (bits & mask, bits | (ones & ~mask))
        if (low, high) == (0, ones):
            return None
        match.range.low, match.range.high = code(low), code(high)
        return match
    if value.high is not None:
        raise CompileError(position, f"found a range for {field.name}, expected another value: the key is no range")
    if value.length is not None and (field.match_type == Match.LPM or value.mask is None):
        if value.length > width:
            raise CompileError(
                position, f"found prefix length {value.length} for {field.name}, expected at most {width}"
            )
        mask = ones & ~((1 << (width - value.length)) - 1)
    if field.match_type == Match.EXACT:
        if mask != ones:
            raise CompileError(position, f"found a mask for {field.name}, expected all digits: the key is exact")
        match.exact.value = code(bits)
        return match
    if not mask:
        return None
    if field.match_type == Match.LPM:
        length = mask.bit_count()
        if mask != ones & ~((1 << (width - length)) - 1):
            raise CompileError(position, f"found mask 0x{mask:x} for {field.name}, expected a prefix: the key is lpm")
        match.lpm.value, match.lpm.prefix_len = code(bits & mask), length
    elif field.match_type == Match.TERNARY:
        match.ternary.value, match.ternary.mask = code(bits & mask), code(mask)
    elif mask == ones:
        match.optional.value = code(bits)
    else:
        raise CompileError(position, f"found a mask for {field.name}, expected all digits or none: it is optional")
    return match


def encoded(value: int, width: int, name: str, position: Position) -> bytes:
    """A number as P4Runtime has it: as few bytes as it needs."""
    if value < 0:
        value &= (1 << width) - 1
    if value >> width:
        raise CompileError(position, f"found {value} for {name}, expected at most {(1 << width) - 1} ({width} bits)")
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")
