"""What a run changed in the switches' flow tables: the dumps before and after, without what always changes."""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

MOST_LINES = 400
_COUNTERS = re.compile(r"\b(duration|n_packets|n_bytes|idle_age|hard_age|packet_count|byte_count)=[^,\s]+,?\s*")


@dataclass(frozen=True)
class Change:
    """One switch's flow table: lines with their sign."""

    switch: str
    lines: tuple[tuple[str, str], ...]
    """`+` or `-`, and the rule."""
    cut: int
    """Lines left out of a very long change."""


def changes(folder: Path) -> tuple[Change, ...]:
    """The change of every switch whose table differs, from `flows/before` and `flows/after`."""
    before, after = _dumps(folder / "flows" / "before"), _dumps(folder / "flows" / "after")
    found = []
    for switch in sorted({*before, *after}):
        diff = difflib.unified_diff(before.get(switch, []), after.get(switch, []), n=0, lineterm="")
        lines = [(line[0], line[1:]) for line in diff if line[0] in "+-" and not line.startswith(("+++", "---"))]
        if lines:
            found.append(Change(switch, tuple(lines[:MOST_LINES]), max(0, len(lines) - MOST_LINES)))
    return tuple(found)


def _dumps(folder: Path) -> dict[str, list[str]]:
    """Switch to its rules, from `SWITCH.txt` as `ovs-ofctl dump-flows` writes it."""
    return {path.stem: _rules(path) for path in sorted(folder.glob("*.txt"))}


def _rules(path: Path) -> list[str]:
    lines = (_COUNTERS.sub("", line).strip() for line in path.read_text(errors="replace").splitlines())
    return sorted(line for line in lines if line and not line.startswith(("NXST_FLOW", "OFPST_FLOW")))
