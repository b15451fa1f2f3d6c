"""Benchmarks of the user-space link, as rows with the lab's targets (`wire` measures)."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from experiments.benchmarks import wire
from experiments.benchmarks.row import Row, at_least, at_most

Tell = Callable[[str], None]
_RATE_PERCENT, _SIGMAS = 3.0, 3.0


def accuracy(out: Path, tell: Tell) -> Iterator[Row]:
    """RTT error of one link after calibration at 1, 5, 20 and 50 ms, and frames out of order."""
    with tempfile.TemporaryDirectory() as folder:
        for row in wire.accuracy(Path(folder)):
            name = f"{row['delay_ms']} ms each way, {row['replies']} echoes"
            yield at_most("wire", f"{name}: RTT error p50", row["rtt_error_p50_ms"], 0.1, "ms")
            yield at_most("wire", f"{name}: RTT error p99", row["rtt_error_p99_ms"], 0.5, "ms")
            yield at_most("wire", f"{name}: reordered", row["reordered"], 0, "")


def throughput(out: Path, tell: Tell) -> Iterator[Row]:
    """One link: TCP throughput at 5 ms, configured rates and configured loss held."""
    with tempfile.TemporaryDirectory() as folder:
        for row in wire.throughput(Path(folder)):
            yield at_least("wire-rate", f"TCP at {row['delay_ms']} ms", row["tcp_mbps"], 800, "Mbit/s")
        for row in wire.rates(Path(folder), rates_mbps=(1, 10, 50, 100, 200)):
            what = f"rate of {row['rate_mbps']} Mbit/s: off by (measured {row['measured_mbps']:.4g} Mbit/s)"
            yield at_most("wire-rate", what, abs(row["error_percent"]), _RATE_PERCENT, "%")
        for row in wire.loss(Path(folder)):
            what = f"loss of {row['loss']:.1%}: {row['lost']} of {row['frames']} frames, off by"
            yield at_most("wire-rate", what, abs(row["sigmas"]), _SIGMAS, "standard deviations")
