"""Declarations at the top of a program: what they add to its scope."""

from collections.abc import Callable as Function
from collections.abc import Mapping
from typing import Any

from dataplane.compiler import lowered, syntax
from dataplane.compiler.errors import CompileError, UnsupportedError
from dataplane.compiler.lowered import Bits
from dataplane.compiler.lowering import constants, types
from dataplane.compiler.lowering.builder import Builder, annotations
from dataplane.compiler.lowering.callables import Callable, ExternFunctions, Kind, Overloads
from dataplane.compiler.lowering.extern_calls import parameters
from dataplane.compiler.lowering.instances import Instances
from dataplane.compiler.lowering.resolution import ExternKind, GenericType, Interface
from dataplane.compiler.lowering.scope import Scope
from dataplane.compiler.lowering.types import describe
from dataplane.compiler.lowering.values import Broken, Entity, TypeName


class Declarations(Instances):
    """Declares everything of a program, in order."""

    may_exit = False

    def __init__(self, builder: Builder) -> None:
        super().__init__(builder, Scope(), "")
        self.kinds: list[Kind] = []
        self._makers: Mapping[type, Function[[Any], Entity]] = {
            syntax.HeaderDeclaration: self._header,
            syntax.StructDeclaration: self._struct,
            syntax.EnumDeclaration: self._enum,
            syntax.TypedefDeclaration: self._typedef,
            syntax.ParserTypeDeclaration: Interface,
            syntax.ControlTypeDeclaration: Interface,
            syntax.PackageDeclaration: Interface,
            syntax.ExternDeclaration: lambda node: ExternKind(node, self.scope),
            syntax.ParserDeclaration: self._kind,
            syntax.ControlDeclaration: self._kind,
            syntax.ActionDeclaration: self._action,
        }

    def declare_all(self, program: syntax.Program) -> None:
        """Declares everything; what is in error is reported, and known to be so from then on."""
        for node in program.declarations:
            with self.builder.reporting():
                self._one(node)

    def _one(self, node: syntax.TopLevel) -> None:
        match node:
            case syntax.ErrorDeclaration(members=members):
                for member in members:
                    if member.text in self.builder.errors:
                        raise CompileError(member.position, f"found a second error {member}; expected another name")
                    self.builder.errors[member.text] = len(self.builder.errors)
            case syntax.MatchKindDeclaration(members=members):
                self.builder.match_kinds |= {member.text for member in members}
            case syntax.ConstantDeclaration():
                self.declare_constant(node)
            case syntax.Instantiation():
                self.declare_instance(node)
            case syntax.FunctionDeclaration():
                self._declare_function(node)
            case syntax.ExternFunctionDeclaration():
                self._declare_extern(node)
            case syntax.HeaderUnionDeclaration():
                self.scope.declare(node.name, Broken(node))
                raise UnsupportedError(node.position, "header_union")
            case _:
                self._declare_named(node)

    def _declare_named(self, node: syntax.TopLevel) -> None:
        assert isinstance(node, syntax.Declaration)
        try:
            entity = self._makers[type(node)](node)
        except CompileError:
            self.scope.declare(node.name, Broken(node))
            raise
        self.scope.declare(node.name, entity)

    # types

    def _header(self, node: syntax.HeaderDeclaration) -> Entity:
        if node.type_parameters:
            return GenericType(node, self.scope, {})
        header = self.header(node, node.name.text)
        if "controller_header" in header.form.annotations:
            self.builder.objects.controller_headers.append(header.form)
        return TypeName(header)

    def _struct(self, node: syntax.StructDeclaration) -> Entity:
        if node.type_parameters:
            return GenericType(node, self.scope, {})
        return TypeName(self.struct(node, node.name.text))

    def _enum(self, node: syntax.EnumDeclaration) -> Entity:
        names: dict[str, int] = {}
        underlying = self.type(node.underlying) if node.underlying else None
        if underlying is not None and not isinstance(underlying, Bits):
            raise CompileError(node.position, f"found enum {describe(underlying)}; expected bit<> or int<>")
        for number, member in enumerate(node.members):
            if member.name.text in names:
                raise CompileError(member.name.position, f"found a second member {member.name}; expected another name")
            names[member.name.text] = number if underlying is None else self._enum_value(member, underlying)
        if underlying is None:
            return TypeName(types.Enum(node.name.text, names))
        return TypeName(types.SerializableEnum(node.name.text, underlying, names))

    def _enum_value(self, member: syntax.EnumMember, underlying: Bits) -> int:
        if member.value is None:
            raise CompileError(member.position, f"found {member.name} without value; expected {member.name} = …")
        found = self.cast(self.data(member.value), types.INTEGER, member.value.position)
        value = self.convert(found, underlying, member.value.position).expression
        assert isinstance(value, lowered.Constant)
        return constants.wrap(value.value, underlying)

    def _typedef(self, node: syntax.TypedefDeclaration) -> Entity:
        type_ = self.type(node.type)
        if node.new:
            if not types.scalar(type_):
                raise CompileError(
                    node.position, f"found type {describe(type_)} {node.name}; expected a number or bool"
                )
            return TypeName(types.NewType(node.name.text, type_))
        return TypeName(type_)

    # what runs

    def _kind(self, node: syntax.ParserDeclaration | syntax.ControlDeclaration) -> Entity:
        if node.type_parameters:
            raise UnsupportedError(node.position, f"type parameters of {node.name}")
        kind = Kind(node, self.scope, parameters(self, node.parameters), parameters(self, node.constructor_parameters))
        self.kinds.append(kind)
        return kind

    def _action(self, node: syntax.ActionDeclaration) -> Entity:
        return self._callable(node, node.parameters, types.VOID)

    def _callable(
        self,
        node: syntax.ActionDeclaration | syntax.FunctionDeclaration,
        written: tuple[syntax.Parameter, ...],
        result: types.Type,
    ) -> Callable:
        callee = Callable(node, self.scope, parameters(self, written), result, "", isolated=True)
        self.builder.callables.append(callee)
        return callee

    def _declare_function(self, node: syntax.FunctionDeclaration) -> None:
        prototype = node.prototype
        if prototype.type_parameters:
            self.scope.declare(node.name, Broken(node))
            raise UnsupportedError(node.position, f"type parameters of function {node.name}")
        result = self.type(prototype.result) if prototype.result else types.VOID
        callee = self._callable(node, prototype.parameters, result)
        known = self.scope.local(node.name.text)
        if isinstance(known, Overloads) and all(
            len(each.parameters) != len(callee.parameters) for each in known.functions
        ):
            known.functions.append(callee)
        else:
            self.scope.declare(node.name, Overloads([callee]))

    def _declare_extern(self, node: syntax.ExternFunctionDeclaration) -> None:
        known = self.scope.local(node.name.text)
        if isinstance(known, ExternFunctions):
            known.prototypes.append(node.prototype)
        else:
            self.scope.declare(node.name, ExternFunctions([node.prototype], self.scope))


def package_annotations(node: syntax.Node) -> Mapping[str, str]:
    """Annotations of `main`."""
    return annotations(node.annotations) if isinstance(node, syntax.Instantiation) else {}
