"""Benchmarks of all methods: 20 handovers each in both families, and the failure of a host in three ways."""

import csv
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from experiments import runner, scenario_file
from experiments.benchmarks.row import Row, at_least, at_most
from experiments.results import HandoverResult, RunResult
from meclab import expectations
from meclab.errors import RunError
from meclab.scenario import Scenario

Tell = Callable[[str], None]
MOVES = 20
EVERY_S, FIRST_S, SETTLING_S = 3.5, 2.0, 4.5
"""As the scenario `handover` has them; the last move has its whole window and the drain."""
LOGS_AGREE_MS = 1.0
NAMES_MS = 1_000 + 1_000 + 2 * 500
"""TTL, a second of rounding, and a lookup whose first try was lost, with the stub's timeout."""
_BOUNDS_MS = {"ecs": NAMES_MS, "edge-dns": NAMES_MS}
_STAYING = ("cloud", "sticky")
_FAILURES = ("process killed", "host silent", "link down")
VIP_FAILOVER_MS = 1_000.0


def handovers(out: Path, tell: Tell) -> Iterator[Row]:
    """Every method, 20 seeded handovers with stratified cache ages, IPv4 and IPv6."""
    agreed: list[float] = []
    for family in ("ipv4", "ipv6"):
        duration_s = FIRST_S + (MOVES - 1) * EVERY_S + SETTLING_S
        changes = {"events.0.handovers.times": MOVES, "duration": f"{duration_s}s", "probes.family": family}
        for result in _results("handover", {**changes, "scenario": f"bench-methods-{family}", "expect": []}, out, tell):
            yield from _of_method(f"{_label(result)}, {family}", result)
            agreed += _differences(Path(result.run_dir))
    yield at_most(
        "methods", "captures and the devices' own logs differ, p99, largest", max(agreed), LOGS_AGREE_MS, "ms"
    )


def failures(out: Path, tell: Tell) -> Iterator[Row]:
    """Failover of every method, per kind of failure: from the failure to the first answer of another host."""
    for result in _results("failure", {"expect": [], "scenario": "bench-failover"}, out, tell):
        label = _label(result)
        failed = [change for change in result.handovers if change.from_host == "mec1"]
        for how, change in zip(_FAILURES, failed, strict=True):
            what = f"{label}: {how}, to the first answer of the other host"
            if result.method == "vip":
                yield at_most("failover", what, change.steer_ms, VIP_FAILOVER_MS, "ms")
            else:
                measured = "never" if change.steer_ms is None else f"{change.steer_ms:.0f} ms"
                yield Row(benchmark="failover", what=what, measured=measured)
        yield _trust("failover", label, result)


def _results(name: str, changes: dict[str, object], out: Path, tell: Tell) -> Iterator[RunResult]:
    """A result for each method of a scenario; raises `RunError` where a run did not come to its end."""
    (scenario,) = scenario_file.load(name, changes)
    for job in runner.jobs([scenario]):
        done = runner.run(job, out, _teller(scenario, job.plan.method.label, tell))
        if done.error:
            raise RunError(f"{done.error}\nkept so far: {done.run_dir}")
        yield done.result


def _teller(scenario: Scenario, label: str, tell: Tell) -> Callable[[str, float | None], None]:
    return lambda stage, _seconds: tell(f"  {scenario.scenario} {label}: {stage}")


def _of_method(what: str, result: RunResult) -> Iterator[Row]:
    changes = result.handovers
    steers = [change.steer_ms for change in changes if change.steer_ms is not None]
    if result.method not in _STAYING:
        decided = sum(change.served_by == change.to_host for change in changes)
        yield at_least("methods", f"{what}: served by the decided host", decided, MOVES, f"of {len(changes)}")
    if steers:
        spread = f"{min(steers):.0f} to {max(steers):.0f} ms" if len(steers) > 1 else ""
        yield Row(
            benchmark="methods",
            what=f"{what}: steer_ms, median and range",
            measured=f"{statistics.median(steers):.1f} ms ({spread}), {len(changes) - len(steers)} never",
        )
    if (bound_ms := _BOUNDS_MS.get(result.method)) is not None:
        yield at_most("methods", f"{what}: steer_ms, largest", max(steers, default=None), bound_ms, "ms")
        yield Row(benchmark="methods", what=f"{what}: age of the cached answer at the move", measured=_ages(changes))
    if any(change.learned_by for change in changes):
        learned = sum(change.learn_ms is not None for change in changes)
        by = ", ".join(sorted({change.learned_by for change in changes if change.learned_by}))
        yield at_least("methods", f"{what}: moves whose {by} is in the capture", learned, MOVES, f"of {len(changes)}")
    gap, resets = _median(changes, "gap_ms"), sum(change.resets for change in changes)
    paused, messages = _median(changes, "interruption_ms"), _median(changes, "signalling_msgs")
    yield Row(
        benchmark="methods",
        what=f"{what}: gap, interruption, messages a move (medians), connections broken",
        measured=f"{gap:.1f} ms, {paused:.1f} ms, {messages:g}, {resets} in {len(changes)}",
    )
    yield _trust("methods", what, result)


def _median(changes: Sequence[HandoverResult], metric: str) -> float:
    known = [value for change in changes if (value := getattr(change, metric)) is not None]
    return float(statistics.median(known)) if known else float("nan")


def _ages(changes: Sequence[HandoverResult]) -> str:
    ages = sorted(change.cache_age_ms for change in changes if change.cache_age_ms is not None)
    if not ages:
        return "none known"
    quartiles = [expectations.percentile(ages, share) for share in (0.25, 0.5, 0.75)]
    return f"{ages[0]:.0f} to {ages[-1]:.0f} ms, quartiles " + ", ".join(f"{age:.0f}" for age in quartiles)


def _differences(run_dir: Path) -> list[float]:
    """By instant, how far captures and logs are apart at p99, in ms."""
    with (run_dir / "tables" / "crosscheck.csv").open(newline="") as file:
        return [float(row["p99_ms"]) for row in csv.DictReader(file) if row["p99_ms"]]


def _trust(benchmark: str, what: str, result: RunResult) -> Row:
    fidelity = result.fidelity
    words = "trusted" if fidelity.trusted else "not trusted: " + "; ".join(fidelity.reasons)
    return Row(benchmark=benchmark, what=f"{what}: verdict", measured=words)


def _label(result: RunResult) -> str:
    return f"{result.method}:{result.variant}" if result.variant else result.method
