"""Benchmark of the whole path: what the lab takes from the throughput of the same Open vSwitch under plain Mininet."""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from experiments import runner
from experiments.benchmarks.row import Row, at_least
from meclab.errors import RunError
from meclab.scenario import Scenario
from topologies import sandbox

Tell = Callable[[str], None]
SECONDS = 5
RATES_BPS = (100_000_000, 0)
"""Configured rate of the device's air interface and of plain Mininet's links; 0 for none."""
_FASTEST_BPS = 10_000_000_000


def end_to_end(out: Path, tell: Tell) -> Iterator[Row]:
    """TCP from device to MEC host with captures on, and the RTT added, beside plain Mininet with the same switch."""
    for rate_bps in RATES_BPS:
        plain = _plain(out, rate_bps)
        tell(f"  plain Mininet: {plain['tcp_bps'] / 1e6:.0f} Mbit/s")
        lab_bps, added_ms = _lab(out, rate_bps, tell)
        name = f"{rate_bps // 1_000_000} Mbit/s" if rate_bps else "no rate limit"
        yield Row(
            benchmark="throughput",
            what=f"{name}: TCP in the lab, plain Mininet",
            measured=f"{lab_bps / 1e6:.0f} Mbit/s, {plain['tcp_bps'] / 1e6:.0f} Mbit/s",
        )
        yield at_least("throughput", f"{name}: share of plain Mininet's", lab_bps / plain["tcp_bps"], 0.9, "")
        yield Row(
            benchmark="throughput",
            what=f"{name}: RTT added to the configured delays; plain Mininet's whole RTT",
            measured=f"{added_ms:.3f} ms, {plain['rtt_ms']:.3f} ms",
        )


def _plain(out: Path, rate_bps: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=_made(out)) as folder:
        argv = [sys.executable, "-m", "topologies.plain", folder, str(rate_bps), str(SECONDS)]
        process = sandbox.start(argv, keep=[Path(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        printed, said = process.communicate(timeout=60)
    if process.returncode:
        raise RunError(f"plain Mininet ended with status {process.returncode}: {said.decode()[-500:]}")
    found: dict[str, Any] = json.loads(printed.decode().splitlines()[-1])
    return found


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _lab(out: Path, rate_bps: int, tell: Tell) -> tuple[float, float]:
    """TCP throughput in bit/s from device to MEC host, and the RTT in ms beyond the configured delays (measured by
    probes in a run without the traffic)."""
    noise = _run(out, rate_bps, [], tell)
    floor_ms = noise.result.fidelity.noise_floor_rtt_ms
    loaded = _run(out, rate_bps, [{"from": "ue1", "to": "mec1", "rate": _FASTEST_BPS, "protocol": "tcp"}], tell)
    log = json.loads((loaded.run_dir / "logs" / "ue1-iperf3-client-0.log").read_text())
    seconds = [interval["sum"]["bits_per_second"] for interval in log["intervals"][1 : SECONDS + 1]]
    return statistics.median(seconds), floor_ms if floor_ms is not None else float("nan")


def _run(out: Path, rate_bps: int, traffic: list[dict[str, Any]], tell: Tell) -> runner.Finished:
    scenario = Scenario.model_validate(
        {
            "scenario": "bench-throughput",
            "methods": ["sticky"],
            "radio": {"rate": rate_bps} if rate_bps else {},
            "probes": {"interval": "20ms"},
            "traffic": traffic,
            "duration": f"{SECONDS + 4}s",
        }
    )
    (job,) = runner.jobs([scenario])

    def told(stage: str, _seconds: float | None) -> None:
        tell(f"  lab: {stage}")

    done = runner.run(job, out, told)
    if done.error:
        raise RunError(f"{done.error}\nkept so far: {done.run_dir}")
    return done
