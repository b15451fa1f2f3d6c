"""Lowers controls: each instance once, with the controls that it applies as functions of their own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields

from dataplane.compiler import lowered, syntax
from dataplane.compiler.errors import CompileError, UnsupportedError
from dataplane.compiler.lowering import types
from dataplane.compiler.lowering.builder import Builder
from dataplane.compiler.lowering.callables import Callable, Form, Instance, Kind
from dataplane.compiler.lowering.extern_calls import parameters
from dataplane.compiler.lowering.scope import Scope
from dataplane.compiler.lowering.tables import Tables
from dataplane.compiler.lowering.types import Type
from dataplane.compiler.lowering.values import Applied, Data, Entity, Nothing, Value


class Control(Tables):
    """The body of one instance of a control."""

    def __init__(self, builder: Builder, scope: Scope, name: str) -> None:
        super().__init__(builder, scope, name)
        self.path = name
        self._direct: dict[str, int] = {}
        """How often kinds of controls have been applied without an instance."""
        self._divided: set[str] = set()
        """Names of instances that are applied to different places."""

    def lower(self, declaration: syntax.ControlDeclaration) -> lowered.Block:
        """Everything that the control declares, and what it does."""
        self._divided = _applied_differently(declaration)
        for node in declaration.locals:
            with self.builder.reporting():
                self._declare(node)
        self.nested(declaration.apply)
        return tuple(self.block)

    def _declare(self, node: syntax.Local) -> None:
        match node:
            case syntax.VariableDeclaration():
                self.declare_variable(node)
            case syntax.ConstantDeclaration():
                self.declare_constant(node)
            case syntax.ActionDeclaration():
                self._declare_action(node)
            case syntax.TableDeclaration():
                self.declare_table(node)
            case syntax.Instantiation():
                self.declare_instance(node)
            case syntax.ValueSetDeclaration():
                raise UnsupportedError(node.position, "value_set")
            case syntax.FunctionDeclaration():
                raise UnsupportedError(node.position, "function in a control")

    def _declare_action(self, node: syntax.ActionDeclaration) -> None:
        callee = Callable(node, self.scope, parameters(self, node.parameters), types.VOID, self.path, isolated=False)
        self.builder.callables.append(callee)
        self.scope.declare(node.name, callee)

    # tables

    def apply(self, applied: Applied, wanted: str) -> Value | None:
        table = applied.table
        self.block += table.before
        hit = self._variable("hit", types.BOOLEAN) if wanted in ("hit", "miss") else None
        names = types.ActionName(table.form.name, table.actions)
        run = self._variable("action_run", names) if wanted == "action_run" else None
        self.block.append(lowered.Apply(table.form, hit, run, applied.position))
        if run is not None:
            return Value(names, lowered.Read(run, run.type))
        if hit is None:
            return None
        read = lowered.Read(hit, types.BOOLEAN)
        if wanted == "miss":
            return Value(types.BOOLEAN, lowered.Unary(lowered.UnaryOperator.NOT, read, types.BOOLEAN))
        return Value(types.BOOLEAN, read)

    def _variable(self, name: str, type_: Type) -> lowered.Variable:
        return self.builder.variable(f"{self.name}.{name}", types.form(type_))

    # controls in it

    def apply_instance(self, instance: Instance, node: syntax.Call) -> Data:
        kind = instance.kind
        if kind.what != "control":
            raise CompileError(node.position, f"found apply of parser {kind.name} in a control; expected a control")
        passed = self.passed(kind.parameters, node, kind.name, kind.scope)
        aliases = self.aliases(kind.parameters, passed, scalars=True)
        if _applied_name(node) in self._divided:
            aliases = {name: each for name, each in aliases.items() if not isinstance(each, Value)}
        form = self._form(instance, aliases)
        self.copy_in(kind.parameters, passed, form.variables)
        self.block.append(lowered.Call(form.function))
        self.copy_out(kind.parameters, passed, form.variables, node)
        return Nothing()

    def _form(self, instance: Instance, aliases: Mapping[str, Entity]) -> Form:
        if not instance.forms:
            inner, variables = self.scope_of(instance, aliases)
            body = Control(self.builder, inner, instance.path)
            block = body.within(instance.kind)
            function = lowered.Function(self.builder.unique(instance.path), block)
            self.builder.objects.functions.append(function)
            instance.forms.append(Form(function, variables, None))
        return instance.forms[0]

    def within(self, kind: Kind) -> lowered.Block:
        """Lowers the body of a kind of controls in this scope."""
        if kind.entered:
            raise CompileError(kind.declaration.position, f"found recursion in control {kind.name}; expected none")
        assert isinstance(kind.declaration, syntax.ControlDeclaration)
        kind.entered.append(True)
        kind.used.append(True)
        try:
            return self.lower(kind.declaration)
        finally:
            kind.entered.pop()

    def instantiate_applied(self, kind: Kind, node: syntax.Call) -> Instance:
        if kind.constructor_parameters:
            raise CompileError(
                node.position, f"found {kind.name}.apply; expected an instance with constructor arguments"
            )
        count = self._direct.get(kind.name, 0) + 1
        self._direct[kind.name] = count
        name = kind.name if count == 1 else f"{kind.name}_{count}"
        return Instance(kind, f"{self.path}.{name}" if self.path else name, {})


def _applied_differently(declaration: syntax.ControlDeclaration) -> set[str]:
    """Instances that are applied several times with different arguments: their parameters have to be copied."""
    if not any(isinstance(node, syntax.Instantiation) for node in declaration.locals):
        return set()
    seen: dict[str, Sequence[syntax.Argument]] = {}
    result: set[str] = set()
    for node in _calls(declaration.apply):
        name = _applied_name(node)
        if name and seen.setdefault(name, node.arguments) != node.arguments:
            result.add(name)
    return result


def _applied_name(node: syntax.Call) -> str:
    match node.function:
        case syntax.Member(base=syntax.Name(name=name), member=syntax.Identifier(text="apply")):
            return name
        case _:
            return ""


def _calls(node: object) -> Iterator[syntax.Call]:
    """Every call in a part of the tree."""
    if isinstance(node, tuple):
        for each in node:
            yield from _calls(each)
    elif isinstance(node, syntax.Node):
        if isinstance(node, syntax.Call):
            yield node
        for part in fields(node):
            yield from _calls(getattr(node, part.name))
