"""Entries that a table's declaration brings (P4_16 section 14.2.1.4), and calls of actions with constants."""

from collections.abc import Mapping, Sequence

from dataplane.compiler import lowered, syntax
from dataplane.compiler.errors import CompileError
from dataplane.compiler.lowered import ActionCall, MatchKind, TableAction
from dataplane.compiler.lowering import types
from dataplane.compiler.lowering.builder import annotations
from dataplane.compiler.lowering.callables import Callable, bind
from dataplane.compiler.lowering.instances import Instances
from dataplane.compiler.lowering.keysets import entry_key
from dataplane.compiler.lowering.scope import choices, nearest
from dataplane.compiler.lowering.values import constant
from dataplane.compiler.syntax import Direction

_WITH_PRIORITY = (MatchKind.TERNARY, MatchKind.RANGE, MatchKind.OPTIONAL)


class Entries(Instances):
    """A body whose tables have entries."""

    def entries(
        self,
        node: syntax.TableDeclaration,
        keys: Sequence[lowered.Key],
        key_types: Sequence[types.Type],
        actions: Mapping[str, TableAction],
        properties: Mapping[str, syntax.Property],
    ) -> tuple[lowered.Entry, ...]:
        """A table's entries; the larger priority wins, whatever the program has."""
        if not node.entries:
            return ()
        priorities = self._priorities(node.entries, properties)
        result = []
        for entry, priority in zip(node.entries, priorities, strict=True):
            keyset = entry.keyset
            if len(keyset) == 1 and isinstance(keyset[0], syntax.Default):
                keyset = keyset * len(keys)
            if len(keyset) != len(keys):
                raise CompileError(entry.position, f"found {len(keyset)} key values; expected {len(keys)}")
            values = tuple(
                entry_key(self, value, type_, key.kind)
                for value, type_, key in zip(keyset, key_types, keys, strict=True)
                if key.kind is not MatchKind.SELECTOR
            )
            call = self.action_call(entry.action.action, entry.action.arguments or (), entry.action, actions)
            constant_entry = node.constant_entries or entry.constant
            result.append(lowered.Entry(values, call, priority, constant_entry, entry.position))
        if not any(key.kind in _WITH_PRIORITY for key in keys):
            self._distinct(result)
        return tuple(result)

    def flag(self, properties: Mapping[str, syntax.Property], name: str) -> bool:
        """A property that is true or false; false without it."""
        if name not in properties:
            return False
        value = properties[name].value
        known = constant(self.value(value, types.BOOLEAN))
        if known is None:
            raise CompileError(value.position, f"found a value computed at run time; expected a constant {name}")
        return bool(known.value)

    def _distinct(self, entries: Sequence[lowered.Entry]) -> None:
        seen: dict[tuple[lowered.KeyValue, ...], lowered.Entry] = {}
        for entry in entries:
            if entry.keys in seen:
                raise CompileError(
                    entry.position,
                    f"found a second entry for the same key; the first is at {seen[entry.keys].position}",
                )
            seen[entry.keys] = entry

    def _priorities(self, entries: Sequence[syntax.Entry], properties: Mapping[str, syntax.Property]) -> list[int]:
        """Priorities in P4Runtime's sense (section 14.2.1.4): by themselves earlier entries win."""
        largest_wins, delta = True, 1
        if "largest_priority_wins" in properties:
            largest_wins = self.flag(properties, "largest_priority_wins")
        if "priority_delta" in properties:
            delta = self.fixed(properties["priority_delta"].value, "priority_delta")
        given: list[int | None] = [
            self.fixed(entry.priority, "priority") if entry.priority is not None else None for entry in entries
        ]
        noted = [annotations(entry.annotations).get("priority") for entry in entries]
        if any(note is not None for note in noted):
            # The older form of p4c for BMv2: the smallest wins; an entry without one has its number, from 1.
            given = [int(note, 0) if note is not None else number for number, note in enumerate(noted, 1)]
            largest_wins = False
        step = -delta if largest_wins else delta
        current = delta * (len(entries) - 1) + 1 if largest_wins else 1
        result = []
        for index, priority in enumerate(given):
            if priority is not None:
                current = priority
            elif index:
                current += step
            result.append(current)
        if largest_wins:
            lift = max(0, 1 - min(result))
            return [priority + lift for priority in result]
        highest = max(result)
        return [highest + 1 - priority for priority in result]

    def action_call(
        self,
        name: syntax.Name,
        arguments: Sequence[syntax.Argument],
        node: syntax.Node,
        actions: Mapping[str, TableAction],
    ) -> ActionCall:
        """An action of the table with constants for what the control plane gives otherwise."""
        callee = self.find(name.name, name, name.absolute, "action")
        if not isinstance(callee, Callable) or name.name not in actions:
            raise CompileError(
                node.position,
                f"found action {name.name}, which is not among the table's{nearest(name.name, actions)}; "
                f"expected one of {choices(actions)}",
            )
        directed = [each for each in callee.parameters if each.direction is not Direction.NONE]
        data = [each for each in callee.parameters if each.direction is Direction.NONE]
        wanted = callee.parameters if directed and len(arguments) == len(callee.parameters) else data
        bound = bind(wanted, arguments, node, callee.name)
        values = []
        for parameter in data:
            argument = bound.get(parameter.name.text)
            written = argument.value if argument else parameter.default
            if written is None:
                raise CompileError(node.position, f"found _ for {parameter.name}; expected a constant")
            known = constant(self.value(written, parameter.type))
            if known is None:
                raise CompileError(
                    written.position, f"found {parameter.name} computed at run time; expected a constant"
                )
            values.append(known.value)
        return ActionCall(actions[name.name].action, tuple(values))
