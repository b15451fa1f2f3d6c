"""What a controller sees of a program: P4Info (P4Runtime section "P4Info").

Fields that came after P4Runtime 1.3 are left out: a client with older messages could not read the text form.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from finsy.proto import p4i, p4t

from dataplane.compiler.errors import NOWHERE, Position
from dataplane.compiler.identifiers import Kind, aliases, number_members, number_objects
from dataplane.compiler.lowered import (
    Action,
    Annotations,
    Bits,
    Counter,
    DigestType,
    Header,
    MatchKind,
    Meter,
    Profile,
    Program,
    Register,
    Struct,
    Table,
    TableAction,
    Type,
    width,
)

UNTOLD = {"id", "name", "alias", "brief", "description"}
"""Annotations that have fields of their own in P4Info."""

MATCH_TYPES = {
    MatchKind.EXACT: p4i.MatchField.EXACT,
    MatchKind.LPM: p4i.MatchField.LPM,
    MatchKind.TERNARY: p4i.MatchField.TERNARY,
    MatchKind.RANGE: p4i.MatchField.RANGE,
    MatchKind.OPTIONAL: p4i.MatchField.OPTIONAL,
}
COUNTER_UNITS = {
    "bytes": p4i.CounterSpec.BYTES,
    "packets": p4i.CounterSpec.PACKETS,
    "packets_and_bytes": p4i.CounterSpec.BOTH,
}
METER_UNITS = {"bytes": p4i.MeterSpec.BYTES, "packets": p4i.MeterSpec.PACKETS}


def p4info(program: Program) -> p4i.P4Info:
    """P4Info of a program; raises `CompileError` for an `@id` that cannot be."""
    return _Description(program).message()


def p4info_text(message: p4i.P4Info) -> str:
    """The text form, as p4c writes it into `.p4info.txt`."""
    return str(message)


@dataclass(frozen=True)
class _Description:
    """The program with its objects' ids."""

    program: Program

    def message(self) -> p4i.P4Info:
        message = p4i.P4Info(
            pkg_info=_package(self.program),
            tables=[self._table(table) for table in self.program.tables],
            actions=[self._action(action) for action in self.program.actions],
            action_profiles=[self._profile(profile) for profile in self.program.profiles],
            counters=[self._counter(counter) for counter in self.program.counters if counter.size is not None],
            direct_counters=[
                self._direct_counter(table, table.counter) for table in self.program.tables if table.counter
            ],
            meters=[self._meter(meter) for meter in self.program.meters if meter.size is not None],
            direct_meters=[self._direct_meter(table, table.meter) for table in self.program.tables if table.meter],
            controller_packet_metadata=[self._packet(header) for header in self.program.controller_headers],
            registers=[self._register(register) for register in self.program.registers],
            digests=[self._digest(digest) for digest in self.program.digests],
        )
        for digest in self.program.digests:
            _name_type(digest.type, message.type_info)
        return message

    @cached_property
    def _ids(self) -> dict[Kind, dict[str, int]]:
        program = self.program
        places: dict[Kind, dict[str, tuple[Annotations, Position]]] = {
            Kind.TABLE: {table.name: (table.annotations, table.position) for table in self.program.tables},
            Kind.ACTION: {action.name: (action.annotations, action.position) for action in self.program.actions},
            Kind.ACTION_PROFILE: _places(program.profiles),
            Kind.COUNTER: _places(counter for counter in program.counters if counter.size is not None),
            Kind.DIRECT_COUNTER: _places(table.counter for table in self.program.tables if table.counter),
            Kind.METER: _places(meter for meter in program.meters if meter.size is not None),
            Kind.DIRECT_METER: _places(table.meter for table in self.program.tables if table.meter),
            Kind.REGISTER: _places(program.registers),
            Kind.DIGEST: _places(program.digests),
            Kind.CONTROLLER_HEADER: _places(program.controller_headers),
        }
        return {kind: number_objects(kind, named) for kind, named in places.items()}

    @cached_property
    def _aliases(self) -> dict[str, str]:
        return aliases(name for ids in self._ids.values() for name in ids)

    def _preamble(self, kind: Kind, name: str, annotations: Annotations) -> p4i.Preamble:
        return p4i.Preamble(
            id=self._ids[kind][name],
            name=name,
            alias=annotations.get("alias") or self._aliases[name],
            annotations=_annotations(annotations),
            doc=_documentation(annotations),
        )

    def _table(self, table: Table) -> p4i.Table:
        message = p4i.Table(
            preamble=self._preamble(Kind.TABLE, table.name, table.annotations),
            match_fields=_match_fields(table),
            action_refs=[self._action_ref(entry) for entry in table.actions],
            size=table.size,
            is_const_table=table.constant_entries,
        )
        if table.constant_default:
            message.const_default_action_id = self._ids[Kind.ACTION][table.default.action.name]
        if table.profile:
            message.implementation_id = self._ids[Kind.ACTION_PROFILE][table.profile.name]
        if table.counter:
            message.direct_resource_ids.append(self._ids[Kind.DIRECT_COUNTER][table.counter.name])
        if table.meter:
            message.direct_resource_ids.append(self._ids[Kind.DIRECT_METER][table.meter.name])
        if table.idle_timeout:
            message.idle_timeout_behavior = p4i.Table.NOTIFY_CONTROL
        return message

    def _action_ref(self, entry: TableAction) -> p4i.ActionRef:
        scope = p4i.ActionRef.TABLE_AND_DEFAULT
        if "tableonly" in entry.annotations:
            scope = p4i.ActionRef.TABLE_ONLY
        elif "defaultonly" in entry.annotations:
            scope = p4i.ActionRef.DEFAULT_ONLY
        identifier = self._ids[Kind.ACTION][entry.action.name]
        return p4i.ActionRef(id=identifier, scope=scope, annotations=_annotations(entry.annotations))

    def _action(self, action: Action) -> p4i.Action:
        annotations = action.parameter_annotations or tuple({} for _ in action.parameters)
        ids = number_members([(each, action.position) for each in annotations])
        return p4i.Action(
            preamble=self._preamble(Kind.ACTION, action.name, action.annotations),
            params=[
                p4i.Action.Param(
                    id=identifier,
                    name=name,
                    bitwidth=width(variable.type),
                    annotations=_annotations(noted),
                    doc=_documentation(noted),
                )
                for identifier, name, variable, noted in zip(
                    ids, action.parameter_names, action.parameters, annotations, strict=True
                )
            ],
        )

    def _profile(self, profile: Profile) -> p4i.ActionProfile:
        users = [self._ids[Kind.TABLE][table.name] for table in self.program.tables if table.profile is profile]
        message = p4i.ActionProfile(
            preamble=self._preamble(Kind.ACTION_PROFILE, profile.name, profile.annotations),
            table_ids=users,
            with_selector=profile.algorithm is not None,
            size=profile.size,
        )
        if "max_group_size" in profile.annotations:
            message.max_group_size = int(profile.annotations["max_group_size"], 0)
        return message

    def _counter(self, counter: Counter) -> p4i.Counter:
        preamble = self._preamble(Kind.COUNTER, counter.name, counter.annotations)
        return p4i.Counter(preamble=preamble, spec=_counter_unit(counter), size=counter.size)

    def _direct_counter(self, table: Table, counter: Counter) -> p4i.DirectCounter:
        preamble = self._preamble(Kind.DIRECT_COUNTER, counter.name, counter.annotations)
        owner = self._ids[Kind.TABLE][table.name]
        return p4i.DirectCounter(preamble=preamble, spec=_counter_unit(counter), direct_table_id=owner)

    def _meter(self, meter: Meter) -> p4i.Meter:
        preamble = self._preamble(Kind.METER, meter.name, meter.annotations)
        return p4i.Meter(preamble=preamble, spec=p4i.MeterSpec(unit=METER_UNITS[meter.unit]), size=meter.size)

    def _direct_meter(self, table: Table, meter: Meter) -> p4i.DirectMeter:
        preamble = self._preamble(Kind.DIRECT_METER, meter.name, meter.annotations)
        spec = p4i.MeterSpec(unit=METER_UNITS[meter.unit])
        return p4i.DirectMeter(preamble=preamble, spec=spec, direct_table_id=self._ids[Kind.TABLE][table.name])

    def _register(self, register: Register) -> p4i.Register:
        preamble = self._preamble(Kind.REGISTER, register.name, register.annotations)
        return p4i.Register(preamble=preamble, type_spec=_data_type(register.type), size=register.size)

    def _digest(self, digest: DigestType) -> p4i.Digest:
        preamble = self._preamble(Kind.DIGEST, digest.name, digest.annotations)
        spec = p4t.P4DataTypeSpec(struct=p4t.P4NamedType(name=digest.type.name))
        return p4i.Digest(preamble=preamble, type_spec=spec)

    def _packet(self, header: Header) -> p4i.ControllerPacketMetadata:
        # The id is of the type's name, the name from the annotation.
        name = header.annotations["controller_header"]
        preamble = self._preamble(Kind.CONTROLLER_HEADER, header.name, header.annotations)
        preamble.name = preamble.alias = name
        ids = number_members([(field.annotations, NOWHERE) for field in header.fields])
        return p4i.ControllerPacketMetadata(
            preamble=preamble,
            metadata=[
                p4i.ControllerPacketMetadata.Metadata(
                    id=identifier,
                    name=field.name,
                    annotations=_annotations(field.annotations),
                    bitwidth=width(field.type),
                )
                for identifier, field in zip(ids, header.fields, strict=True)
            ],
        )


