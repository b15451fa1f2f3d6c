"""Which benchmarks there are, and how they are run and written down."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from experiments import provenance
from experiments.benchmarks import (
    dataplane,
    handover,
    isolation,
    links,
    methods,
    naming,
    orchestrator,
    scale,
    throughput,
)
from experiments.benchmarks.row import Row
from meclab import check
from meclab.errors import Problem, ScenarioError
from topologies import machine

Tell = Callable[[str], None]
Benchmark = Callable[[Path, Tell], Iterator[Row]]
"""Takes the folder for runs and whom to tell what it does; yields rows as it has them."""

BENCHMARKS: dict[str, Benchmark] = {
    "vip": handover.vip,
    "vip-background": handover.vip_with_background,
    "vip-overlap": handover.vip_make_before_break,
    "vip-gap": handover.vip_gap,
    "wire": links.accuracy,
    "wire-rate": links.throughput,
    "throughput": throughput.end_to_end,
    "methods": methods.handovers,
    "failover": methods.failures,
    "adns": naming.answers,
    "startup": scale.startup,
    "metro": scale.metro,
    "told": orchestrator.told,
    "p4": dataplane.programs,
    "p4-link": dataplane.link,
    "vip-p4": dataplane.vip,
    "seed": handover.same_seed,
    "isolation": isolation.killed,
}
"""Name to benchmark, in the order in which they run."""


def purposes() -> dict[str, str]:
    """Name to the first line of what it measures."""
    return {name: (function.__doc__ or "").partition("\n")[0] for name, function in BENCHMARKS.items()}


def run(names: Sequence[str], out: Path, tell: Tell) -> Iterator[Row]:
    """Runs the named benchmarks, or all; raises `ScenarioError` for an unknown name before any runs."""
    for name in names:
        if name not in BENCHMARKS:
            raise ScenarioError([Problem(("bench",), repr(name), check.nearest(name, BENCHMARKS))])
    for name in names or BENCHMARKS:
        tell(f"{name}: {purposes()[name]}")
        yield from BENCHMARKS[name](out / "bench", tell)


def write(rows: Sequence[Row], out: Path) -> Path:
    """Writes the rows with the machine and the time to `OUT/bench/<UTC time>.json`."""
    now = datetime.now(UTC)
    path = out / "bench" / f"{now:%Y%m%dT%H%M%SZ}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "at": now.isoformat(),
        "machine": machine.inspect().__dict__,
        "versions": provenance.versions(),
        "rows": [row.model_dump() for row in rows],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path
