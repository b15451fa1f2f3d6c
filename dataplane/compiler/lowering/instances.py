"""Instances of externs, parsers, controls and packages (P4_16 section 10.3)."""

from collections.abc import Callable, Mapping, Sequence

from dataplane.compiler import lowered, syntax
from dataplane.compiler.errors import CompileError, UnsupportedError
from dataplane.compiler.lowered import Algorithm, Annotations, Bits, Boolean
from dataplane.compiler.lowering import types
from dataplane.compiler.lowering.bodies import Body
from dataplane.compiler.lowering.builder import annotations, control_plane_name
from dataplane.compiler.lowering.callables import Instance, Kind, Package, Parameter, bind
from dataplane.compiler.lowering.extern_calls import parameters
from dataplane.compiler.lowering.resolution import ExternKind, Interface
from dataplane.compiler.lowering.scope import Scope
from dataplane.compiler.lowering.types import Type, describe
from dataplane.compiler.lowering.values import Broken, Entity, ExternObject, Number, TypeName, Value, constant

ExternForm = lowered.Counter | lowered.Meter | lowered.Register | lowered.Profile

COUNTER_UNITS: tuple[lowered.Unit, ...] = ("packets", "bytes", "packets_and_bytes")
"""By number of `CounterType`."""


class Instances(Body):
    """A body that can have instances: of a control or parser, and the program as a whole."""

    path = ""
    """Prefix of the names that the control plane has for what is declared here."""

    def declare_instance(self, node: syntax.Instantiation) -> None:
        """`Type(arguments) name;`."""
        try:
            if node.body is not None:
                raise UnsupportedError(node.position, "instance with methods of its own")
            entity = self.instantiate(node.type, node.arguments, node, node.name.text, annotations(node.annotations))
        except CompileError:
            self.scope.declare(node.name, Broken(node))
            raise
        self.scope.declare(node.name, entity)

    def construct(self, node: syntax.Call) -> Entity:
        assert isinstance(node.function, syntax.TypeName)
        written = node.function.type
        if node.type_arguments and isinstance(written, syntax.NamedType):
            written = syntax.SpecializedType(written.position, written, node.type_arguments)
        return self.instantiate(written, node.arguments, node, "", {})

    def instantiate(
        self,
        written: syntax.Type,
        arguments: Sequence[syntax.Argument],
        node: syntax.Node,
        name: str,
        notes: Annotations,
    ) -> Entity:
        """An instance of whatever the type is; one without a name is called as its type."""
        base = written.base if isinstance(written, syntax.SpecializedType) else written
        if isinstance(base, syntax.NamedType):
            entity = self.find(base.name, base, base.absolute, "type")
            given = written.arguments if isinstance(written, syntax.SpecializedType) else ()
            match entity:
                case Kind():
                    path = control_plane_name(self.path, name or entity.name, notes)
                    return Instance(entity, path, self._constants(entity.constructor_parameters, arguments, node, base))
                case ExternKind():
                    return self._extern_object(entity, base, given, arguments, node, name, notes)
                case Interface(syntax.PackageDeclaration() as declaration):
                    return self._package(declaration, given, arguments, node, notes)
        raise CompileError(
            node.position, "found an instance of a type that has none; expected a parser, control or extern"
        )

    def _constants(
        self,
        wanted: Sequence[Parameter],
        arguments: Sequence[syntax.Argument],
        node: syntax.Node,
        base: syntax.NamedType,
    ) -> dict[str, Entity]:
        """A constructor's arguments, which are all known at compile time."""
        bound = bind(wanted, arguments, node, base.name)
        result: dict[str, Entity] = {}
        for parameter in wanted:
            argument = bound.get(parameter.name.text)
            written = argument.value if argument else parameter.default
            if written is None:
                raise CompileError(node.position, f"found _ for {parameter.name}; expected a constant")
            result[parameter.name.text] = self._constant_argument(parameter, written)
        return result

    def _constant_argument(self, parameter: Parameter, node: syntax.Expression) -> Entity:
        found = self.entity(node)
        if isinstance(parameter.type, types.Extern):
            if not isinstance(found, ExternObject) or found.type != parameter.type:
                raise CompileError(node.position, f"found another argument; expected {describe(parameter.type)}")
            return found
        if isinstance(found, Instance) or isinstance(parameter.type, types.Block):
            raise UnsupportedError(node.position, "parser or control as constructor argument")
        data = self.data(node)
        if isinstance(data, Number) and parameter.type == types.INTEGER:
            return data
        value = self.convert(data, parameter.type, node.position)
        if constant(value) is None:
            raise CompileError(
                node.position, f"found a value computed at run time; expected a constant {parameter.name}"
            )
        return value

    def _package(
        self,
        declaration: syntax.PackageDeclaration,
        given: Sequence[syntax.Type],
        arguments: Sequence[syntax.Argument],
        node: syntax.Node,
        notes: Annotations,
    ) -> Package:
        loose = [Parameter(each.name, types.ANYTHING, each.direction, each.default) for each in declaration.parameters]
        bound = bind(loose, arguments, node, declaration.name.text)
        found = {each: self.entity(argument.value) for each, argument in bound.items() if argument.value is not None}
        if len(given) not in (0, len(declaration.type_parameters)):
            raise CompileError(
                node.position,
                f"found {len(given)} type arguments of {declaration.name}; expected {len(declaration.type_parameters)}",
            )
        return Package(declaration.name.text, tuple(self.type(each) for each in given), found, node, notes)

    def scope_of(self, instance: Instance, aliases: Mapping[str, Entity]) -> tuple[Scope, dict[str, Value]]:
        """The scope of an instance's body, and the variables of its parameters."""
        outer = Scope(instance.kind.scope)
        for parameter in instance.kind.constructor_parameters:
            outer.declare(parameter.name, instance.constants[parameter.name.text])
        variables = self.declare_parameters(outer, instance.kind.parameters, aliases, instance.path)
        return Scope(outer), variables

    # externs

    def _extern_object(
        self,
        kind: ExternKind,
        base: syntax.NamedType,
        given: Sequence[syntax.Type],
        arguments: Sequence[syntax.Argument],
        node: syntax.Node,
        name: str,
        notes: Annotations,
    ) -> ExternObject:
        declaration = kind.declaration
        made = _CONSTRUCTORS.get(declaration.name.text)
        if made is None:
            raise UnsupportedError(node.position, f"instance of {declaration.name}")
        if len(given) not in (0, len(declaration.type_parameters)) or (
            not given and declaration.name.text == "register"
        ):
            raise CompileError(
                node.position,
                f"found {len(given)} type arguments of {declaration.name}; expected {len(declaration.type_parameters)}",
            )
        type_arguments = tuple(self.type(argument) for argument in given) or tuple(
            types.ANYTHING for _ in declaration.type_parameters
        )
        constructors = [method for method in declaration.methods if method.result is None]
        fitting = [each for each in constructors if len(each.parameters) == len(arguments)] or constructors
        inner = Scope(kind.scope)
        for parameter, argument in zip(declaration.type_parameters, type_arguments, strict=True):
            inner.declare(parameter, TypeName(argument))
        wanted = parameters(self.elsewhere(inner), fitting[0].parameters)
        values = self._constants(wanted, arguments, node, base)
        numbers = {each: found.value for each, value in values.items() if (found := _known(value)) is not None}
        full = control_plane_name(self.path, name or declaration.name.text, notes)
        form = made(_Construction(self, node, full, notes, type_arguments, numbers))
        return ExternObject(types.Extern(declaration.name.text, type_arguments), form)