def _places(
    objects: Iterable[Profile | Counter | Meter | Register | DigestType | Header],
) -> dict[str, tuple[Annotations, Position]]:
    return {each.name: (each.annotations, NOWHERE) for each in objects}


def _match_fields(table: Table) -> list[Any]:
    ids = number_members([(key.annotations, table.position) for key in table.keys])
    return [
        p4i.MatchField(
            id=identifier,
            name=key.name,
            annotations=_annotations(key.annotations),
            bitwidth=width(key.expression.type),
            match_type=MATCH_TYPES[key.kind],
            doc=_documentation(key.annotations),
        )
        for identifier, key in zip(ids, table.keys, strict=True)
        if key.kind is not MatchKind.SELECTOR
    ]


def _annotations(annotations: Annotations) -> list[str]:
    texts = []
    for name, text in annotations.items():
        if name not in UNTOLD:
            bare = not text or re.fullmatch(r"-?[0-9][0-9a-zA-Z_]*|.*[\",].*", text)
            texts.append(f"@{name}" + (f"({text})" if text and bare else f'("{text}")' if text else ""))
    return texts


def _documentation(annotations: Annotations) -> p4i.Documentation | None:
    texts = {name: annotations[name] for name in ("brief", "description") if name in annotations}
    return p4i.Documentation(**texts) if texts else None


