"""Captures of a run: one `dumpcap` for each file of the plan, from before the first frame.

A file's interfaces are all in one namespace. Frames are cut to `SNAP_BYTES`, which holds every header, a probe, and
the head of an HTTP message; the operations host's are kept whole, for its streams are read to the last byte, and so are
all that sessions over TLS pass, which cannot be decrypted in part.
"""

import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.processes import await_condition
from experiments.results import CaptureCount
from meclab.errors import RunError
from meclab.plan import ROOT, Plan

SNAP_BYTES = 512
RING_MIB, RINGS_MIB = 4, 128
"""Kernel buffer of one interface at most, and of all together: a lab of hundreds of devices gets 1 MiB for each."""
FLUSH_S = 0.4
"""The kernel hands a block of frames to dumpcap when it is full or 0.25 s old, and dumpcap drops what it has not got
when it is told to end: stopping waits this long first."""
STOP_S = 10.0
_COUNTED = re.compile(r"Packets received/dropped on interface '[^']*': (\d+)/(\d+)")
_ROUTINE = ("Capturing on", "File:", "Running as user", "Packets captured", "Packets received")


@dataclass(frozen=True)
class _Dumpcap:
    """A running capture."""

    node: str
    file: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def said(self) -> str:
        try:
            return self.log.read_text(errors="replace")
        except OSError:
            return ""

    def last_words(self) -> str:
        """What it said last, without the lines that every dumpcap says."""
        lines = [line for line in self.said().splitlines() if line.strip() and not line.startswith(_ROUTINE)]
        return " ".join(lines[-3:]) or "it said nothing"

    def runs(self) -> bool:
        """Whether its interfaces are open: it names its file right after. Raises `RunError` if it has ended."""
        if self.process.poll() is not None:
            raise RunError(f"the capture {self.file} on {self.node} does not start: {self.last_words()}")
        return "File: " in self.said()


class Captures:
    """All captures of one run."""

    def __init__(self, plan: Plan, run_dir: Path, node_pid: Callable[[str], int]) -> None:
        """`node_pid` gives a process in a node's network namespace; it is not asked for the root's."""
        self._plan = plan
        self._folder = run_dir / "captures"
        self._logs = run_dir / "logs"
        self._node_pid = node_pid
        self._running: list[_Dumpcap] = []

    def start(self) -> None:
        """Starts every capture and returns when all of them run; the interfaces must be up. Raises `RunError`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        for (node, file), interfaces in self._groups().items():
            self._running.append(self._started(node, file, interfaces))
        waiting = list(self._running)

        def all_run() -> bool:
            waiting[:] = [capture for capture in waiting if not capture.runs()]
            return not waiting

        await_condition(f"{len(self._running)} captures", all_run)

    def _groups(self) -> dict[tuple[str, str], list[str]]:
        groups: dict[tuple[str, str], list[str]] = {}
        for point in self._plan.captures:
            groups.setdefault((point.node, point.file), []).append(point.interface)
        return groups

    def _started(self, node: str, file: str, interfaces: Sequence[str]) -> _Dumpcap:
        ring_mib = max(1, min(RING_MIB, RINGS_MIB // len(self._plan.captures)))
        whole = {host.name for host in self._plan.by_role("ops")}
        if self._plan.http.tls:
            whole |= {device.name for device in self._plan.devices}
            whole |= {host.name for host in self._plan.by_role("mec", "cloud", "front")}
        snap_bytes = 0 if node in whole else SNAP_BYTES
        argv = _argv(interfaces, self._folder / f"{file}.pcapng", ring_mib, snap_bytes)
        if node != ROOT:
            argv = [*_inside(self._node_pid(node)), *argv]
        log = self._logs / f"capture-{file}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        return _Dumpcap(node, file, process, log)

    def problems(self) -> list[str]:
        """Captures that have ended on their own, in words; the run goes on and keeps what they have."""
        ended = [capture for capture in self._running if capture.process.poll() is not None]
        return [f"the capture {capture.file} ended: {capture.last_words()}" for capture in ended]

    def stop(self) -> list[CaptureCount]:
        """Ends every capture and returns what each counted; later calls return an empty list."""
        running, self._running = self._running, []
        alive = {capture.file for capture in running if capture.process.poll() is None}
        if alive:
            time.sleep(FLUSH_S)
        for capture in running:
            capture.process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + STOP_S
        return [_count(capture, capture.file in alive, deadline) for capture in running]


def live(interfaces: Sequence[str], capture_filter: str = "") -> list[str]:
    """The command that captures interfaces of its own namespace and writes pcapng to its standard output."""
    named = [word for interface in interfaces for word in ("-i", interface)]
    return ["dumpcap", "-q", *(["-f", capture_filter] if capture_filter else []), *named, "-w", "-"]


def _inside(pid: int) -> list[str]:
    return ["nsenter", f"--net=/proc/{pid}/ns/net", "--"]


def _argv(interfaces: Sequence[str], path: Path, ring_mib: int, snap_bytes: int) -> list[str]:
    """Options before the first interface hold for all."""
    snap = ["-s", str(snap_bytes)] if snap_bytes else []
    named = [word for interface in interfaces for word in ("-i", interface)]
    return ["dumpcap", "-q", "-B", str(ring_mib), *snap, *named, "-w", str(path)]


def _count(capture: _Dumpcap, was_alive: bool, deadline: float) -> CaptureCount:
    """Waits for a capture that was told to end, and says what it counted."""
    problem = None
    try:
        status = capture.process.wait(max(0.0, deadline - time.monotonic()))
        if status or not was_alive:
            problem = f"it ended {'with' if was_alive else 'early with'} status {status}: {capture.last_words()}"
    except subprocess.TimeoutExpired:
        capture.process.kill()
        capture.process.wait()
        problem = f"it did not end within {STOP_S:g} s"
    counted = [(int(received), int(dropped)) for received, dropped in _COUNTED.findall(capture.said())]
    return CaptureCount(
        file=capture.file,
        node=capture.node,
        packets=sum(received for received, _ in counted) if counted else None,
        dropped=sum(dropped for _, dropped in counted) if counted else None,
        problem=problem,
    )
