"""Checks statements and lowers them (P4_16 section 12)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dataplane.compiler import lowered, syntax
from dataplane.compiler.errors import CompileError, UnsupportedError
from dataplane.compiler.lowered import Bits
from dataplane.compiler.lowering import types
from dataplane.compiler.lowering.builder import Builder
from dataplane.compiler.lowering.callables import Aggregate, aggregate, steady
from dataplane.compiler.lowering.calls import Calls
from dataplane.compiler.lowering.scope import Scope
from dataplane.compiler.lowering.types import BOOLEAN, describe
from dataplane.compiler.lowering.values import (
    Applied,
    Broken,
    Data,
    Number,
    Table,
    Value,
    constant,
    known,
    variable,
)


class Statements(Calls):
    """Statements of one body."""

    result: Value | None = None
    """Where a function's value goes."""
    may_exit = True
    may_return = True
    exits = False
    """Whether an `exit` has been met."""
    exited: Value | None = None
    """Where to leave that, if the caller has to copy out before it exits (P4_16 section 12.4)."""

    def __init__(self, builder: Builder, scope: Scope, name: str) -> None:
        super().__init__(builder, scope)
        self.name = name
        self._statements: Mapping[type, Callable[[Any], None]] = {
            syntax.Assignment: self._assign,
            syntax.CallStatement: self._call,
            syntax.Block: self.nested,
            syntax.If: self._if,
            syntax.Switch: self._switch,
            syntax.Return: self._return,
            syntax.Exit: self._exit,
            syntax.Empty: lambda node: None,
            syntax.VariableDeclaration: self.declare_variable,
            syntax.ConstantDeclaration: self.declare_constant,
        }
        self._unsupported: Mapping[type, str] = {
            syntax.For: "for",
            syntax.ForIn: "for",
            syntax.Break: "break",
            syntax.Continue: "continue",
            syntax.Instantiation: "instance inside a block",
        }

    def run(self, nodes: Sequence[syntax.Statement]) -> None:
        """Lowers statements into the current block; one in error is reported and left out."""
        for node in nodes:
            with self.builder.reporting():
                lower = self._statements.get(type(node))
                if lower is None:
                    raise UnsupportedError(node.position, self._unsupported[type(node)])
                lower(node)

    @contextmanager
    def scoped(self) -> Iterator[None]:
        """Names declared inside end there."""
        outer, self.scope = self.scope, Scope(self.scope)
        try:
            yield
        finally:
            self.scope = outer

    def nested(self, node: syntax.Statement | None) -> None:
        """A block or single statement, with a scope of its own."""
        if node is not None:
            with self.scoped():
                self.run(node.statements if isinstance(node, syntax.Block) else [node])

    def branch(self, node: syntax.Statement | None) -> lowered.Block:
        """A branch as a block of its own."""
        with self.aside() as block:
            self.nested(node)
        return tuple(block)

    # declarations

    def declare_variable(self, node: syntax.VariableDeclaration) -> None:
        """`type name = value;`: without a value it is zero, headers invalid."""
        try:
            type_ = self.stored(node.type)
            initial = self.data(node.value) if node.value else None
            target = variable(self.builder.variable(f"{self.name}.{node.name}", types.form(type_)), type_)
            if initial is None:
                self.clear(target)
            else:
                assert node.value is not None
                self.store(target, initial, node.value.position)
        except CompileError:
            self.scope.declare(node.name, Broken(node))
            raise
        self.scope.declare(node.name, target)

    def declare_constant(self, node: syntax.ConstantDeclaration) -> None:
        """`const type name = value;`."""
        try:
            entity = self._constant(node)
        except CompileError:
            self.scope.declare(node.name, Broken(node))
            raise
        self.scope.declare(node.name, entity)

    def _constant(self, node: syntax.ConstantDeclaration) -> Data | Aggregate:
        type_ = self.type(node.type)
        data = self.data(node.value)
        if not known(data):
            raise CompileError(
                node.value.position, f"found a value computed at run time; expected a constant {node.name}"
            )
        if aggregate(type_):
            with self.aside():
                self.convert(data, type_, node.value.position)
            return Aggregate(type_, data)
        if (isinstance(data, Number) and type_ == types.INTEGER) or data.type == types.TEXT == type_:
            return data
        return self.convert(data, type_, node.value.position)

    # assignments and calls

    def _assign(self, node: syntax.Assignment) -> None:
        if node.operator is not None:
            target, data = self.sequence([node.target, node.value])
            data = self._combined(node, node.operator, target, data)
            self.store(self.must_write(target, node.target), data, node.value.position)
            return
        place = self.must_write(self.data(node.target), node.target)
        with self.aside() as before:
            data = self.data(node.value)
        if before:
            place = self.held(place)
        self.block += before
        self.store(place, data, node.value.position)

    def held(self, target: Value) -> Value:
        """The same place with its computed indices as they are now (section 6.8: l-values are evaluated first)."""
        assert target.place is not None
        if steady(target.place):
            return target
        place = self._held_place(target.place)
        read: lowered.Expression = lowered.Read(place, place.type)
        if target.bits is not None:
            type_ = types.form(target.type)
            assert isinstance(type_, lowered.Bits)
            read = lowered.Slice(read, *target.bits, type_)
        return Value(target.type, read, place, True, target.bits)

    def _held_place(self, place: lowered.Place) -> lowered.Place:
        match place:
            case lowered.Variable():
                return place
            case lowered.Member(base, name, type_):
                return lowered.Member(self._held_place(base), name, type_)
            case lowered.Element(base, index, type_):
                if not isinstance(index, lowered.Constant):
                    assert isinstance(index.type, lowered.Bits)
                    kept = self.temporary("index", index.type)
                    assert kept.place is not None
                    self.block.append(lowered.Assign(kept.place, index))
                    index = kept.expression
                return lowered.Element(self._held_place(base), index, type_)

    def _combined(self, node: syntax.Assignment, operator: syntax.BinaryOperator, target: Data, data: Data) -> Data:
        result = self.operate(operator, target, data, node)
        if isinstance(result, Value) and isinstance(target, Value) and result.type == types.decayed(target.type):
            return result
        raise CompileError(node.position, f"found {describe(result.type)}; expected {describe(target.type)}")

    def _call(self, node: syntax.CallStatement) -> None:
        found = self.call(node.call)
        if isinstance(found, Applied):
            self.apply(found, "")

    # branches

    def _if(self, node: syntax.If) -> None:
        condition = self.value(node.condition, BOOLEAN)
        then, otherwise = self.branch(node.then), self.branch(node.otherwise)
        fixed = constant(condition)
        if fixed:
            self.block += then if fixed.value else otherwise
        else:
            self.block.append(lowered.If(condition.expression, then, otherwise, node.position))

    def _switch(self, node: syntax.Switch) -> None:
        chosen, table = self._switched(node)
        cases: list[tuple[tuple[int, ...], lowered.Block]] = []
        default: lowered.Block = ()
        labels: list[int] = []
        seen: set[int | None] = set()
        falls_to_default = False
        for case in node.cases:
            label = self._label(case.label, chosen.type, table)
            if label in seen:
                raise CompileError(case.position, "found a second case of this value; expected one")
            if None in seen:
                raise CompileError(case.position, "found a case behind default; expected default last")
            seen.add(label)
            if label is None:
                falls_to_default = True
            else:
                labels.append(label)
            if case.block is None:
                continue
            block = self.branch(case.block)
            if falls_to_default:
                default = block
            else:
                cases.append((tuple(labels), block))
            labels = []
        if labels:
            cases.append((tuple(labels), ()))
        self.block.append(lowered.Switch(chosen.expression, tuple(cases), default, node.position))

    def _switched(self, node: syntax.Switch) -> tuple[Value, Table | None]:
        if isinstance(node.value, syntax.Member) and node.value.member.text == "action_run":
            found = self.entity(node.value.base)
            run = self.apply(found, "action_run") if isinstance(found, Applied) else None
            if isinstance(found, Applied) and run is not None:
                return run, found.table
        value = self.data(node.value)
        if not isinstance(value, Value) or not types.scalar(value.type):
            raise CompileError(
                node.value.position, f"found a switch on {describe(value.type)}; expected a number, enum or action_run"
            )
        return value, None

    def _label(self, node: syntax.Expression, type_: types.Type, table: Table | None) -> int | None:
        """A case's value; none for default."""
        if isinstance(node, syntax.Default):
            return None
        if table is not None:
            name = node.name if isinstance(node, syntax.Name) else ""
            self.choice(syntax.Identifier(node.position, name), table.actions, f"action of table {table.form.name}")
            return table.actions[name]
        fixed = constant(self.value(node, type_))
        if fixed is None:
            raise CompileError(node.position, "found a case computed at run time; expected a constant")
        return fixed.value

    # leaving

    def _return(self, node: syntax.Return) -> None:
        if not self.may_return:
            raise CompileError(node.position, "found return in a parser state; expected transition")
        if node.value is None:
            if self.result is not None:
                raise CompileError(node.position, f"found return; expected a value of {describe(self.result.type)}")
        elif self.result is None:
            raise CompileError(node.value.position, "found a value returned; expected return;")
        else:
            self.store(self.result, self.data(node.value), node.value.position)
        self.block.append(lowered.Return())

    def _exit(self, node: syntax.Exit) -> None:
        if not self.may_exit:
            raise CompileError(node.position, "found exit in a parser or function; expected it in a control or action")
        self.block += self.leaving()

    def leaving(self) -> lowered.Block:
        """What `exit` is here."""
        self.exits = True
        if self.exited is None:
            return (lowered.Exit(),)
        assert self.exited.place is not None
        return (lowered.Assign(self.exited.place, lowered.Constant(1, BOOLEAN)), lowered.Return())


def number_of_bits(type_: types.Type) -> int:
    """Width of a scalar's number."""
    form = types.number(type_)
    return form.width if isinstance(form, Bits) else 1
