"""The lab's main process, inside its sandbox: builds the network, starts what runs on it, plays the events.

Started as `python -m experiments.inside RUN_DIR MODE DATAPATH REPORT_FD`. It reports to that descriptor as JSON
objects, a line each: `{"stage": …}` as it goes on, `{"ready": true}` once, and at the end `{"over": true, "error": …,
"status": …, "captures": […]}`.
"""

import contextlib
import json
import os
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

from experiments.results import CaptureCount
from meclab.errors import LabError
from meclab.plan import Plan
from topologies.machine import Datapath


class Mode(StrEnum):
    """What the lab is for."""

    MEASURE = "measure"
    """Captures, probes and sessions; the plan's events; then the end."""
    INTERACTIVE = "interactive"
    """The network and its services, until it is taken down."""


class Stopped(Exception):
    """A signal asked the lab to end."""


class Reporter:
    """Tells the launcher how far the lab is; a launcher that is gone is no error."""

    def __init__(self, descriptor: int) -> None:
        self._lines = os.fdopen(descriptor, "w", buffering=1)

    def tell(self, **fields: Any) -> None:
        with contextlib.suppress(OSError):
            self._lines.write(json.dumps(fields) + "\n")


def main(argv: list[str]) -> int:
    """Runs the lab and returns its exit status."""
    run_dir, mode, reporter = Path(argv[0]), Mode(argv[1]), Reporter(int(argv[3]))
    datapath: Datapath = "kernel" if argv[2] == "kernel" else "user"
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    plan = Plan.model_validate_json((run_dir / "plan.json").read_text())
    error, status = None, 0
    counts: list[CaptureCount] = []
    from experiments.interaction import serve
    from experiments.lab import Lab  # after the handlers: the imports take a while

    lab = Lab(plan, run_dir, datapath, mode is Mode.MEASURE, reporter.tell)
    try:
        lab.start()
        reporter.tell(ready=True)
        lab.play() if mode is Mode.MEASURE else serve(lab)
    except Stopped:
        error, status = ("stopped", 1) if mode is Mode.MEASURE else (None, 0)
    except LabError as failure:
        error, status = str(failure), failure.exit_status
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        counts = lab.stop()
    reporter.tell(over=True, error=error, status=status, captures=[count.model_dump() for count in counts])
    return status


def _stop(number: int, _frame: object) -> None:
    raise Stopped(signal.Signals(number).name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
