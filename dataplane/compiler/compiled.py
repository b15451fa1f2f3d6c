"""The whole compiler: a P4 file in, what a switch runs out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from finsy.proto import p4i

from dataplane.compiler.bundle import Bundle
from dataplane.compiler.clang import compile_c
from dataplane.compiler.emitter import emit
from dataplane.compiler.initial import initial_entries
from dataplane.compiler.layout import Layout
from dataplane.compiler.layouts import layout
from dataplane.compiler.lowered import Program
from dataplane.compiler.lowering import lower
from dataplane.compiler.p4info import p4info
from dataplane.compiler.parser import parse_file


@dataclass(frozen=True)
class Compiled:
    """A program with all that was made of it."""

    program: Program
    bundle: Bundle

    @property
    def name(self) -> str:
        return self.bundle.name

    @property
    def object(self) -> bytes:
        return self.bundle.object

    @property
    def c(self) -> str:
        return self.bundle.c

    @property
    def layout(self) -> Layout:
        return self.bundle.layout

    @property
    def p4info(self) -> p4i.P4Info:
        return self.bundle.p4info


def compile_program(path: Path, defines: Mapping[str, str] | None = None, include: Sequence[Path] = ()) -> Compiled:
    """Compiles a P4 file; raises `CompileError` and `UnsupportedError` with places, `SetupError` without clang."""
    return compile_lowered(lower(parse_file(path, defines or {}, include), path.stem))


def compile_lowered(program: Program) -> Compiled:
    """Compiles what the front end made of a program."""
    info, c = p4info(program), emit(program)
    bundle = Bundle(
        name=program.name,
        p4info=info,
        layout=layout(program),
        entries=initial_entries(program, info),
        c=c,
        object=compile_c(c, f"{program.name}.c"),
    )
    return Compiled(program, bundle)
