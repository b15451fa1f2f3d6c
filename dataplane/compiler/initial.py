"""What a program's tables hold before any controller speaks, as P4Runtime updates."""

from collections.abc import Sequence
from typing import Any

from finsy.proto import p4i, p4r

from dataplane.compiler.lowered import ActionCall, Entry, KeyValue, Program, Table


def initial_entries(program: Program, info: p4i.P4Info) -> p4r.WriteRequest:
    """Default actions and entries of the source, in the source's order."""
    actions = {action.preamble.name: action for action in info.actions}
    tables = {table.preamble.name: table for table in info.tables}
    entities = []
    for table in program.tables:
        described = tables[table.name]
        entities.append(_default(table, described, actions))
        entities += [_entry(entry, described, actions) for entry in table.entries]
    updates = [p4r.Update(type=p4r.Update.INSERT, entity=p4r.Entity(table_entry=entity)) for entity in entities]
    return p4r.WriteRequest(updates=updates)


def _default(table: Table, info: p4i.Table, actions: dict[str, Any]) -> p4r.TableEntry:
    return p4r.TableEntry(table_id=info.preamble.id, is_default_action=True, action=_call(table.default, actions))


def _entry(entry: Entry, info: p4i.Table, actions: dict[str, Any]) -> p4r.TableEntry:
    prioritized = any(
        field.match_type in (p4i.MatchField.TERNARY, p4i.MatchField.RANGE, p4i.MatchField.OPTIONAL)
        for field in info.match_fields
    )
    return p4r.TableEntry(
        table_id=info.preamble.id,
        match=_matches(entry.keys, info),
        action=_call(entry.call, actions),
        priority=entry.priority if prioritized else 0,
        is_const=entry.constant,
    )


def _matches(keys: Sequence[KeyValue], info: p4i.Table) -> list[Any]:
    matches = []
    for key, field in zip(keys, info.match_fields, strict=True):
        ones = (1 << field.bitwidth) - 1
        match = p4r.FieldMatch(field_id=field.id)
        value = _bytes(key.value & ones)
        if field.match_type == p4i.MatchField.EXACT:
            match.exact.value = value
        elif field.match_type == p4i.MatchField.RANGE:
            high = ones if key.high is None and not key.mask else key.value if key.high is None else key.high
            if (key.value & ones, high & ones) == (0, ones):
                continue
            match.range.low, match.range.high = value, _bytes(high & ones)
        elif not key.mask & ones:
            continue
        elif field.match_type == p4i.MatchField.LPM:
            match.lpm.value, match.lpm.prefix_len = _bytes(key.value & key.mask & ones), (key.mask & ones).bit_count()
        elif field.match_type == p4i.MatchField.OPTIONAL:
            match.optional.value = value
        else:
            match.ternary.value, match.ternary.mask = _bytes(key.value & key.mask & ones), _bytes(key.mask & ones)
        matches.append(match)
    return matches


def _call(call: ActionCall, actions: dict[str, Any]) -> p4r.TableAction:
    info = actions[call.action.name]
    params = [
        p4r.Action.Param(param_id=parameter.id, value=_bytes(argument & ((1 << parameter.bitwidth) - 1)))
        for parameter, argument in zip(info.params, call.arguments, strict=True)
    ]
    return p4r.TableAction(action=p4r.Action(action_id=info.preamble.id, params=params))


def _bytes(value: int) -> bytes:
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")
