"""C to a BPF object, by clang."""

import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

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
    """The object of a C text that `emitter` made; it carries the text's lines, which the kernel's verifier cites.

    Raises `CompileError` with the place in the P4 source where clang refuses it, `SetupError` where clang is missing.
    """
    with TemporaryDirectory(prefix="p4-") as folder:
        Path(folder, name).write_text(source)
        # The object is the same wherever it was made.
        places = ("-fdebug-compilation-dir=.", f"-I{INCLUDE}", "-I/usr/include/x86_64-linux-gnu")
        command = ["clang", *OPTIONS, *places, "-c", name, "-o", "-"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, timeout=TIMEOUT_S, check=False)
        except FileNotFoundError:
            raise SetupError("clang is missing: apt-get install clang") from None
        except subprocess.TimeoutExpired:
            raise CompileError(Position(name, 1, 1), f"clang did not finish within {TIMEOUT_S} s") from None
    if done.returncode:
        raise _refusal(done.stderr.decode(errors="replace"), source, name)
    return done.stdout


def origin_of(source: str, line: int) -> Position | None:
    """Where a line of the C text (from 1) comes from: the last comment `// file:line` before it in its function."""
    for text in reversed(source.splitlines()[:line]):
        found = ORIGIN.match(text)
        if found:
            return Position(found["file"], int(found["line"]), 1)
        if text in ("{", "}"):
            return None
    return None


def _refusal(text: str, source: str, name: str) -> CompileError:
    found = MESSAGE.search(text)
    if found is None:
        last = text.strip().splitlines()[-1] if text.strip() else "no message"
        return CompileError(Position(name, 1, 1), f"clang refuses the program: {last}")
    line = int(found["line"])
    where = (origin_of(source, line) if found["file"] == name else None) or Position(found["file"], line, 1)
    return CompileError(where, f"clang refuses what this becomes for eBPF: {found['text']}")
