"""From the syntax tree of a program to its lowered form."""

from collections.abc import Mapping, Sequence

from dataplane.compiler import lowered, syntax
from dataplane.compiler.errors import CompileError, UnsupportedError
from dataplane.compiler.lowered import Block, Variable
from dataplane.compiler.lowering import relations, types
from dataplane.compiler.lowering.builder import Builder, annotations, control_plane_name
from dataplane.compiler.lowering.callables import Instance, Kind, Package, Parameter
from dataplane.compiler.lowering.controls import Control
from dataplane.compiler.lowering.declarations import Declarations, package_annotations
from dataplane.compiler.lowering.extern_calls import parameters
from dataplane.compiler.lowering.loops import check_loops, reachable
from dataplane.compiler.lowering.parsers import ACCEPT, Parser
from dataplane.compiler.lowering.resolution import Interface
from dataplane.compiler.lowering.scope import Scope
from dataplane.compiler.lowering.types import Type, describe
from dataplane.compiler.lowering.values import Entity, ExternObject, TypeName, variable

ARCHITECTURE = "V1Switch"
_STANDARD = "standard_metadata_t"


def lower(program: syntax.Program, name: str) -> lowered.Program:
    """Checks a program and lowers it.

    Raises CompileError with all that was found, a line each; UnsupportedError where it is valid P4 otherwise.
    """
    builder = Builder()
    try:
        result = _lower(builder, program, name)
    except RecursionError:
        raise CompileError(program.position, "found expressions or blocks nested too deeply") from None
    builder.finish()
    assert result is not None
    return result


def _lower(builder: Builder, program: syntax.Program, name: str) -> lowered.Program | None:
    declarations = Declarations(builder)
    declarations.declare_all(program)
    result: lowered.Program | None = None
    with builder.reporting():
        result = _Switch(builder, declarations, _main(declarations, program)).lower(name)
    _check_unused(builder, declarations)
    return result


def _main(declarations: Declarations, program: syntax.Program) -> Package:
    main = declarations.scope.find("main")
    last = program.declarations[-1].position if program.declarations else program.position
    if main is None:
        raise CompileError(last, f"found no main; expected {ARCHITECTURE}(…) main;")
    main = declarations.scope.lookup("main", last)
    if not isinstance(main, Package):
        raise CompileError(last, f"found another main; expected {ARCHITECTURE}(…) main;")
    if main.name != ARCHITECTURE:
        raise UnsupportedError(main.node.position, f"package {main.name}")
    return main


def _check_unused(builder: Builder, declarations: Declarations) -> None:
    """Checks what is declared and never used as well."""
    for kind in declarations.kinds:
        if not kind.used and not kind.constructor_parameters:
            with builder.trial():
                _try(builder, kind)
    for callee in list(builder.callables):
        if not callee.forms and not callee.table_forms:
            with builder.trial():
                declarations.form(callee, _externs(callee.parameters))


def _try(builder: Builder, kind: Kind) -> None:
    externs = _externs(kind.parameters)
    instance = Instance(kind, kind.name, {})
    if kind.what == "parser":
        states: dict[str, lowered.State] = {}
        parser = Parser(builder, kind.scope, kind.name, states, ACCEPT)
        parser.scope, _ = parser.scope_of(instance, externs)
        parser.lower(kind, "")
    else:
        control = Control(builder, kind.scope, kind.name)
        control.scope, _ = control.scope_of(instance, externs)
        control.within(kind)


def _externs(parameters: Sequence[Parameter]) -> dict[str, Entity]:
    return {each.name.text: ExternObject(each.type, None) for each in parameters if isinstance(each.type, types.Extern)}


