"""The lab's processes, watched: whoever waits for one learns when it dies, and what it last said."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from meclab.errors import RunError
from meclab.messages import ProgramEvent, Start, Stop

T = TypeVar("T")
LAST_LINES = 12
START_SECONDS = 20.0
"""Time in which a process must get ready; far above what an idle machine needs."""
_MESSAGE_BYTES = 65_536


def last_lines(log: Path) -> str:
    """The end of a log, for an error message."""
    with contextlib.suppress(OSError):
        lines = log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        return "\n".join(f"  {log.name}: {line}" for line in lines) or f"  {log.name}: (empty)"
    return f"  {log.name}: (not there)"


def await_condition(what: str, check: Callable[[], T | None], seconds: float = START_SECONDS) -> T:
    """What `check` returns once it is true; raises `RunError` with `what` after the deadline."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > deadline:
            raise RunError(f"not there after {seconds:g} s: {what}")
        time.sleep(0.005)
    return found


class Process:
    """A process of the lab's own, with a log."""

    def __init__(self, name: str, argv: Sequence[str], log: Path, pass_fds: Sequence[int] = ()) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=tuple(pass_fds)
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    def death(self) -> str | None:
        """How it ended, with its last log lines; none while it runs."""
        status = self._popen.poll()
        return None if status is None else f"{self.name} ended with status {status}\n{last_lines(self.log)}"

    def stop(self, seconds: float = 5.0) -> None:
        """Asks it to end, and ends it."""
        self._popen.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)
        self._popen.kill()
        self._popen.wait()


class Programs:
    """The programs on the emulated hosts, forked by one process (`python -m hosts`)."""

    def __init__(self, run_dir: Path, markers_fd: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        self._logs = run_dir / "logs"
        argv = [sys.executable, "-m", "hosts", str(run_dir)]
        argv += ["--control", str(theirs.fileno()), "--markers", str(markers_fd)]
        self.forker = Process("hosts", argv, self._logs / "hosts.log", [theirs.fileno(), markers_fd])
        theirs.close()
        self._ready: set[tuple[str, str]] = set()
        self._exited: dict[tuple[str, str], int] = {}
        self._expected: set[tuple[str, str]] = set()

    def start(self, node: str, program: str, namespace_pid: int) -> None:
        """Asks for a program; `await_ready` tells when it serves."""
        key = (node, program)
        self._expected.discard(key)
        self._exited.pop(key, None)
        self._ready.discard(key)
        log = str(self._logs / f"{node}-{program}.log")
        self._send(Start.model_validate({"node": node, "program": program, "namespace_pid": namespace_pid, "log": log}))

    def stop(self, node: str, program: str, how: str = "SIGTERM") -> None:
        """Ends a program; its end is no failure of the run."""
        self._expected.add((node, program))
        self._send(Stop.model_validate({"node": node, "program": program, "signal": how}))

    def await_ready(self, keys: Iterable[tuple[str, str]], seconds: float = START_SECONDS) -> None:
        """Returns once every program serves; raises `RunError` for one that died or took too long."""
        wanted = set(keys)

        def served() -> bool:
            self._receive()
            if death := self.death():
                raise RunError(death)
            return wanted <= self._ready

        missing = ", ".join(f"{node} {program}" for node, program in sorted(wanted)[:8])
        await_condition(f"programs {missing}", served, seconds)

    def await_exit(self, keys: Iterable[tuple[str, str]], seconds: float = 10.0) -> None:
        """Returns once every program has ended."""
        wanted = set(keys)

        def gone() -> bool:
            self._receive()
            return self.forker.death() is not None or wanted <= self._exited.keys()

        await_condition("the end of the programs", gone, seconds)

    def death(self) -> str | None:
        """The first program that ended unasked, with its last log lines."""
        self._receive()
        if death := self.forker.death():
            return death
        for (node, program), status in self._exited.items():
            if (node, program) not in self._expected:
                log = self._logs / f"{node}-{program}.log"
                return f"{program} on {node} ended with status {status}\n{last_lines(log)}"
        return None

    def _send(self, message: Start | Stop) -> None:
        try:
            self._control.send(message.model_dump_json().encode())
        except OSError as error:
            raise RunError(self.forker.death() or f"the process that forks the host programs: {error}") from error

    def _receive(self) -> None:
        while True:
            try:
                data = self._control.recv(_MESSAGE_BYTES, socket.MSG_DONTWAIT)
            except OSError:
                return
            if not data:
                return
            event = ProgramEvent.model_validate_json(data)
            key = (event.node, event.program)
            if event.event == "ready":
                self._ready.add(key)
            elif event.event == "exited":
                self._exited[key] = event.status or 0


def in_namespace(pid: int, argv: Sequence[str]) -> list[str]:
    """The command line that runs `argv` in the network and mount namespaces of `pid`."""
    return ["mnexec", "-a", str(pid), *argv]
