"""Switches that run a P4 program, each a process of its own: the lab's switch, or BMv2's."""

import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from meclab import p4
from meclab.errors import RunError
from meclab.model import Family
from meclab.p4 import Endpoint
from meclab.plan import Plan
from topologies import interfaces, layout
from topologies.layout import Bridge
from topologies.trace import Hop

_READY_S = 60.0
"""Above what a machine with two cores needs for 100 switches that all start at once."""
_POLL_S = 0.005
_LOG_LINES = 5


class P4Switches:
    """Of a plan with `dataplane: p4`: `switching.Switching`."""

    def __init__(self, plan: Plan, run_dir: Path) -> None:
        self._plan = plan
        self._run_dir = run_dir
        self._logs = run_dir / "logs"
        self._bridges = layout.bridges(plan)
        self._endpoints = p4.endpoints(plan)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def launch(self) -> None:
        """Nothing: a switch starts with its ports."""

    def wired(self, pids: Mapping[str, int]) -> None:
        """Nothing: ports are given to the switches all at once."""

    def make(self) -> None:
        """Starts every switch, and waits until each serves its controller."""
        with interfaces.netlink(None) as root:
            for bridge in self._bridges:
                for interface in bridge.ports:
                    root.up(interface)
        for bridge in self._bridges:
            self._start(bridge)
        self._await_ready()

    def connect(self, controller: str) -> None:
        """Nothing: here the controller connects to the switches."""

    def settle(self) -> None:
        """Nothing: the controller says when its rules are in place."""

    def attachments(self) -> dict[str, str] | None:
        return None

    def check(self) -> None:
        for name, process in self._processes.items():
            if (status := process.poll()) is not None:
                raise RunError(f"{_title(name)} ended with status {status}\n{self._last_lines(name)}")

    def stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def pids(self) -> dict[str, int]:
        return {_title(name): process.pid for name, process in self._processes.items()}

    def dump(self, folder: Path) -> None:
        """Writes every entry and default action with its counters, a line each."""
        from topologies import p4tables  # gRPC: not for networks of another kind

        folder.mkdir(parents=True, exist_ok=True)
        for name, at in self._endpoints.items():
            lines = "".join(f"{entry}\n" for entry in p4tables.read(name, at))
            (folder / f"{name}.txt").write_text(lines)

    def trace(self, attachments: Mapping[str, str | None], source: str, target: str, family: Family) -> list[Hop]:
        from topologies import p4trace

        return p4trace.trace(self._plan, attachments, source, target, family)

    def _start(self, bridge: Bridge) -> None:
        at = self._endpoints[bridge.name]
        folder = self._run_dir / p4.FOLDER
        arguments = _bmv2(folder, bridge, at) if self._plan.p4.target == "bmv2" else _ebpf(folder, bridge, at)
        with self._log(bridge.name).open("wb") as output:
            self._processes[bridge.name] = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    def _await_ready(self) -> None:
        deadline = time.monotonic() + _READY_S
        for name, at in self._endpoints.items():
            while not _listens(at):
                self.check()
                if time.monotonic() > deadline:
                    said = self._last_lines(name)
                    raise RunError(f"{_title(name)} does not listen at {at} after {_READY_S:g} s\n{said}")
                time.sleep(_POLL_S)

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}-p4.log"

    def _last_lines(self, name: str) -> str:
        return "\n".join(self._log(name).read_text(errors="replace").splitlines()[-_LOG_LINES:])


def _title(name: str) -> str:
    return f"switch-{name}"


def _ebpf(folder: Path, bridge: Bridge, at: Endpoint) -> list[str]:
    ports = [word for interface, number in bridge.ports.items() for word in ("--port", f"{number}={interface}")]
    own = ["--grpc", str(at), "--device-id", str(at.device_id), "--cpu-port", str(p4.CPU_PORT)]
    return [sys.executable, "-m", "dataplane", "run", str(folder), *ports, *own]


def _bmv2(folder: Path, bridge: Bridge, at: Endpoint) -> list[str]:
    """Without a program: P4Runtime's controller brings it. Each has a Thrift port of its own, or they clash."""
    ports = [word for interface, number in bridge.ports.items() for word in ("-i", f"{number}@{interface}")]
    own = ["--device-id", str(at.device_id), "--thrift-port", str(at.port + _THRIFT)]
    last: Sequence[str] = ("--", "--grpc-server-addr", str(at), "--cpu-port", str(p4.CPU_PORT))
    return ["simple_switch_grpc", *ports, *own, "--no-p4", *last]


_THRIFT = 10_000
"""BMv2's debugging port, beyond that of P4Runtime."""


def _listens(at: Endpoint) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((str(at.address), at.port)) == 0
