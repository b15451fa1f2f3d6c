"""Benchmarks of size: how long a lab takes to start, and what 200 devices cost."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from experiments import runner
from experiments.benchmarks.row import Row, at_most
from experiments.results import RunResult
from meclab.errors import RunError
from meclab.scenario import Scenario
from topologies import registry, sandbox

Tell = Callable[[str], None]
DEVICES = 200
STARTS = 5


def startup(out: Path, tell: Tell) -> Iterator[Row]:
    """From the command to the first probe on the two-site network, everything running, captures included."""
    seconds = []
    for _ in range(STARTS):
        argv = [sys.executable, "-m", "experiments", "run", "handover", "--method", "vip", "--out", str(out)]
        argv += ["--json", "--set", "events=[]", "--set", "expect=[]", "--set", "duration=2s"]
        done = subprocess.run(argv, capture_output=True, text=True, cwd=sandbox.PROJECT, check=False)
        if done.returncode:
            raise RunError(f"the run ended with status {done.returncode}: {done.stderr.strip()[-500:]}")
        seconds.append(float(json.loads(done.stdout)["startup_s"]))
        tell(f"  {seconds[-1]:.2f} s")
    what = f"command to first probe, median of {STARTS} (slowest {max(seconds):.2f} s)"
    yield at_most("startup", what, statistics.median(seconds), 4, "s")


def metro(out: Path, tell: Tell) -> Iterator[Row]:
    """A metro of 8 sites with 200 devices, all probing at 10 Hz: time to get up, memory, verdict."""
    few, many = (_metro(devices, out, tell) for devices in (8, DEVICES))
    yield at_most("metro", f"{DEVICES} devices: command to first probe", many[0], 20, "s")
    each_mib = (many[1] - few[1]) / (DEVICES - 8) / 2**20
    yield at_most("metro", "memory (PSS) that one more device takes", each_mib, 10, "MiB")
    result = many[2]
    yield Row(
        benchmark="metro",
        what=f"{DEVICES} devices: verdict, processors busy p95",
        measured=f"{'trusted' if result.fidelity.trusted else '; '.join(result.fidelity.reasons)}, "
        f"{(result.fidelity.cpu_busy_p95 or 0):.0%}",
    )


def _metro(devices: int, out: Path, tell: Tell) -> tuple[float, int, RunResult]:
    """Seconds to the first probe, PSS in bytes of everything in the lab while it measures, and the result."""
    scenario = Scenario.model_validate(
        {
            "scenario": f"bench-metro-{devices}",
            "topology": {"kind": "metro", "sites": 8},
            "devices": [{"count": devices}],
            "probes": {"interval": "100ms"},
            "session": {"interval": "1s"},
            "capture": "endpoints",
            "duration": "8s",
            "events": [{"at": "2s", "handover": {"device": "ue1", "to": "ap2"}}],
        }
    )
    (job,) = runner.jobs([scenario])
    memory: list[int] = []

    def watch(stage: str, seconds: float | None) -> None:
        tell(f"  {devices} devices: {stage}")
        if stage == "measuring":
            time.sleep(3)
            memory.append(sum(pss_bytes(pid) for pid in _pids_in_labs(out / scenario.scenario)))

    done = runner.run(job, out, watch)
    if done.error:
        raise RunError(done.error)
    return done.result.startup_s or float("inf"), memory[0], done.result


def _pids_in_labs(runs_dir: Path) -> list[int]:
    """Every process in the PID namespaces of the labs that run from a folder."""
    spaces = set()
    for lab in registry.running(runs_dir):
        if (first := sandbox.first_process(lab.unshare_pid)) is not None:
            spaces.add(Path(f"/proc/{first}/ns/pid").stat().st_ino)
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _pid_space(entry.name) in spaces]


def _pid_space(pid: str) -> int | None:
    try:
        return Path(f"/proc/{pid}/ns/pid").stat().st_ino
    except OSError:
        return None


def pss_bytes(pid: int) -> int:
    """The proportional set size of a process; 0 for one that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
