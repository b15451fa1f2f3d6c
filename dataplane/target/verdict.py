"""What the kernel's verifier says of a program, at the place of the P4 source that it is about."""

import re

from dataplane.compiler.clang import origin_of
from dataplane.compiler.errors import CompileError, Position
from dataplane.target.bpf import RefusedError

CITED = re.compile(r"^; (?P<text>.*?)(?: @ (?P<file>\S+):(?P<line>\d+))?$")
"""A line of C in the verifier's log; kernels from 6.8 on say where it is."""
SUMMARY = re.compile(r"^(?:processed \d+ insns|verification time|stack depth|\d+: |frame\d+: |from \d+|$)")
"""Lines of the log that are no reason: counts, instructions with the state before them."""


def explain(error: RefusedError, c: str, name: str) -> RefusedError | CompileError:
    """The refusal with its place: that of the last cited line of C that comes from the P4 source."""
    lines = error.log.splitlines()
    reasons = [line for line in lines if not SUMMARY.match(line) and not line.startswith(";")]
    if not reasons:
        return error
    reason = f"the kernel refuses what this becomes for eBPF: {reasons[-1]}"
    for line in reversed(lines):
        cited = CITED.match(line)
        place = _place(cited, c, name) if cited else None
        if place is not None:
            return CompileError(place, reason)
    return RefusedError(f"{name}: {reason}", error.log)


def _place(cited: re.Match[str], c: str, name: str) -> Position | None:
    if cited["line"]:
        return origin_of(c, int(cited["line"])) if cited["file"].rpartition("/")[2] == f"{name}.c" else None
    wanted = cited["text"].strip()
    found = [number for number, line in enumerate(c.splitlines(), 1) if line.strip() == wanted]
    # A text that stands at several places says nothing.
    places = {origin_of(c, number) for number in found}
    return places.pop() if len(places) == 1 else None
