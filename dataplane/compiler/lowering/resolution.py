"""From the types that a program writes to those that they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataplane.compiler import lowered, syntax
from dataplane.compiler.errors import CompileError, UnsupportedError
from dataplane.compiler.lowered import Bits
from dataplane.compiler.lowering import types
from dataplane.compiler.lowering.builder import Builder, annotations
from dataplane.compiler.lowering.scope import Scope, nearest
from dataplane.compiler.lowering.types import Type
from dataplane.compiler.lowering.values import Entity, TypeName

WIDEST = 128
"""Bits of the widest number."""


@dataclass(frozen=True, eq=False)
class ExternKind:
    """A declared extern type."""

    declaration: syntax.ExternDeclaration
    scope: Scope


@dataclass(frozen=True, eq=False)
class Interface:
    """A parser, control or package type declared without body."""

    declaration: syntax.ParserTypeDeclaration | syntax.ControlTypeDeclaration | syntax.PackageDeclaration


@dataclass(frozen=True, eq=False)
class GenericType:
    """A struct or header with type parameters; `made` are those with arguments that have been used."""

    declaration: syntax.StructDeclaration | syntax.HeaderDeclaration
    scope: Scope
    made: dict[tuple[Type, ...], Type]


class Resolution:
    """Resolves types in a scope."""

    def __init__(self, builder: Builder, scope: Scope) -> None:
        self.builder = builder
        self.scope = scope

    def fixed(self, node: syntax.Expression, what: str) -> int:
        """A number that is known at compile time."""
        raise NotImplementedError

    def elsewhere(self, scope: Scope) -> "Resolution":
        """The same in another scope, for types and constants."""
        raise NotImplementedError

    def find(self, name: str, node: syntax.Node, absolute: bool, what: str = "name") -> Entity:
        """What a name stands for."""
        scope = self.scope.top() if absolute else self.scope
        return scope.lookup(name, node.position, what)

    def type(self, node: syntax.Type) -> Type:
        """The type that is written there."""
        match node:
            case syntax.BitsType():
                return self._bits(node)
            case syntax.NamedType(name=name, absolute=absolute):
                return self._named(node, self.find(name, node, absolute, "type"), ())
            case syntax.BasicType():
                return self._basic(node)
            case syntax.SpecializedType(base=base, arguments=arguments):
                entity = self.find(base.name, base, base.absolute, "type")
                return self._named(base, entity, tuple(self.type(argument) for argument in arguments))
            case syntax.StackType():
                return self._stack(node)
            case syntax.TupleType(elements=elements):
                return types.Tuple(tuple(self.type(element) for element in elements))
            case syntax.VarbitType():
                raise UnsupportedError(node.position, "varbit")
            case syntax.ListType():
                raise UnsupportedError(node.position, "list<>")

    def stored(self, node: syntax.Type) -> Type:
        """A type that a variable or member can have."""
        result = self.type(node)
        if not types.storable(result):
            raise CompileError(node.position, f"found type {types.describe(result)}; expected one with a size")
        return result

    def _basic(self, node: syntax.BasicType) -> Type:
        match node.kind:
            case syntax.Basic.BOOL:
                return types.BOOLEAN
            case syntax.Basic.ERROR:
                return types.ERROR
            case syntax.Basic.STRING:
                return types.TEXT
            case syntax.Basic.INT:
                return types.INTEGER
            case syntax.Basic.VOID:
                return types.VOID
            case syntax.Basic.DONT_CARE:
                return types.ANYTHING
            case syntax.Basic.MATCH_KIND:
                raise UnsupportedError(node.position, "variable of type match_kind")

    def _bits(self, node: syntax.BitsType) -> Type:
        width = self.fixed(node.width, "width")
        kind = "int" if node.signed else "bit"
        if width == 0 and not node.signed:
            raise UnsupportedError(node.position, "bit<0>")
        if width < 1:
            raise CompileError(node.position, f"found {kind}<{width}>; expected a width of at least 1")
        if width > WIDEST:
            raise UnsupportedError(node.position, f"{kind}<{width}> (wider than {WIDEST} bits)")
        return Bits(width, node.signed)

    def _stack(self, node: syntax.StackType) -> Type:
        element = self.type(node.element)
        size = self.fixed(node.size, "size")
        if not isinstance(element, types.Header):
            raise CompileError(
                node.position, f"found a stack of {types.describe(element)}; expected a header type before ["
            )
        if size < 1:
            raise CompileError(node.size.position, f"found a stack of {size} headers; expected at least 1")
        return types.Stack(element, size)

    def _named(self, node: syntax.NamedType, entity: Entity, arguments: tuple[Type, ...]) -> Type:
        match entity:
            case TypeName(type_):
                self._check_count(node, 0, arguments)
                return type_
            case ExternKind(declaration):
                self._check_count(node, len(declaration.type_parameters), arguments)
                return types.Extern(node.name, arguments)
            case Interface(declaration):
                self._check_count(node, len(declaration.type_parameters), arguments)
                return types.Block(node.name, arguments)
            case GenericType(declaration):
                self._check_count(node, len(declaration.type_parameters), arguments)
                return self._specialized(entity, arguments)
            case _:
                known = (name for name in self.scope.names() if isinstance(self.scope.find(name), TypeName))
                raise CompileError(
                    node.position, f"found {node.name}, which is no type; expected a type{nearest(node.name, known)}"
                )

    def _check_count(self, node: syntax.NamedType, wanted: int, arguments: Sequence[Type]) -> None:
        if len(arguments) != wanted:
            raise CompileError(
                node.position,
                f"found {len(arguments)} type arguments of {node.name}; expected {wanted}",
            )

    def _specialized(self, generic: GenericType, arguments: tuple[Type, ...]) -> Type:
        if arguments not in generic.made:
            inner = Scope(generic.scope)
            for parameter, argument in zip(generic.declaration.type_parameters, arguments, strict=True):
                inner.declare(parameter, TypeName(argument))
            name = f"{generic.declaration.name}<{', '.join(map(types.describe, arguments))}>"
            resolve = self.elsewhere(inner)
            if isinstance(generic.declaration, syntax.HeaderDeclaration):
                generic.made[arguments] = resolve.header(generic.declaration, name)
            else:
                generic.made[arguments] = resolve.struct(generic.declaration, name)
        return generic.made[arguments]

    def header(self, node: syntax.HeaderDeclaration, name: str) -> types.Header:
        """A header type: numbers and booleans, whole bytes in all; structs of such are laid flat by nobody."""
        members = self._members(node.fields)
        for written, (member, found) in zip(node.fields, members.items(), strict=True):
            if not types.scalar(found.type) or isinstance(found.type, types.Enum | types.ErrorType):
                if isinstance(found.type, types.Struct):
                    raise UnsupportedError(written.position, f"struct {found.type.name} in a header")
                raise CompileError(
                    written.position,
                    f"found member {member} of type {types.describe(found.type)} in header {name}; "
                    "expected bit<>, int<>, bool or a serializable enum",
                )
        form = lowered.Header(name, _fields(members), annotations(node.annotations))
        if form.width % 8:
            raise UnsupportedError(node.name.position, f"header {name} of {form.width} bits (not whole bytes)")
        return types.Header(name, members, form)

    def struct(self, node: syntax.StructDeclaration, name: str) -> types.Struct:
        """A struct type."""
        members = self._members(node.fields)
        return types.Struct(name, members, lowered.Struct(name, _fields(members)))

    def _members(self, fields: Sequence[syntax.Field]) -> dict[str, types.Member]:
        members: dict[str, types.Member] = {}
        for field in fields:
            if field.name.text in members:
                raise CompileError(field.name.position, f"found a second member {field.name}; expected another name")
            members[field.name.text] = types.Member(self.stored(field.type), annotations(field.annotations))
        return members


def _fields(members: Mapping[str, types.Member]) -> tuple[lowered.Field, ...]:
    return tuple(lowered.Field(name, types.form(member.type), member.annotations) for name, member in members.items())
