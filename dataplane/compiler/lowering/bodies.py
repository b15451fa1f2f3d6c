"""Calls of functions and actions: one lowered function for each way that its parameters stand for places.

Parameters that are structs, headers or stacks stand for the caller's place itself where that cannot be told from
copying in and out (P4_16 section 6.8): the callee sees nothing but its parameters, and no other argument overlaps.
"""

from collections.abc import Mapping, Sequence

from dataplane.compiler import lowered, syntax
from dataplane.compiler.errors import CompileError
from dataplane.compiler.lowering import types
from dataplane.compiler.lowering.callables import (
    Callable,
    Form,
    Instance,
    Parameter,
    aggregate,
    bind,
    overlap,
    steady,
)
from dataplane.compiler.lowering.parts import described
from dataplane.compiler.lowering.scope import Scope
from dataplane.compiler.lowering.statements import Statements
from dataplane.compiler.lowering.types import describe
from dataplane.compiler.lowering.values import Applied, Data, Entity, ExternObject, Nothing, Value, variable
from dataplane.compiler.syntax import Direction


class Body(Statements):
    """The body of an action or function, and what controls and parsers have in common with them."""

    def apply(self, applied: Applied, wanted: str) -> Value | None:
        raise CompileError(applied.position, "found apply of a table in an action; expected it in a control")

    def apply_instance(self, instance: Instance, node: syntax.Call) -> Data:
        what = instance.kind.what
        raise CompileError(node.position, f"found apply of a {what} here; expected it in another {what}")

    def invoke(self, callee: Callable, node: syntax.Call) -> Data:
        passed = self.passed(callee.parameters, node, callee.name, callee.scope)
        aliases = self.aliases(callee.parameters, passed) if callee.isolated else {}
        form = self.form(callee, aliases)
        self.copy_in(callee.parameters, passed, form.variables)
        self.clear_exit(form.exited)
        self.block.append(lowered.Call(form.function))
        self.copy_out(callee.parameters, passed, form.variables, node)
        self.pass_exit(form.exited, node)
        if form.result is None:
            return Nothing()
        result = self.temporary("result", form.result.type)
        assert result.place is not None
        self.block.append(lowered.Assign(result.place, form.result.expression))
        return Value(result.type, result.expression, result.place)

    # arguments

    def passed(self, parameters: Sequence[Parameter], node: syntax.Call, name: str, scope: Scope) -> dict[str, Entity]:
        """Checked arguments by parameter: values of its type, places that can be written, extern objects."""
        bound = bind(parameters, node.arguments, node, name)
        externs = {parameter.name.text for parameter in parameters if isinstance(parameter.type, types.Extern)}
        plain = [each for each in bound if each not in externs]
        data = dict(zip(plain, self.sequence([_node(bound[each]) for each in plain]), strict=True))
        result: dict[str, Entity] = {}
        for parameter in parameters:
            each = parameter.name.text
            if each in externs:
                result[each] = self._extern_argument(parameter, _node(bound[each]))
            elif each in bound:
                result[each] = self._argument(parameter, data[each], bound[each])
            else:
                assert parameter.default is not None
                elsewhere = Body(self.builder, scope, self.name)
                result[each] = elsewhere.value(parameter.default, parameter.type)
        return result

    def _extern_argument(self, parameter: Parameter, node: syntax.Expression) -> ExternObject:
        found = self.entity(node)
        if not isinstance(found, ExternObject) or found.type != parameter.type:
            what = describe(found.type) if isinstance(found, ExternObject) else described(found)
            raise CompileError(node.position, f"found {what}; expected {describe(parameter.type)}")
        return found

    def _argument(self, parameter: Parameter, data: Data, argument: syntax.Argument) -> Value:
        position = (argument.value or argument).position
        if not parameter.written:
            return self.convert(data, parameter.type, position)
        if argument.value is None:
            return self.temporary("unused", parameter.type)
        target = self.must_write(data, argument.value)
        if target.type != parameter.type:
            raise CompileError(
                position,
                f"found {describe(target.type)} for {parameter.direction} {parameter.name}; "
                f"expected {describe(parameter.type)}",
            )
        return self.held(target)

    def aliases(
        self, parameters: Sequence[Parameter], passed: Mapping[str, Entity], scalars: bool = False
    ) -> dict[str, Entity]:
        """The parameters that can stand for the caller's places, and those that are extern objects.

        With `scalars` numbers too: for what is lowered once for each place where it is applied.
        """
        result: dict[str, Entity] = {
            name: argument for name, argument in passed.items() if isinstance(argument, ExternObject)
        }
        values = [(each, passed[each.name.text]) for each in parameters]
        for parameter, argument in values:
            if not isinstance(argument, Value) or argument.place is None or not steady(argument.place):
                continue
            if argument.bits is not None or not (scalars or aggregate(argument.type)):
                continue
            others = [
                other.place
                for each, other in values
                if each is not parameter
                and isinstance(other, Value)
                and other.place is not None
                and (each.written or parameter.written)
            ]
            if not any(_may_overlap(argument.place, other) for other in others):
                result[parameter.name.text] = argument
        return result

    def copy_in(
        self, parameters: Sequence[Parameter], passed: Mapping[str, Entity], variables: Mapping[str, Value]
    ) -> None:
        """Fills the variables of parameters; headers of `out` ones become invalid."""
        values = [(each, each.name.text, passed[each.name.text]) for each in parameters]
        for parameter, name, argument in values:
            target = variables.get(name)
            if target is not None and parameter.direction is not Direction.OUT and isinstance(argument, Value):
                assert target.place is not None
                self.block.append(lowered.Assign(target.place, argument.expression))
        for parameter, name, argument in values:
            if parameter.direction is Direction.OUT and isinstance(argument, Value):
                self.invalidate(variables.get(name, argument))

    def copy_out(
        self,
        parameters: Sequence[Parameter],
        passed: Mapping[str, Entity],
        variables: Mapping[str, Value],
        node: syntax.Call,
    ) -> None:
        """Assigns what `out` and `inout` parameters have become."""
        for parameter in parameters:
            name = parameter.name.text
            argument = passed[name]
            if parameter.written and name in variables and isinstance(argument, Value):
                self.store(argument, variables[name], node.position)

    def copies_out(self, parameters: Sequence[Parameter]) -> bool:
        """Whether something is left to do for the caller of an action that exits."""
        return any(parameter.written for parameter in parameters)

    def clear_exit(self, exited: Value | None) -> None:
        """In front of a call: it has not met `exit`."""
        if exited is not None and exited.place is not None:
            self.block.append(lowered.Assign(exited.place, lowered.Constant(0, types.BOOLEAN)))

    def pass_exit(self, exited: Value | None, node: syntax.Node) -> None:
        """Behind a call: exits where it has met `exit`."""
        if exited is not None:
            self.block.append(lowered.If(exited.expression, self.leaving(), (), node.position))

    # callees

    def form(self, callee: Callable, aliases: Mapping[str, Entity]) -> Form:
        """A function or action whose parameters stand for places or have variables of their own."""
        places = (_identity(aliases.get(parameter.name.text)) for parameter in callee.parameters)
        key = (self.exited is None, *places)
        if key not in callee.forms:
            with _entered(callee):
                callee.forms[key] = self._made(callee, aliases)
        return callee.forms[key]

    def _made(self, callee: Callable, aliases: Mapping[str, Entity]) -> Form:
        name = f"{callee.path}.{callee.name}" if callee.path else callee.name
        outer = Scope(callee.scope)
        variables = self.declare_parameters(outer, callee.parameters, aliases, name)
        body = Body(self.builder, Scope(outer), name)
        body.may_exit = isinstance(callee.declaration, syntax.ActionDeclaration)
        body.in_parser = self.in_parser and not body.may_exit
        if body.may_exit and (self.exited is not None or body.copies_out(callee.parameters)):
            body.exited = body.temporary("exited", types.BOOLEAN)
        if callee.result != types.VOID:
            body.result = body.temporary("result", callee.result)
        errors = self.builder.error_count
        body.run(callee.declaration.body.statements)
        if body.result is not None and errors == self.builder.error_count and not _returns(body.block):
            raise CompileError(
                callee.declaration.position,
                f"found a way through {callee.name} without return; expected a value of {describe(callee.result)}",
            )
        function = lowered.Function(self.builder.unique(name), tuple(body.block))
        self.builder.objects.functions.append(function)
        return Form(function, variables, body.result, body.exited if body.exits else None)

    def declare_parameters(
        self, scope: Scope, parameters: Sequence[Parameter], aliases: Mapping[str, Entity], name: str
    ) -> dict[str, Value]:
        """Declares parameters as what they stand for, or as new variables, which are given back."""
        variables: dict[str, Value] = {}
        for parameter in parameters:
            own = parameter.name.text
            entity = aliases.get(own)
            if isinstance(entity, Value) and entity.place is not None:
                entity = Value(entity.type, entity.expression, entity.place, parameter.written)
            elif entity is None:
                if not types.storable(parameter.type):
                    raise CompileError(
                        parameter.name.position,
                        f"found parameter {own} of type {describe(parameter.type)}; expected one with a size",
                    )
                made = self.builder.variable(f"{name}.{own}", types.form(parameter.type))
                entity = variable(made, parameter.type, parameter.written)
                variables[own] = entity
            scope.declare(parameter.name, entity)
        return variables


class _entered:
    """Holds while a callee's body is lowered; a call of it inside is recursion."""

    def __init__(self, callee: Callable) -> None:
        self._callee = callee

    def __enter__(self) -> None:
        if self._callee.entered:
            raise CompileError(
                self._callee.declaration.position, f"found recursion in {self._callee.name}; expected none"
            )
        self._callee.entered.append(True)

    def __exit__(self, *_: object) -> None:
        self._callee.entered.pop()


def _node(argument: syntax.Argument) -> syntax.Expression:
    return argument.value or syntax.Default(argument.position)


def _identity(entity: Entity) -> object:
    return entity.place if isinstance(entity, Value) else entity


def _may_overlap(one: lowered.Place, another: lowered.Place) -> bool:
    return not steady(another) or overlap(one, another)


def _returns(block: Sequence[lowered.Statement]) -> bool:
    """Whether every way through a block ends in a return."""
    match block[-1] if block else None:
        case lowered.Return():
            return True
        case lowered.If(_, then, otherwise):
            return _returns(then) and _returns(otherwise)
        case lowered.Switch(_, cases, default):
            return _returns(default) and all(_returns(inner) for _, inner in cases)
        case _:
            return False
