"""Benchmarks of the handover with `vip`: how soon the decided host answers, and what is lost."""

import csv
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from experiments import runner
from experiments.benchmarks import wire
from experiments.benchmarks.row import Row, at_least, at_most
from experiments.results import HandoverResult, RunResult
from meclab import expectations
from meclab.errors import RunError
from meclab.scenario import Scenario

Tell = Callable[[str], None]
MOVES = 100


def _scenario(name: str, moves: int, every: str = "500ms", **content: Any) -> Scenario:
    """The two-site scenario with a series of handovers of `ue1` between both access points."""
    series = {"device": "ue1", "through": ["ap2", "ap1"], "every": every, "times": moves}
    probes = {"interval": "1ms", **content.pop("probes", {})}
    return Scenario.model_validate(
        {
            "scenario": name,
            "methods": ["vip:immediate"],
            "events": [{"at": "1s", "handovers": series}],
            "probes": probes,
            **content,
        }
    )


def _run(scenario: Scenario, out: Path, tell: Tell) -> RunResult:
    """The result of a scenario's one run; raises `RunError` where it did not come to its end."""
    (job,) = runner.jobs([scenario])
    done = runner.run(job, out, lambda stage, _seconds: tell(f"  {scenario.scenario}: {stage}"))
    if done.error:
        raise RunError(f"{done.error}\nkept so far: {done.run_dir}")
    return done.result


def _values(handovers: Sequence[HandoverResult], metric: str) -> list[float]:
    """A metric of every handover, missing ones as infinity."""
    found = [expectations.value(handover.model_dump(), metric) for handover in handovers]
    return [float("inf") if value is None else value for value in found]


def _trust(benchmark: str, what: str, result: RunResult) -> Row:
    fidelity = result.fidelity
    words = "trusted" if fidelity.trusted else "; ".join(fidelity.reasons)
    floor, error = fidelity.noise_floor_rtt_ms, fidelity.delay_error_p99_ms
    return Row(
        benchmark=benchmark,
        what=f"{what}: noise floor, delay error p99, verdict",
        measured=f"{floor or 0:.3f} ms, {error or 0:.3f} ms, {words}",
    )


def _steering(benchmark: str, what: str, result: RunResult, median_ms: float, p95_ms: float | None) -> Iterator[Row]:
    beyond = _values(result.handovers, "steer_beyond_rtt_ms")
    decided = sum(_values(result.handovers, "served_by_decided"))
    yield at_least(benchmark, f"{what}: served by the decided host", decided, len(result.handovers), "handovers")
    yield at_most(benchmark, f"{what}: steer_ms - rtt_after_ms, median", statistics.median(beyond), median_ms, "ms")
    p95 = expectations.percentile(beyond, 0.95)
    name = f"{what}: steer_ms - rtt_after_ms, p95"
    yield (
        at_most(benchmark, name, p95, p95_ms, "ms")
        if p95_ms
        else Row(benchmark=benchmark, what=name, measured=f"{p95:.3g} ms")
    )
    yield _trust(benchmark, what, result)


def vip(out: Path, tell: Tell) -> Iterator[Row]:
    """From attach to the decided host's answer, 100 handovers, IPv4 and IPv6, probes every 1 ms."""
    for family in ("ipv4", "ipv6"):
        result = _run(_scenario(f"bench-vip-{family}", MOVES, probes={"family": family}), out, tell)
        yield from _steering("vip", f"{family}, {MOVES} handovers", result, 5, 15)


def vip_on(dataplane: str, out: Path, tell: Tell) -> Iterator[Row]:
    """100 handovers over IPv4 on one data plane; half a millisecond of management delay each way."""
    result = _run(_scenario(f"bench-vip-{dataplane}", MOVES, dataplane=dataplane), out, tell)
    yield from _steering("vip-p4", f"{dataplane}, {MOVES} handovers", result, 4, None)


def vip_with_background(out: Path, tell: Tell) -> Iterator[Row]:
    """The same with 100 Mbit/s of background traffic across the same switches."""
    devices = [{"name": "ue1", "ap": "ap1"}, {"name": "ue2", "ap": "ap2"}]
    traffic = [{"from": "cloud", "to": "ue2", "rate": "100Mbit"}]
    result = _run(_scenario("bench-vip-background", MOVES, devices=devices, traffic=traffic), out, tell)
    yield from _steering("vip-background", f"100 Mbit/s beside it, {MOVES} handovers", result, 10, None)


def vip_make_before_break(out: Path, tell: Tell) -> Iterator[Row]:
    """Make-before-break: no probe lost, and with `pinned` no TCP connection broken."""
    radio = {"handover": "make-before-break", "overlap": "50ms"}
    for method in ("vip:immediate", "vip:pinned"):
        name = f"bench-overlap-{method.partition(':')[2]}"
        result = _run(_scenario(name, MOVES, methods=[method], radio=radio), out, tell)
        lost = sum(_values(result.handovers, "lost"))
        yield at_most("vip-overlap", f"{method}, {MOVES} handovers: probes lost", lost, 0, "")
        resets = sum(_values(result.handovers, "resets"))
        what = f"{method}, {MOVES} handovers: TCP connections broken"
        if method == "vip:pinned":
            yield at_most("vip-overlap", what, resets, 0, "")
        else:
            yield Row(benchmark="vip-overlap", what=what, measured=f"{resets:g}")


def vip_gap(out: Path, tell: Tell) -> Iterator[Row]:
    """Break-before-make of 30 ms: silence beyond what the radio takes."""
    result = _run(_scenario("bench-gap", MOVES), out, tell)
    beyond = statistics.median(_values(result.handovers, "gap_beyond_radio_ms"))
    rtt_ms = statistics.median(_values(result.handovers, "rtt_after_ms"))
    what = f"gap_ms - radio_gap_ms, median (one RTT of {rtt_ms:.2f} ms, one probe interval and 5 ms allowed)"
    yield at_most("vip-gap", what, beyond, rtt_ms + 1 + 5, "ms")


def same_seed(out: Path, tell: Tell) -> Iterator[Row]:
    """The same seed twice gives the same impairments and the same events."""
    runs = [_events(Path(_run(_scenario("bench-seed", 4), out, tell).run_dir)) for _ in range(2)]
    yield _same("events of two runs with one seed", runs[0], runs[1])
    with tempfile.TemporaryDirectory() as folder:
        first, second, other = (wire.survivors(Path(folder), seed) for seed in (1, 1, 2))
    yield _same("frames that a lossy link lets through, one seed twice", first, second)
    yield Row(
        benchmark="seed",
        what="the same with another seed",
        measured="the same" if first == other else "different",
        target="different",
        holds=first != other,
    )


def _same(what: str, first: Sequence[Any], second: Sequence[Any]) -> Row:
    same = first == second
    return Row(benchmark="seed", what=what, measured="the same" if same else "different", target="the same", holds=same)


def _events(run_dir: Path) -> list[tuple[str, ...]]:
    with (run_dir / "tables" / "events.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    return [tuple(row[key] for key in row if not key.endswith(("_ns", "_ms", "_s"))) for row in rows]
