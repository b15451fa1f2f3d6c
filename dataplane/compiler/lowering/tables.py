"""Checks tables and lowers them (P4_16 section 14.2), with the actions that they may run."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from dataplane.compiler import lowered, syntax
from dataplane.compiler.errors import CompileError, UnsupportedError
from dataplane.compiler.lowered import ActionCall, MatchKind, TableAction
from dataplane.compiler.lowering import types
from dataplane.compiler.lowering.bodies import Body
from dataplane.compiler.lowering.builder import annotations, control_plane_name
from dataplane.compiler.lowering.callables import Callable, TableForm, bind
from dataplane.compiler.lowering.entries import Entries
from dataplane.compiler.lowering.key_names import key_name
from dataplane.compiler.lowering.scope import Scope, choices, nearest
from dataplane.compiler.lowering.types import describe
from dataplane.compiler.lowering.values import Broken, ExternObject, Table, Value
from dataplane.compiler.syntax import Direction

Form = TypeVar("Form", lowered.Counter, lowered.Meter, lowered.Profile)

DEFAULT_SIZE = 1024
"""Entries of a table that does not say its size, as p4c has it."""
_PROPERTIES = (
    "default_action",
    "size",
    "implementation",
    "counters",
    "meters",
    "support_timeout",
    "largest_priority_wins",
    "priority_delta",
)


class Tables(Entries):
    """A body with tables."""

    def declare_table(self, node: syntax.TableDeclaration) -> None:
        """`table name { … }`."""
        try:
            entity = self._table(node)
        except CompileError:
            self.scope.declare(node.name, Broken(node))
            raise
        self.scope.declare(node.name, entity)

    def _table(self, node: syntax.TableDeclaration) -> Table:
        notes = annotations(node.annotations)
        properties = self._properties(node)
        with self.aside() as before:
            keys, key_types = self._keys(node.keys or ())
        if node.actions is None:
            raise CompileError(
                node.name.position, f"found table {node.name} without actions; expected actions = {{ … }}"
            )
        actions = self._actions(node.actions)
        default_node = properties.get("default_action")
        default, extra = self._default(node, default_node, actions)
        entries = self.entries(node, keys, key_types, actions, properties)
        size = self._number(properties, "size", max(DEFAULT_SIZE, len(entries)))
        form = lowered.Table(
            name=control_plane_name(self.path, node.name.text, notes),
            keys=keys,
            actions=(*actions.values(), *extra),
            default=default,
            constant_default=default_node is not None and default_node.constant,
            size=size,
            entries=entries,
            constant_entries=node.constant_entries,
            annotations=notes,
            counter=self._object(properties, "counters", lowered.Counter, "direct_counter"),
            meter=self._object(properties, "meters", lowered.Meter, "direct_meter"),
            profile=self._object(properties, "implementation", lowered.Profile, "action_profile", "action_selector"),
            idle_timeout=self.flag(properties, "support_timeout"),
            position=node.name.position,
        )
        self.builder.objects.tables.append(form)
        numbers = {name: self.builder.action_numbers[offered.action] for name, offered in actions.items()}
        return Table(form, numbers, tuple(before))

    # properties

    def _properties(self, node: syntax.TableDeclaration) -> dict[str, syntax.Property]:
        found: dict[str, syntax.Property] = {}
        for each in node.properties:
            if each.name.text in found:
                raise CompileError(each.position, f"found a second property {each.name}; expected one")
            if each.name.text not in _PROPERTIES:
                close = nearest(each.name.text, ("key", "actions", "entries", *_PROPERTIES))
                if close:
                    raise CompileError(each.position, f"found table property {each.name}{close}")
                raise UnsupportedError(each.position, f"table property {each.name}")
            found[each.name.text] = each
        return found

    def _number(self, properties: Mapping[str, syntax.Property], name: str, default: int) -> int:
        if name not in properties:
            return default
        value = properties[name].value
        number = self.fixed(value, name)
        if number < 1:
            raise CompileError(value.position, f"found {name} {number}; expected at least 1")
        return number

    def _object(
        self, properties: Mapping[str, syntax.Property], name: str, form: type[Form], *kinds: str
    ) -> Form | None:
        """The counter, meter or profile that a table has, if any."""
        if name not in properties:
            return None
        value = properties[name].value
        found = self.entity(value)
        if not isinstance(found, ExternObject) or found.type.name not in kinds or not isinstance(found.form, form):
            raise CompileError(value.position, f"found another object as {name}; expected {' or '.join(kinds)}")
        if not isinstance(found.form, lowered.Profile):
            if found.form in self.builder.attached:
                raise CompileError(value.position, f"found {found.form.name} at a second table; expected it at one")
            self.builder.attached.add(found.form)
        return found.form

    # keys

    def _keys(self, nodes: Sequence[syntax.Key]) -> tuple[tuple[lowered.Key, ...], list[types.Type]]:
        keys: list[lowered.Key] = []
        key_types: list[types.Type] = []
        for node in nodes:
            value = self.data(node.expression)
            position = node.expression.position
            if not isinstance(value, Value) or not types.scalar(value.type):
                raise CompileError(position, f"found key of type {describe(value.type)}; expected a number or bool")
            notes = annotations(node.annotations)
            kind = self._match_kind(node.kind)
            if kind in (MatchKind.LPM, MatchKind.RANGE) and not isinstance(types.number(value.type), lowered.Bits):
                raise CompileError(node.kind.position, f"found {kind} of {describe(value.type)}; expected a number")
            keys.append(lowered.Key(notes.get("name") or key_name(node.expression), value.expression, kind, notes))
            key_types.append(value.type)
        return tuple(keys), key_types

    def _match_kind(self, name: syntax.Identifier) -> MatchKind:
        kinds = self.builder.match_kinds
        if name.text not in kinds:
            raise CompileError(
                name.position,
                f"found unknown match kind {name}{nearest(name.text, kinds)}; expected one of {choices(sorted(kinds))}",
            )
        try:
            return MatchKind(name.text)
        except ValueError:
            raise UnsupportedError(name.position, f"match kind {name}") from None

    # actions

    def _actions(self, nodes: Sequence[syntax.ActionReference]) -> dict[str, TableAction]:
        found: dict[str, TableAction] = {}
        for node in nodes:
            callee = self.find(node.action.name, node.action, node.action.absolute, "action")
            if not isinstance(callee, Callable) or not isinstance(callee.declaration, syntax.ActionDeclaration):
                raise CompileError(node.position, f"found {node.action.name}, which is no action; expected an action")
            if callee.name in found:
                raise CompileError(node.position, f"found action {callee.name} a second time; expected it once")
            found[callee.name] = self._table_action(callee, node)
        return found

    def _table_action(self, callee: Callable, node: syntax.ActionReference) -> TableAction:
        directed = [parameter for parameter in callee.parameters if parameter.direction is not Direction.NONE]
        form = self._action(callee)
        arguments = node.arguments or ()
        call = syntax.Call(node.position, node.action, (), arguments)
        if len(arguments) != len(directed):
            bind(directed, arguments, node, callee.name)
        with self.aside() as before:
            passed = self.passed(directed, call, callee.name, callee.scope)
            self.copy_in(directed, passed, form.variables)
            self.clear_exit(form.exited)
        with self.aside() as after:
            self.copy_out(directed, passed, form.variables, call)
            self.pass_exit(form.exited, call)
        return TableAction(form.action, tuple(before), tuple(after), annotations(node.annotations))

    def _action(self, callee: Callable) -> TableForm:
        """The action as tables run it: one for all tables."""
        if not callee.table_forms:
            declaration = callee.declaration
            assert isinstance(declaration, syntax.ActionDeclaration)
            notes = annotations(declaration.annotations)
            name = control_plane_name(callee.path, callee.name, notes)
            outer = Scope(callee.scope)
            variables = self.declare_parameters(outer, callee.parameters, {}, name)
            body = Body(self.builder, Scope(outer), name)
            if self.copies_out(callee.parameters):
                body.exited = body.temporary("exited", types.BOOLEAN)
            body.run(declaration.body.statements)
            data = [each for each in callee.parameters if each.direction is Direction.NONE]
            for each in data:
                if not types.scalar(each.type):
                    raise UnsupportedError(each.name.position, f"action data of type {describe(each.type)}")
            action = lowered.Action(
                name=name,
                parameters=tuple(_variable(variables[each.name.text]) for each in data),
                parameter_names=tuple(annotations(each.annotations).get("name", each.name.text) for each in data),
                body=tuple(body.block),
                annotations=notes,
                parameter_annotations=tuple(annotations(each.annotations) for each in data),
                position=declaration.position,
            )
            self.builder.add_action(action)
            callee.table_forms.append(TableForm(action, variables, body.exited if body.exits else None))
        return callee.table_forms[0]

    def _default(
        self,
        node: syntax.TableDeclaration,
        written: syntax.Property | None,
        actions: Mapping[str, TableAction],
    ) -> tuple[ActionCall, list[TableAction]]:
        """The default action; without one it is NoAction, which then is among the actions, as p4c has it."""
        if written is None:
            if "NoAction" in actions:
                return ActionCall(actions["NoAction"].action, ()), []
            callee = self.scope.top().lookup("NoAction", node.position, "action")
            assert isinstance(callee, Callable)
            action = self._action(callee).action
            return ActionCall(action, ()), [TableAction(action, annotations={"defaultonly": ""})]
        value = written.value
        name_node, arguments = (value.function, value.arguments) if isinstance(value, syntax.Call) else (value, ())
        if not isinstance(name_node, syntax.Name):
            raise CompileError(value.position, "found no action; expected default_action = action(…)")
        return self.action_call(name_node, arguments, value, actions), []


def _variable(of: Value) -> lowered.Variable:
    assert isinstance(of.place, lowered.Variable)
    return of.place