def _package(program: Program) -> p4i.PkgInfo:
    """From `@pkginfo(name="…", version="…")` on the package, and `v1model`."""
    pairs: Mapping[str, str] = dict(
        re.findall(r'(\w+)\s*=\s*"?([^",]*)"?', program.package_annotations.get("pkginfo", ""))
    )
    known = {
        name: pairs[name].strip() for name in ("name", "version", "organization", "contact", "url") if name in pairs
    }
    return p4i.PkgInfo(arch="v1model", doc=_documentation(program.package_annotations), **known)


def _counter_unit(counter: Counter) -> p4i.CounterSpec:
    return p4i.CounterSpec(unit=COUNTER_UNITS[counter.unit])


def _name_type(of: Type, known: p4t.P4TypeInfo) -> None:
    """Adds a struct or header, and those within it, to the named types."""
    if isinstance(of, Struct):
        members = [
            p4t.P4StructTypeSpec.Member(name=field.name, type_spec=_data_type(field.type)) for field in of.fields
        ]
        known.structs[of.name].CopyFrom(p4t.P4StructTypeSpec(members=members))
        for field in of.fields:
            _name_type(field.type, known)
    elif isinstance(of, Header):
        bits = [
            p4t.P4HeaderTypeSpec.Member(name=field.name, type_spec=_bit_type(width(field.type))) for field in of.fields
        ]
        known.headers[of.name].CopyFrom(p4t.P4HeaderTypeSpec(members=bits))


def _bit_type(bits: int) -> p4t.P4BitstringLikeTypeSpec:
    return p4t.P4BitstringLikeTypeSpec(bit=p4t.P4BitTypeSpec(bitwidth=bits))


def _data_type(of: Type) -> p4t.P4DataTypeSpec:
    if isinstance(of, Struct):
        return p4t.P4DataTypeSpec(struct=p4t.P4NamedType(name=of.name))
    if isinstance(of, Header):
        return p4t.P4DataTypeSpec(header=p4t.P4NamedType(name=of.name))
    if isinstance(of, Bits) and of.signed:
        bits = p4t.P4BitstringLikeTypeSpec(int=p4t.P4IntTypeSpec(bitwidth=of.width))
    elif isinstance(of, Bits):
        bits = _bit_type(of.width)
    else:
        return p4t.P4DataTypeSpec(bool=p4t.P4BoolType())
    return p4t.P4DataTypeSpec(bitstring=bits)
