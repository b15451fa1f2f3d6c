"""Benchmark of the orchestrator: from a decision to the last recipient told, when everybody moves at once."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from experiments import runner
from experiments.benchmarks.row import Row, at_least, at_most
from experiments.lab import DECISIONS
from meclab import expectations
from meclab.errors import RunError
from meclab.scenario import Scenario

Tell = Callable[[str], None]
DEVICES, SITES = 200, 8
METHODS = ("vip:immediate", "http-redirect", "ecs")
MOST_MS = 250


def told(out: Path, tell: Tell) -> Iterator[Row]:
    """Decision to last recipient told, 200 devices of a metro moving at once."""
    for method in METHODS:
        yield from _rows(method, _moves(method, out, tell))


def _scenario(method: str) -> Scenario:
    """Every device goes to the next site; each site's devices are a share of all."""
    moves = [
        {"at": "3s", "handover": {"device": f"ue{number + 1}", "to": f"ap{(number + 1) % SITES + 1}"}}
        for number in range(DEVICES)
    ]
    return Scenario.model_validate(
        {
            "scenario": f"bench-told-{method.partition(':')[0]}",
            "topology": {"kind": "metro", "sites": SITES},
            "methods": [method],
            "devices": [{"count": DEVICES}],
            "probes": {"interval": "500ms"},
            "session": {"interval": "1s"},
            "capture": "endpoints",
            "duration": "8s",
            "events": moves,
        }
    )


def _moves(method: str, out: Path, tell: Tell) -> list[dict[str, Any]]:
    """The audit log's entries of the moves."""
    (job,) = runner.jobs([_scenario(method)])
    done = runner.run(job, out, lambda stage, _: tell(f"  {method}: {stage}"))
    if done.error:
        raise RunError(f"{done.error}\nkept so far: {done.run_dir}")
    lines = (Path(done.run_dir) / DECISIONS).read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    attached = [entry for entry in entries if entry["trigger"] == "attach" and entry["ap"] is not None]
    return attached[DEVICES:]


def _rows(method: str, moves: list[dict[str, Any]]) -> Iterator[Row]:
    spread_ms = (max(one["attached_ns"] for one in moves) - min(one["attached_ns"] for one in moves)) / 1e6
    recipients = max(len(one["recipients"]) for one in moves)
    what = f"{method}, {DEVICES} devices attaching within {spread_ms:.0f} ms, {recipients} recipients each"
    told_of = [one for one in moves if one["fate"] == "told" and one["decided_ns"] is not None]
    yield at_least("told", f"{what}: confirmed by all", len(told_of), DEVICES, "moves")
    took_ms = [(one["told_ns"] - one["decided_ns"]) / 1e6 for one in told_of]
    p99 = expectations.percentile(took_ms, 0.99) if took_ms else None
    yield at_most("told", f"{what}: decision to last told, p99", p99, MOST_MS, "ms")
    decided_ms = [(one["decided_ns"] - one["attached_ns"]) / 1e6 for one in moves if one["decided_ns"]]
    median, worst = expectations.percentile(decided_ms, 0.5), expectations.percentile(decided_ms, 0.99)
    yield Row(
        benchmark="told", what=f"{method}: attach to decision, p50 and p99", measured=f"{median:.2f}, {worst:.2f} ms"
    )
