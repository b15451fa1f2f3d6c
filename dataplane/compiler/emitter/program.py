"""A whole program as C for eBPF."""

import re
from collections.abc import Iterator

from dataplane.compiler.emitter.controls import ControlStatements
from dataplane.compiler.emitter.crc import tables_of
from dataplane.compiler.emitter.deparsers import DeparserStatements, written
from dataplane.compiler.emitter.parsers import ParserStatements
from dataplane.compiler.emitter.places import Places, holds_headers
from dataplane.compiler.emitter.reach import reach
from dataplane.compiler.emitter.statements import Lines, Names, indented, origin
from dataplane.compiler.emitter.tables import Tables
from dataplane.compiler.emitter.usage import SMALL, calls, length, makes_copies, sums_payload
from dataplane.compiler.errors import NOWHERE, CompileError
from dataplane.compiler.layout import Layout
from dataplane.compiler.layouts import layout
from dataplane.compiler.lowered import STANDARD, Action, Field, Function, Place, Program, Struct, Table

RESET = {
    "ingress_port": "port",
    "packet_length": "length",
    "instance_type": "instance",
}
"""Standard metadata that is not zero when a packet enters."""
MAXIMUM_MAPS = 64
"""`MAX_USED_MAPS` of Linux."""
COMMON_MAPS = 7
"""State, ports (two), drops, outputs, whole packets, configuration."""
COPY_MAPS = 3
"""Jobs, multicast groups, clone sessions."""
MAP = re.compile(r"\w+\((\w+), ")
SIGNATURE = "(struct state *s, struct __sk_buff *skb)"


def emit(program: Program) -> str:
    """The C text of a program; it includes `runtime.h` and others from the folder `include` beside this module.

    Raises `UnsupportedError` for what this target does not have.
    """
    return "\n".join(_Text(program, layout(program)).lines()) + "\n"


