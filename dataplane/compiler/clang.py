"""C to a BPF object, by clang."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from dataplane.compiler.errors import CompileError, Position
from meclab.errors import SetupError

INCLUDE = Path(__file__).parent / "emitter" / "include"
OPTIONS = (
    *("-target", "bpf", "-mcpu=v3", "-O2", "-g", "-std=gnu11"),
    *("-fno-builtin", "-fno-strict-aliasing", "-fno-jump-tables"),
    *("-Wall", "-Wno-unused", "-Wno-unknown-pragmas", "-Wno-address-of-packed-member", "-Wno-pointer-arith"),
)
ORIGIN = re.compile(r"^// (?P<file>.+):(?P<line>\d+)$")
MESSAGE = re.compile(r"^(?P<file>.+?):(?P<line>\d+):(?P<column>\d+): (?:fatal )?error: (?P<text>.*)$", re.M)
TIMEOUT_S = 120


def compile_c(source: str, name: str = "program.c") -> bytes:
    """The object of a C text that `emitter` made.

    Raises `CompileError` with the place in the P4 source where clang refuses it, `SetupError` where clang is missing.
    """
    command = ["clang", *OPTIONS, f"-I{INCLUDE}", "-I/usr/include/x86_64-linux-gnu", "-x", "c", "-c", "-", "-o", "-"]
    try:
        done = subprocess.run(
            command, input=traced(source, name).encode(), capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise SetupError("clang is missing: apt-get install clang") from None
    except subprocess.TimeoutExpired:
        raise CompileError(Position(name, 1, 1), f"clang did not finish within {TIMEOUT_S} s") from None
    if done.returncode:
        raise _refusal(done.stderr.decode(errors="replace"), name)
    return done.stdout


def traced(source: str, name: str) -> str:
    """The text with `#line` before each line that comes from the P4 source, and back where it does not.

    Comments `// file:line` say where what follows comes from, until the next such comment or the end of the function.
    """
    return "\n".join(_traced(source, name)) + "\n"


def _traced(source: str, name: str) -> Iterator[str]:
    origin: tuple[str, str] | None = None
    for number, line in enumerate(source.splitlines(), 1):
        found = ORIGIN.match(line)
        if found:
            origin = found["file"], found["line"]
            continue
        if origin and line == "}":
            yield line
            yield f'#line {number + 1} "{name}"'
            origin = None
            continue
        if origin:
            yield f'#line {origin[1]} "{origin[0]}"'
        elif number == 1:
            yield f'#line 1 "{name}"'
        yield line


def _refusal(text: str, name: str) -> CompileError:
    found = MESSAGE.search(text)
    if found is None:
        last = text.strip().splitlines()[-1] if text.strip() else "no message"
        return CompileError(Position(name, 1, 1), f"clang refuses the program: {last}")
    where = Position(found["file"], int(found["line"]), 1)
    return CompileError(where, f"clang refuses what this becomes for eBPF: {found['text']}")