class _Switch:
    """The parts of `main` as the switch runs them."""

    def __init__(self, builder: Builder, declarations: Declarations, main: Package) -> None:
        self.builder = builder
        self.declarations = declarations
        self.main = main
        self._bindings: dict[str, Type] = {}
        """What the package's type parameters stand for."""
        self._roles: dict[str, list[str]] = {}
        """Of each kind's parameters: which shared variable they are."""

    def lower(self, name: str) -> lowered.Program:
        parts = self._parts()
        builder = self.builder
        standard = self.declarations.scope.find(_STANDARD)
        assert isinstance(standard, TypeName)
        shared = {
            "H": self._shared(parts, "H", lowered.HEADERS),
            "M": self._shared(parts, "M", lowered.METADATA),
            _STANDARD: (standard.type, Variable(lowered.STANDARD, types.form(standard.type))),
        }
        builder.headers, builder.metadata = shared["H"][1], shared["M"][1]
        builder.standard = shared[_STANDARD][1]
        states, start = self._parser(parts["p"], shared)
        verify, ingress, egress, compute, deparser = (
            self._control(parts[each], shared) for each in ("vr", "ig", "eg", "ck", "dep")
        )
        objects = builder.objects
        return lowered.Program(
            name=name,
            headers=builder.headers,
            metadata=builder.metadata,
            standard=builder.standard,
            variables=tuple(objects.variables),
            start=start,
            states=states,
            verify_checksum=verify,
            ingress=ingress,
            egress=egress,
            compute_checksum=compute,
            deparser=deparser,
            functions=tuple(objects.functions),
            actions=tuple(objects.actions),
            tables=tuple(objects.tables),
            counters=tuple(objects.counters),
            meters=tuple(objects.meters),
            registers=tuple(objects.registers),
            profiles=tuple(objects.profiles),
            digests=tuple(objects.digests),
            errors=tuple(builder.errors),
            controller_headers=tuple(objects.controller_headers),
            package_annotations=package_annotations(self.main.node),
        )

    # which parser and controls

    def _parts(self) -> dict[str, Instance]:
        """The package's arguments, each with the parameters that its type asks for."""
        package = self.declarations.scope.find(ARCHITECTURE)
        assert isinstance(package, Interface)
        names = [parameter.text for parameter in package.declaration.type_parameters]
        self._bindings.update(
            (name, type_) for name, type_ in zip(names, self.main.types, strict=False) if type_ != types.ANYTHING
        )
        result: dict[str, Instance] = {}
        for wanted in self._parameters(package):
            found = self.main.arguments.get(wanted.name.text)
            if not isinstance(found, Instance):
                raise CompileError(
                    self.main.node.position, f"found another {wanted.name}; expected {describe(wanted.type)}"
                )
            self._check(found, wanted)
            result[wanted.name.text] = found
        return result

    def _check(self, found: Instance, wanted: Parameter) -> None:
        assert isinstance(wanted.type, types.Block)
        interface = self.declarations.scope.find(wanted.type.name)
        assert isinstance(interface, Interface)
        expected = self._parameters(interface)
        what = "parser" if isinstance(interface.declaration, syntax.ParserTypeDeclaration) else "control"
        kind = found.kind
        position = kind.declaration.name.position
        if kind.what != what:
            raise CompileError(position, f"found {kind.what} {kind.name} as {wanted.name}; expected a {what}")
        if len(kind.parameters) != len(expected):
            raise CompileError(
                position,
                f"found {len(kind.parameters)} parameters of {kind.name}; "
                f"expected {len(expected)} as {interface.declaration.name} has them",
            )
        for own, other in zip(kind.parameters, expected, strict=True):
            if own.direction is not other.direction or not relations.unify(other.type, own.type, self._bindings):
                wanted_type = relations.substitute(other.type, self._bindings)
                raise CompileError(
                    own.name.position,
                    f"found {_directed(own.direction, own.type)} as {own.name} of {kind.name}; "
                    f"expected {_directed(other.direction, wanted_type)}",
                )

        self._roles[kind.name] = [
            each.type.name if isinstance(each.type, types.TypeVariable) else _STANDARD for each in expected
        ]

    def _parameters(self, interface: Interface) -> tuple[Parameter, ...]:
        """What a parser, control or package type asks for, with type variables."""
        scope = Scope(self.declarations.scope)
        for parameter in interface.declaration.type_parameters:
            scope.declare(parameter, TypeName(types.TypeVariable(parameter.text)))
        return parameters(self.declarations.elsewhere(scope), interface.declaration.parameters)

    def _shared(self, parts: Mapping[str, Instance], name: str, called: str) -> tuple[Type, Variable]:
        """The type of headers or metadata, and the variable that all parts share."""
        type_ = self._bindings[name]
        if not isinstance(type_, types.Struct):
            raise UnsupportedError(
                parts["p"].kind.declaration.position, f"{describe(type_)} as {called} (not a struct)"
            )
        return type_, Variable(called, types.form(type_))

    # what they do

    def _part(self, found: Instance, shared: Mapping[str, tuple[Type, Variable]]) -> tuple[Instance, Scope]:
        """The instance as the control plane names it (by its type), and the scope of its body."""
        notes = annotations(found.kind.declaration.annotations)
        instance = Instance(found.kind, control_plane_name("", found.kind.name, notes), found.constants)
        entities: dict[str, Entity] = {}
        for each, role in zip(found.kind.parameters, self._roles[found.kind.name], strict=True):
            if isinstance(each.type, types.Extern):
                entities[each.name.text] = ExternObject(each.type, None)
            else:
                type_, place = shared[role]
                entities[each.name.text] = variable(place, type_)
        return instance, self.declarations.scope_of(instance, entities)[0]

    def _parser(
        self, found: Instance, shared: Mapping[str, tuple[Type, Variable]]
    ) -> tuple[Mapping[str, lowered.State], str]:
        instance, scope = self._part(found, shared)
        states: dict[str, lowered.State] = {}
        parser = Parser(self.builder, scope, instance.path, states, ACCEPT)
        start = parser.lower(found.kind, "")
        used = reachable(states, start)
        check_loops(used)
        return used, start

    def _control(self, found: Instance, shared: Mapping[str, tuple[Type, Variable]]) -> Block:
        instance, scope = self._part(found, shared)
        return Control(self.builder, scope, instance.path).within(found.kind)


def _directed(direction: syntax.Direction, type_: Type) -> str:
    return f"{direction} {describe(type_)}".strip()