class _Text:
    def __init__(self, program: Program, where: Layout) -> None:
        self._program = program
        self._layout = where
        self._places = Places(program)
        self._names = _names(program)
        self._calls = calls(program)
        self._controls = ControlStatements(program, where, self._places, self._names)
        self._parser = ParserStatements(program, self._places, self._names)
        self._deparser = DeparserStatements(self._places, self._names)
        self._tables = Tables(program, where, self._controls)

    def lines(self) -> Iterator[str]:
        # The code tells what types and how much room it needs.
        code = list(self._code())
        maps = list(self._maps())
        self._check_maps(maps, code)
        yield f"/* {self._program.name}, made by the P4 compiler. */"
        yield '#include "runtime.h"'
        yield from self._types()
        yield from self._constants()
        yield '#include "state.h"'
        yield from maps
        yield from tables_of(self._controls.summing.algorithms)
        yield '#include "support.h"'
        yield from code
        yield '#include "switch.h"'

    def _types(self) -> Lines:
        program = self._program
        groups = {
            "headers": [program.headers],
            "metadata": [program.metadata, program.standard],
            "locals": list(program.variables),
        }
        members = {
            name: [f"{self._places.data_type(each.type)} v_{each.name};" for each in variables]
            for name, variables in groups.items()
        }
        everything = [each for variables in groups.values() for each in variables]
        validity = [
            f"{self._places.validity_type(each.type)} x_{each.name};" for each in everything if holds_headers(each.type)
        ]
        yield from self._places.definitions()
        for name, lines in {**members, "validity": validity}.items():
            yield f"struct {name} {{"
            yield from indented(iter(lines or ["u64 nothing;"]))
            yield "} __attribute__((aligned(8)));"

    def _constants(self) -> Lines:
        standard = f"metadata.v_{STANDARD}"
        known = {field.name for field in self._standard_fields()}
        yield f"#define FRONT_LIMIT {reach(self._program)}"
        yield f"#define OUTPUT_LIMIT {max(1, written(self._program.deparser))}"
        yield f"#define SCRATCH_SIZE {self._controls.summing.scratch}"
        yield f"#define RECORD_SIZE {self._tables.record_size()}"
        yield f"#define KEY_SIZE {self._tables.key_size()}"
        yield f"#define USES_COPIES {int(makes_copies(self._program))}"
        yield f"#define USES_PAYLOAD {int(sums_payload(self._program))}"
        for macro, name in (
            ("EGRESS_SPEC", "egress_spec"),
            ("EGRESS_PORT", "egress_port"),
            ("MULTICAST_GROUP", "mcast_grp"),
            ("INSTANCE", "instance_type"),
            ("PARSER_ERROR", "parser_error"),
            ("REPLICA", "egress_rid"),
            ("CHECKSUM_ERROR", "checksum_error"),
        ):
            assert name in known, f"standard metadata has no {name}"
            yield f"#define {macro}(s) ((s)->c.{standard}.f_{name})"
        yield f"#define INGRESS_PORT_OF(context) ((context)->{standard}.f_ingress_port)"

    def _standard_fields(self) -> tuple[Field, ...]:
        kind = self._program.standard.type
        assert isinstance(kind, Struct)
        return kind.fields

    def _maps(self) -> Lines:
        yield from self._tables.maps()
        for counter in self._layout.counters:
            yield f"ARRAY({counter.map}, sizeof(struct counter), {max(1, counter.size)});"
        for meter in self._layout.meters:
            yield f"METERS({meter.map}, {max(1, meter.size)});"
        for register in self._layout.registers:
            yield f"ARRAY({register.map}, {register.value_size}, {max(1, register.size)});"
        if self._layout.digests:
            yield "RING(digests, 262144);"

    def _check_maps(self, maps: list[str], code: list[str]) -> None:
        """The kernel's limit, told here already: of maps that the code uses, with those of every program."""
        text = "\n".join(code)
        used = sum(1 for line in maps if (found := MAP.match(line)) and f"&{found[1]}" in text)
        used += COMMON_MAPS + (COPY_MAPS if makes_copies(self._program) else 0)
        if used > MAXIMUM_MAPS:
            place = next((table.position for table in self._program.tables), NOWHERE)
            raise CompileError(
                place,
                f"{self._program.name} needs {used} maps for its tables, counters, meters and registers; "
                f"the kernel allows {MAXIMUM_MAPS} in one eBPF program",
            )

    def _code(self) -> Lines:
        program = self._program
        called: list[Function | Action | Table] = [*program.functions, *program.actions, *program.tables]
        for what in called:
            yield f"{self._linkage(what)} u32 {self._names.of(what)}{SIGNATURE};"
        for action in program.actions:
            yield f"/* action {action.name} */"
            yield from self._function(action, self._controls.block(action.body))
        for function in program.functions:
            yield f"/* {function.name} */"
            yield from self._function(function, self._controls.block(function.body))
        for number, table in enumerate(program.tables):
            yield f"/* table {table.name} */"
            yield from self._tables.matching(number)
            yield from self._function(table, self._tables.body(number))
        yield from self._begin_metadata()
        yield from self._parser.functions()
        yield from _whole("verify_checksums", self._controls.block(program.verify_checksum))
        yield from _whole("ingress", self._controls.block(program.ingress))
        yield from _whole("egress", self._controls.block(program.egress))
        yield from _whole("compute_checksums", self._controls.block(program.compute_checksum))
        yield from _whole("deparse", self._deparser.block(program.deparser))
        yield from self._keep()

    def _linkage(self, what: Function | Action | Table) -> str:
        """Written out where it is called, unless that would be long and often."""
        often = self._calls[what] > 1
        if isinstance(what, Table):
            return "static __noinline" if often else "INLINE"
        return "static __noinline" if often and length(what.body) > SMALL else "INLINE"

    def _function(self, what: Function | Action | Table, body: Lines) -> Lines:
        yield f"{self._linkage(what)} u32 {self._names.of(what)}{SIGNATURE}"
        yield "{"
        if not isinstance(what, Table):
            yield from origin(getattr(what, "position", NOWHERE))
        yield from indented(body)
        yield "\treturn 0;"
        yield "}"

    def _begin_metadata(self) -> Lines:
        yield "INLINE void begin_metadata(struct state *s, u32 port, u32 length, u32 instance)"
        yield "{"
        for field in self._standard_fields():
            if field.name in RESET:
                yield f"\ts->c.metadata.v_{STANDARD}.f_{field.name} = {RESET[field.name]};"
        yield "}"

    def _keep(self) -> Lines:
        """What a field list keeps from one context to another."""
        yield "INLINE void keep(struct context *to, const struct context *from, u32 list)"
        yield "{"
        yield "\tswitch (list) {"
        for number, places in enumerate(self._controls.field_lists, 1):
            yield f"\tcase {number}:"
            for place in places:
                yield from indented(indented(self._keep_place(place)))
            yield "\t\tbreak;"
        yield "\t}"
        yield "}"

    def _keep_place(self, place: Place) -> Lines:
        found = self._places.locate(place)
        for path in (found.data, found.valid) if holds_headers(place.type) else (found.data,):
            inner = path.removeprefix("s->c.")
            yield f"to->{inner} = from->{inner};"


def _whole(name: str, body: Lines) -> Lines:
    """A block of the pipeline as a function."""
    yield f"INLINE u32 {name}{SIGNATURE}"
    yield "{"
    yield from indented(body)
    yield "\treturn 0;"
    yield "}"


def _names(program: Program) -> Names:
    names = Names()
    for function in program.functions:
        names.give(function, "f", function.name)
    for action in program.actions:
        names.give(action, "a", action.name)
    for table in program.tables:
        names.give(table, "t", table.name)
    return names
