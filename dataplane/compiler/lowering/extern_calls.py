"""Calls of extern functions and methods: overloads, type arguments, what is read and written (P4_16 section 8.20)."""

from collections.abc import Mapping, Sequence

from dataplane.compiler import syntax
from dataplane.compiler.errors import CompileError, Position, UnsupportedError
from dataplane.compiler.lowering import relations, types
from dataplane.compiler.lowering.callables import (
    ExternFunctions,
    Parameter,
    Signature,
    bind,
)
from dataplane.compiler.lowering.expressions import Expressions
from dataplane.compiler.lowering.extern_arguments import ExternCall
from dataplane.compiler.lowering.externs import EXTERNS
from dataplane.compiler.lowering.resolution import ExternKind
from dataplane.compiler.lowering.scope import Scope
from dataplane.compiler.lowering.types import describe
from dataplane.compiler.lowering.values import (
    Data,
    ExternObject,
    Items,
    TypeName,
    Unset,
    Value,
)
from dataplane.compiler.syntax import Direction


class ExternCalls(Expressions):
    """Resolves calls of externs."""

    def must_write(self, value: Data, node: syntax.Expression) -> Value:
        """The value, if it can be assigned."""
        if not isinstance(value, Value) or value.place is None:
            raise CompileError(node.position, "found a value that has no place; expected one that can be written")
        if not value.writable:
            raise CompileError(
                node.position,
                "found what is only read here (in, const or a table key's); expected one that can be written",
            )
        return value

    def extern_method(self, node: syntax.Call, base: ExternObject, name: syntax.Identifier) -> Data:
        """`object.method(…)`."""
        kind = self.scope.top().find(base.type.name)
        assert isinstance(kind, ExternKind)
        declaration = kind.declaration
        methods = [method for method in declaration.methods if method.name.text == name.text and method.result]
        if not methods:
            names = [method.name.text for method in declaration.methods if method.result]
            self.choice(name, names, f"method of {base.type.name}")
        found = self.builder.methods.get((base.type.name, name.text))
        if found is None:
            found = ExternFunctions(methods, kind.scope)
            self.builder.methods[base.type.name, name.text] = found
        assert isinstance(found, ExternFunctions)
        own = [parameter.text for parameter in declaration.type_parameters]
        bindings = dict(zip(own, base.type.arguments, strict=True))
        return self.call_extern(node, self.signatures(found, own), bindings, base)

    def signatures(self, functions: ExternFunctions, outer: Sequence[str]) -> Sequence[Signature]:
        """The signatures of all functions of a name; `outer` are the type parameters of their extern."""
        if not functions.signatures:
            functions.signatures.extend(
                signature(self, prototype, functions.scope, outer) for prototype in functions.prototypes
            )
        return functions.signatures

    def call_extern(
        self,
        node: syntax.Call,
        signatures: Sequence[Signature],
        bindings: Mapping[str, types.Type],
        base: ExternObject | None,
    ) -> Data:
        """Chooses the signature that fits, and lowers the call; `bindings` are the object's type arguments."""
        data = self.sequence_of_arguments(node.arguments)
        chosen = [signature for signature in signatures if _takes(signature, len(data))] or list(signatures)
        if len(chosen) > 1:
            chosen = [each for each in chosen if self._fits(each, node, data, bindings)] or chosen
        called = chosen[0]
        bound = bind(called.parameters, node.arguments, node, called.name)
        found = {name: data[node.arguments.index(argument)] for name, argument in bound.items()}
        inferred = self._infer(called, node, found, bindings)
        return self._lower_extern(called, node, bound, found, inferred, base)

    def sequence_of_arguments(self, arguments: Sequence[syntax.Argument]) -> list[Data]:
        """Arguments in order; `_` is one too."""
        return self.sequence([argument.value or syntax.Default(argument.position) for argument in arguments])

    def _fits(
        self, signature: Signature, node: syntax.Call, data: Sequence[Data], bindings: Mapping[str, types.Type]
    ) -> bool:
        trial = dict(bindings)
        return len(data) <= len(signature.parameters) and all(
            relations.unify(parameter.type, found.type, trial)
            for parameter, found in zip(signature.parameters, data, strict=False)
        )

    def _infer(
        self,
        called: Signature,
        node: syntax.Call,
        found: Mapping[str, Data],
        known: Mapping[str, types.Type],
    ) -> dict[str, types.Type]:
        """The types that the type parameters stand for (section 8.20)."""
        bindings = dict(known)
        given = [self.type(argument) for argument in node.type_arguments]
        if given and len(given) != len(called.type_parameters):
            raise CompileError(
                node.position,
                f"found {len(given)} type arguments of {called.name}; expected {len(called.type_parameters)}",
            )
        for name, type_ in zip(called.type_parameters, given, strict=False):
            if type_ != types.ANYTHING:
                bindings[name] = type_
        for parameter in called.parameters:
            data = found.get(parameter.name.text)
            if data is None or isinstance(data, Unset):
                continue
            if not relations.unify(parameter.type, data.type, bindings):
                wanted = relations.substitute(parameter.type, bindings)
                raise CompileError(
                    self._place(node, parameter, found),
                    f"found {describe(data.type)} for {parameter.name} of {called.name}; expected {describe(wanted)}",
                )
        for name in called.type_parameters:
            if name not in bindings:
                raise CompileError(node.position, f"found no type for {name} of {called.name}; expected <type> here")
            if bindings[name] == types.INTEGER:
                bindings[name] = types.BIT32
        return bindings

    def _place(self, node: syntax.Call, parameter: Parameter, found: Mapping[str, Data]) -> Position:
        index = list(found).index(parameter.name.text)
        return node.arguments[index].position

    def _lower_extern(
        self,
        called: Signature,
        node: syntax.Call,
        bound: Mapping[str, syntax.Argument],
        found: Mapping[str, Data],
        bindings: Mapping[str, types.Type],
        base: ExternObject | None,
    ) -> Data:
        arguments: dict[str, Data] = {}
        after: list[tuple[Value, Value, syntax.Argument]] = []
        for parameter in called.parameters:
            name = parameter.name.text
            if name not in found:
                continue
            argument, data = bound[name], found[name]
            type_ = relations.substitute(parameter.type, bindings)
            if parameter.written and isinstance(data, Unset):
                arguments[name] = self.temporary("unused", type_)
            elif parameter.written:
                assert argument.value is not None
                target = self.must_write(data, argument.value)
                arguments[name] = target
                if target.bits is not None or target.type != type_:
                    arguments[name] = self.temporary("out", target.type if target.bits is None else type_)
                    after.append((target, arguments[name], argument))  # type: ignore[arg-type]
                    if parameter.direction is Direction.INOUT:
                        self.store(arguments[name], data, argument.position)  # type: ignore[arg-type]
            else:
                arguments[name] = self._input(data, type_, argument)
        qualified = called.name if base is None else f"{base.type.name}.{called.name}"
        lower = EXTERNS.get(qualified)
        if lower is None:
            raise UnsupportedError(node.position, qualified)
        result = lower(ExternCall(self, node, qualified, arguments, bindings, base))
        for target, value, argument in after:
            self.store(target, value, argument.position)
        return result

    def _input(self, data: Data, type_: types.Type, argument: syntax.Argument) -> Data:
        if isinstance(data, Items) and isinstance(type_, types.Tuple):
            pairs = zip(data.items, type_.elements, strict=True)
            return Items(tuple(self._input(item, element, argument) for item, element in pairs))
        if isinstance(type_, types.Tuple | types.Record | types.Text | types.Integer):
            return data
        return self.convert(data, type_, argument.position)


def _takes(signature: Signature, arguments: int) -> bool:
    required = sum(parameter.default is None for parameter in signature.parameters)
    return required <= arguments <= len(signature.parameters)


def signature(resolve: Expressions, prototype: syntax.Prototype, scope: Scope, outer: Sequence[str]) -> Signature:
    """A prototype with its types; `outer` are the type parameters of the extern that it belongs to."""
    inner = Scope(scope)
    for name in (*outer, *(parameter.text for parameter in prototype.type_parameters)):
        inner.declare(syntax.Identifier(prototype.position, name), TypeName(types.TypeVariable(name)))
    resolve = resolve.elsewhere(inner)
    return Signature(
        prototype.name.text,
        tuple(parameter.text for parameter in prototype.type_parameters),
        parameters(resolve, prototype.parameters),
        resolve.type(prototype.result) if prototype.result else types.VOID,
    )


def parameters(resolve: Expressions, nodes: Sequence[syntax.Parameter]) -> tuple[Parameter, ...]:
    """Parameters with their types; two of one name are an error."""
    names = Scope()
    for node in nodes:
        names.declare(node.name, node)
    return tuple(
        Parameter(node.name, resolve.type(node.type), node.direction, node.default, node.annotations) for node in nodes
    )
