"""Benchmarks of the P4 data plane: packets, table writes, and a handover on it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from experiments.benchmarks import handover
from experiments.benchmarks.row import Row, at_least, at_most
from meclab.errors import RunError
from topologies import sandbox

Tell = Callable[[str], None]
_SECONDS = 300


def programs(out: Path, tell: Tell) -> Iterator[Row]:
    """What a packet costs in edge.p4 and in a program written by hand, compile time, table writes over P4Runtime."""
    argv = [sys.executable, "-m", "dataplane", "measure"]
    done = subprocess.run(argv, cwd=sandbox.PROJECT, capture_output=True, text=True, check=False, timeout=_SECONDS)
    if done.returncode != 0:
        raise RunError(done.stderr.strip())
    found: dict[str, float] = json.loads(done.stdout)
    yield at_most("p4", "edge.p4 compiled", found["compile_s"], 3, "s")
    yield Row(benchmark="p4", what="a packet in the program written by hand", measured=f"{found['standin']:.0f} ns")
    for kind in ("udp", "tcp"):
        yield Row(benchmark="p4", what=f"a {kind} packet in edge.p4, 1000 entries", measured=f"{found[kind]:.0f} ns")
        what = f"the same, times that of the program written by hand ({kind})"
        yield at_most("p4", what, found[kind] / found["standin"], 3, "")
    yield at_least("p4", "exact entries written in batches of 1000", found["entries_per_s"], 5000, "entries/s")
    for name, value in found.items():
        if name.startswith("lookup_ns_"):
            what = f"a packet that finds its entry among {name.removeprefix('lookup_ns_')}"
            yield Row(benchmark="p4", what=what, measured=f"{value:.0f} ns")


def vip(out: Path, tell: Tell) -> Iterator[Row]:
    """From attach to the decided host's answer on the P4 data plane, and on OpenFlow in the same way."""
    for dataplane in ("p4", "openflow"):
        yield from handover.vip_on(dataplane, out, tell)
