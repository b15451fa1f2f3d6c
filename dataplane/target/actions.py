"""Actions with their data: P4Runtime's form to the records that the program reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finsy.proto import p4i, p4r

from dataplane.compiler.layout import NO_INDEX, RECORD_HEADER, ActionLayout, Layout, Parameter
from dataplane.target.bytestrings import Width, canonical
from dataplane.target.refusal import denied, invalid


@dataclass(frozen=True)
class Action:
    """One action as P4Info and the layout have it."""

    id: int
    name: str
    layout: ActionLayout
    parameters: dict[int, tuple[Width, Parameter]]
    """By the id of P4Info."""

    def record(self, call: p4r.Action, size: int, index: int = NO_INDEX) -> bytes:
        """The record of `size` bytes; makes the parameters' numbers canonical in passing."""
        record = bytearray(size)
        record[0:4] = self.layout.number.to_bytes(4, "little")
        record[4:RECORD_HEADER] = index.to_bytes(4, "little")
        given = set()
        for parameter in call.params:
            number = parameter.param_id
            if number not in self.parameters or number in given:
                names = ", ".join(f"{known} ({width.name})" for known, (width, _) in self.parameters.items())
                raise invalid(f"{self.name}: found parameter {number}; expected each of {names or 'none'} once")
            given.add(number)
            width, place = self.parameters[number]
            value = width.padded(parameter.value)
            if parameter.value[0] == 0 and len(parameter.value) > 1:
                parameter.value = canonical(value)
            record[place.offset : place.offset + width.size] = value[::-1]
        if len(given) < len(self.parameters):
            absent = [width.name for number, (width, _) in self.parameters.items() if number not in given]
            raise invalid(f"{self.name}: found no value for {', '.join(absent)}; expected one for each parameter")
        return bytes(record)


class Actions:
    """The actions of one table, with their scopes."""

    def __init__(self, table: p4i.Table, known: Mapping[int, Action]) -> None:
        self._table = table.preamble.alias
        self._known = {ref.id: known[ref.id] for ref in table.action_refs}
        self._default_only = {ref.id for ref in table.action_refs if ref.scope == p4i.ActionRef.DEFAULT_ONLY}
        self._table_only = {ref.id for ref in table.action_refs if ref.scope == p4i.ActionRef.TABLE_ONLY}

    def find(self, identifier: int, default: bool = False) -> Action:
        """The action with an id, if entries (or the default) may have it."""
        action = self._known.get(identifier)
        if action is None:
            names = ", ".join(f"{known.name} ({known.id})" for known in self._known.values())
            raise invalid(f"{self._table}: found action {identifier}; expected one of {names}")
        if identifier in (self._table_only if default else self._default_only):
            place = "the default action" if default else "entries"
            raise denied(f"{self._table}: found action {action.name} for {place}; its scope forbids that")
        return action

    @property
    def ids(self) -> set[int]:
        return set(self._known)


def actions_of(info: p4i.P4Info, layout: Layout) -> dict[int, Action]:
    """Every action of a program by its id."""
    layouts = {each.name: each for each in layout.actions}
    return {action.preamble.id: _action(action, layouts[action.preamble.name]) for action in info.actions}


def _action(action: Any, layout: ActionLayout) -> Action:
    name = action.preamble.alias
    parameters = {
        parameter.id: (Width(parameter.bitwidth, f"{name}.{parameter.name}"), place)
        for parameter, place in zip(action.params, layout.parameters, strict=True)
    }
    return Action(action.preamble.id, name, layout, parameters)
