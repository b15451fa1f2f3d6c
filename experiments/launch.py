"""Starting a lab from outside: its run folder, its sandbox, and the progress that it reports."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from experiments import p4program
from experiments.inside import Mode
from experiments.processes import last_lines
from experiments.results import CaptureCount
from meclab.errors import RunError
from meclab.plan import Plan
from topologies import registry, sandbox
from topologies.machine import Datapath

Tell = Callable[[str, float | None], None]
"""Takes what the lab does now, and for how many seconds it will where that is known."""


@dataclass
class Outcome:
    """What a lab reported until its end."""

    error: str | None = None
    """Why it ended before its time; none where it came to its end."""
    exit_status: int = 0
    captures: tuple[CaptureCount, ...] = ()
    stages: list[str] = field(default_factory=list)


def make_run_dir(out: Path, plan: Plan, mode: Mode) -> Path:
    """`OUT/<scenario>/<UTC time>-<method>-s<seed>/` with its folders and the plan; a taken name gets a number.

    An interactive lab's ends in `-live`, so that a pattern for measured runs leaves it out. Raises `InputError` where
    the plan's P4 program does not compile.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    kind = f"s{plan.seed}" if mode is Mode.MEASURE else "live"
    name = f"{stamp}-{plan.method.label}-{kind}"
    parent = out.resolve() / plan.scenario
    for number in range(1000):
        run_dir = parent / (f"{name}-{number}" if number else name)
        try:
            run_dir.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise RunError(f"cannot make the run's folder {run_dir}: {error.strerror}") from error
        for folder in ("captures", "flows", "logs", "tables"):
            (run_dir / folder).mkdir()
        (run_dir / "plan.json").write_text(plan.model_dump_json(indent=1))
        p4program.build(plan, run_dir)
        return run_dir
    raise RunError(f"no free name for a run's folder like {parent / name}")


def start(run_dir: Path, plan: Plan, mode: Mode, datapath: Datapath) -> tuple[subprocess.Popen[bytes], int]:
    """Starts the sandbox of a lab; returns its process and the descriptor that its progress is read from.

    A lab that measures dies with its launcher; an interactive one outlives it.
    """
    read_fd, write_fd = os.pipe()
    argv = [sys.executable, "-m", "experiments.inside", str(run_dir), mode.value, datapath, str(write_fd)]
    try:
        process = sandbox.start(
            argv,
            keep=[run_dir],
            detached=mode is Mode.INTERACTIVE,
            log=run_dir / "logs" / "lab.log",
            hostname=plan.scenario,
            pass_fds=[write_fd],
        )
    finally:
        os.close(write_fd)
    registry.enlist(run_dir, plan.scenario, process.pid)
    return process, read_fd


def reports(read_fd: int) -> Iterator[dict[str, Any]]:
    """The lab's progress, until it closes its end."""
    with os.fdopen(read_fd) as lines:
        for line in lines:
            yield json.loads(line)


def follow(run_dir: Path, process: subprocess.Popen[bytes], read_fd: int, tell: Tell) -> Outcome:
    """Follows a lab that measures to its end. Ctrl-C has it end in good order; a second one kills it."""
    outcome = Outcome(error="", exit_status=1)
    interrupts = 0
    with os.fdopen(read_fd) as lines:
        while True:
            try:
                for line in lines:
                    _take(json.loads(line), outcome, tell)
                break
            except KeyboardInterrupt:
                interrupts += 1
                tell("interrupted: ending the lab", None)
                sandbox.signal_first(process.pid, signal.SIGINT) if interrupts == 1 else process.kill()
    sandbox.end(process)
    if interrupts:
        outcome.error, outcome.exit_status = "interrupted", 130
    elif outcome.error == "":
        outcome.error = silent_end(run_dir, process)
    return outcome


def silent_end(run_dir: Path, process: subprocess.Popen[bytes]) -> str:
    """What there is to say of a lab that ended without a report: its status and its last log lines."""
    status = sandbox.end(process)
    return f"the lab ended without a report, with status {status}\n{last_lines(run_dir / 'logs' / 'lab.log')}"


def _take(report: dict[str, Any], outcome: Outcome, tell: Tell) -> None:
    if "stage" in report:
        outcome.stages.append(report["stage"])
        tell(report["stage"], report.get("seconds"))
    if report.get("over"):
        outcome.error = report["error"]
        outcome.exit_status = report["status"]
        outcome.captures = tuple(CaptureCount.model_validate(count) for count in report["captures"])


def take_down(lab: registry.Lab, seconds: float = 10.0) -> None:
    """Ends a running lab in good order, or at once where it does not within `seconds`."""
    sandbox.signal_first(lab.unshare_pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while lab.is_alive:
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(lab.unshare_pid, signal.SIGKILL)
        time.sleep(0.02)
    registry.strike(lab.run_dir)