class _Construction:
    """What an extern object is made of."""

    def __init__(
        self,
        body: Instances,
        node: syntax.Node,
        name: str,
        notes: Annotations,
        type_arguments: Sequence[Type],
        numbers: Mapping[str, int],
    ) -> None:
        self.objects = body.builder.objects
        self.node = node
        self.name = name
        self.notes = notes
        self.type_arguments = type_arguments
        self.numbers = numbers

    def size(self) -> int:
        """Number of elements."""
        if self.numbers["size"] < 1:
            raise CompileError(self.node.position, f"found size {self.numbers['size']}; expected at least 1")
        return self.numbers["size"]


def _known(entity: Entity) -> lowered.Constant | None:
    return constant(entity) if isinstance(entity, Value) else None


def _counter(of: _Construction) -> ExternForm:
    size = of.size() if "size" in of.numbers else None
    form = lowered.Counter(of.name, COUNTER_UNITS[of.numbers["type"]], size, of.notes)
    of.objects.counters.append(form)
    return form


def _meter(of: _Construction) -> ExternForm:
    size = of.size() if "size" in of.numbers else None
    form = lowered.Meter(of.name, "bytes" if of.numbers["type"] else "packets", size, of.notes)
    of.objects.meters.append(form)
    return form


def _register(of: _Construction) -> ExternForm:
    type_ = of.type_arguments[0]
    element = types.number(type_) if types.scalar(type_) else None
    if not isinstance(element, Bits) or isinstance(element, Boolean):
        raise UnsupportedError(of.node.position, f"register of {describe(type_)}")
    form = lowered.Register(of.name, element, of.size(), of.notes)
    of.objects.registers.append(form)
    return form


def _profile(of: _Construction) -> ExternForm:
    algorithm = Algorithm(of.numbers["algorithm"]) if "algorithm" in of.numbers else None
    form = lowered.Profile(of.name, of.size(), algorithm, of.numbers.get("outputWidth", 0), of.notes)
    of.objects.profiles.append(form)
    return form


_CONSTRUCTORS: Mapping[str, Callable[[_Construction], ExternForm]] = {
    "counter": _counter,
    "direct_counter": _counter,
    "meter": _meter,
    "direct_meter": _meter,
    "register": _register,
    "action_profile": _profile,
    "action_selector": _profile,
}
