"""Runs from beginning to end: the lab, the measurement, the verdicts, the report."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from experiments import launch, measurement, p4program, provenance, report, scenario_file
from experiments.inside import Mode
from experiments.results import Manifest, RunResult, Status, read_manifest
from meclab import expectations
from meclab.errors import InputError
from meclab.methods import Method
from meclab.plan import Plan
from meclab.planning import make
from meclab.scenario import LinkKind, Scenario
from topologies import machine, registry


@dataclass(frozen=True)
class Job:
    """One run to make."""

    scenario: Scenario
    plan: Plan
    datapath: machine.Datapath


@dataclass(frozen=True)
class Finished:
    """A run that is over, whatever became of it; what was measured is in its folder."""

    run_dir: Path
    result: RunResult
    verdicts: tuple[expectations.Verdict, ...]
    error: str | None
    """Why it ended before its time."""
    exit_status: int
    """0 done, 1 an expectation failed or the run did, 130 interrupted."""


def jobs(
    scenarios: Sequence[Scenario],
    methods: Sequence[Method] = (),
    links: LinkKind | None = None,
    seed: int | None = None,
    repeats: int = 1,
) -> list[Job]:
    """The product of scenarios, seeds and methods. Raises `ScenarioError` or `SetupError` before anything runs."""
    found = []
    here = machine.inspect()
    for scenario in scenarios:
        graph = scenario_file.graph(scenario, methods)
        kind, datapath = machine.choices(here, links or scenario.link_kind)
        first = scenario.seed if seed is None else seed
        for number in range(first, first + repeats):
            for method in methods or scenario.methods:
                plan = make(scenario, graph, method, kind, number)
                p4program.require(plan)
                found.append(Job(scenario, plan, datapath))
    return found


def run(job: Job, out: Path, tell: launch.Tell, started_ns: int | None = None) -> Finished:
    """Makes one run and reports it; never raises for what the run itself does.

    `started_ns` is when the command was given (CLOCK_REALTIME), now where it is left out.
    """
    run_dir = launch.make_run_dir(out, job.plan, Mode.MEASURE)
    (run_dir / "scenario.yaml").write_text(scenario_file.dump(job.scenario))
    manifest = _manifest(job, started_ns or time.time_ns())
    _write(run_dir, manifest)
    process, read_fd = launch.start(run_dir, job.plan, Mode.MEASURE, job.datapath)
    try:
        outcome = launch.follow(run_dir, process, read_fd, tell)
    finally:
        registry.strike(run_dir)
    return _conclude(job, run_dir, manifest, outcome, tell)


def _conclude(job: Job, run_dir: Path, manifest: Manifest, outcome: launch.Outcome, tell: launch.Tell) -> Finished:
    tell("measuring from the captures", None)
    manifest = manifest.model_copy(
        update={
            "ended_at": datetime.now(UTC).isoformat(),
            "captures": outcome.captures,
            "reasons": (outcome.error,) if outcome.error else (),
            **provenance.of_network(run_dir),
        }
    )
    unkept = _kept(run_dir, manifest)
    result = measurement.measure(run_dir)
    verdicts = expectations.judge(job.scenario.expect, job.plan.method, [h.model_dump() for h in result.handovers])
    broken = [f"{verdict.statement}: found {verdict.found}" for verdict in verdicts if not verdict.holds]
    error = outcome.error or unkept
    status: Status = "incomplete" if error else "failed" if broken else "ok"
    result = result.model_copy(update={"status": status})
    found = {"status": status, "reasons": (*manifest.reasons, *broken), "result": result, "startup_s": result.startup_s}
    tell("drawing the report", None)
    unreported = _kept(run_dir, manifest.model_copy(update=found), report.write_run)
    error = error or unreported
    exit_status = outcome.exit_status if outcome.error else 1 if broken or error else 0
    return Finished(run_dir, result, tuple(verdicts), error, exit_status)


def _kept(run_dir: Path, manifest: Manifest, then: Callable[[Path], object] = lambda run_dir: None) -> str | None:
    """Writes the manifest and what follows from it; what keeps it from being written, such as a full disk."""
    try:
        _write(run_dir, manifest)
        then(run_dir)
    except OSError as error:
        return f"cannot write to {run_dir}: {error.strerror}; what was written so far is kept"
    return None


def again(run_dir: Path) -> RunResult:
    """Measures and reports a run that is over once more, from its captures; its status stays as it was."""
    manifest = read_manifest(run_dir)
    if manifest is None:
        raise InputError(f"{run_dir} is not the folder of a run: it has no manifest.json")
    result = measurement.measure(run_dir).model_copy(update={"status": manifest.status})
    _write(run_dir, manifest.model_copy(update={"result": result}))
    report.write_run(run_dir)
    return result


def _manifest(job: Job, started_ns: int) -> Manifest:
    plan = job.plan
    return Manifest(
        scenario=plan.scenario,
        method=plan.method.name,
        variant=plan.method.variant,
        dataplane=plan.dataplane,
        links=plan.links_kind,
        family=plan.family,
        seed=plan.seed,
        status="incomplete",
        started_at=datetime.fromtimestamp(started_ns / 1e9, UTC).isoformat(),
        command=("lab", *sys.argv[1:]),
        kernel=os.uname().release,
        cores=os.cpu_count() or 0,
        versions=provenance.versions(),
        datapath="kernel" if job.datapath == "kernel" else "userspace",
    )


def _write(run_dir: Path, manifest: Manifest) -> None:
    scratch = run_dir / "manifest.part"
    scratch.write_text(manifest.model_dump_json(indent=1) + "\n")
    scratch.replace(run_dir / "manifest.json")
