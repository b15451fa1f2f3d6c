"""How busy the machine's processors are while a run goes on: samples of `/proc/stat`, and their share at p95."""

import csv
import threading
import time
from collections.abc import Sequence
from pathlib import Path

INTERVAL_S = 0.1
LOG = "processor.csv"
"""In the run's `logs`: a row per sample, `at_ns` (CLOCK_REALTIME, its end) and `busy` (share of all processors)."""
_IDLE_FIELDS = (3, 4)
"""`idle` and `iowait` among the numbers of the line `cpu` (proc(5))."""


def ticks(stat: str) -> tuple[int, int]:
    """(idle, all) clock ticks since boot, from the content of `/proc/stat`."""
    line = next(line for line in stat.splitlines() if line.startswith("cpu "))
    numbers = [int(word) for word in line.split()[1:9]]
    return sum(numbers[i] for i in _IDLE_FIELDS), sum(numbers)


def busy(before: tuple[int, int], after: tuple[int, int]) -> float:
    """Share of the time between two readings that the processors worked; 0 where no tick passed."""
    idle, total = after[0] - before[0], after[1] - before[1]
    return min(1.0, max(0.0, 1 - idle / total)) if total > 0 else 0.0


class Sampler:
    """A thread that writes a sample every `interval_s` until it is stopped."""

    def __init__(self, path: Path, interval_s: float = INTERVAL_S) -> None:
        self._path = path
        self._interval_s = interval_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="processor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        """A full disk ends the samples, and nothing else."""
        try:
            with self._path.open("w", buffering=1) as file:
                file.write("at_ns,busy\n")
                before = ticks(Path("/proc/stat").read_text())
                while not self._over.wait(self._interval_s):
                    after = ticks(Path("/proc/stat").read_text())
                    file.write(f"{time.time_ns()},{busy(before, after):.3f}\n")
                    before = after
        except OSError:
            return


def samples(path: Path, begin_ns: int, end_ns: int) -> Sequence[tuple[int, float]]:
    """(at_ns, busy) of the samples in [begin, end]; none where there is no such log."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = [(int(row["at_ns"]), float(row["busy"])) for row in csv.DictReader(file) if row["busy"]]
    return [(at_ns, share) for at_ns, share in rows if begin_ns <= at_ns <= end_ns]
