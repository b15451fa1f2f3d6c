"""FRR's daemons in the namespaces of routers, and a folder for them in each namespace that runs them."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from meclab import frr
from meclab.errors import RunError
from topologies import hostfiles

STATE = Path("/run/meclab/frr")
"""In the sandbox's private /run; each node sees its own part of it as `frr.FOLDER`."""
_READY_S = 10.0
_LOG_LINES = 5
_PRIORITY = 1


def bind_folders(pids: Mapping[str, int]) -> None:
    """Gives each of these nodes a folder of its own for FRR's files; `pids` are in their mount namespaces."""
    for name in pids:
        (STATE / name).mkdir(parents=True, exist_ok=True)
        shutil.chown(STATE / name, frr.USER, frr.USER)
    Path(frr.FOLDER).mkdir(exist_ok=True)
    hostfiles.in_mount_namespaces(pids, lambda name: [(STATE / name, Path(frr.FOLDER))])


class Frr:
    """zebra, bgpd and bfdd of every router."""

    def __init__(self, pids: Mapping[str, int], logs: Path) -> None:
        """`pids` are in the routers' namespaces, whose folders are bound."""
        self._routers = dict(pids)
        self._logs = logs
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def launch(self, configurations: Mapping[str, Mapping[str, str]]) -> None:
        """Starts every router's zebra, with its configuration and the others' written."""
        for router, texts in configurations.items():
            for daemon, text in texts.items():
                path = STATE / router / f"{daemon}.conf"
                path.write_text(text)
                shutil.chown(path, frr.USER, frr.USER)
        for router in self._routers:
            self._start(router, frr.ZEBRA)

    def launch_others(self) -> None:
        """Starts what talks to zebra, once that listens."""
        self._await(frr.ZEBRA, frr.ZEBRA_SOCKET)
        for daemon in frr.OTHERS:
            for router in self._routers:
                self._start(router, daemon)
        for router in self._routers:
            with contextlib.suppress(OSError):  # a machine that is busy for 0.3 s is no failure of a link
                os.sched_setscheduler(self._daemons[f"{router}-bfdd"].pid, os.SCHED_FIFO, os.sched_param(_PRIORITY))

    def await_ready(self) -> None:
        """Waits until every daemon can be asked."""
        for daemon in frr.OTHERS:
            self._await(daemon, f"{daemon}.vty")

    def check(self) -> None:
        """Raises `RunError` with the last log lines of a daemon that has ended by itself."""
        for name, daemon in self._daemons.items():
            if (status := daemon.poll()) is not None:
                raise RunError(f"{name} ended with status {status}\n{self._last_lines(name)}")

    def stop(self) -> None:
        """Ends every daemon at once: nobody is to be told that a lab ends."""
        for daemon in self._daemons.values():
            daemon.kill()
        for daemon in self._daemons.values():
            daemon.wait()

    @property
    def pids(self) -> dict[str, int]:
        """`ROUTER-DAEMON` to its process number."""
        return {name: daemon.pid for name, daemon in self._daemons.items()}

    def _start(self, router: str, daemon: str) -> None:
        name = f"{router}-{daemon}"
        inside = ["nsenter", f"--target={self._routers[router]}", "--net", "--mount", "--"]
        with (self._logs / f"{name}.log").open("wb") as output:
            self._daemons[name] = subprocess.Popen(
                [*inside, *frr.command(daemon)], stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def _await(self, daemon: str, socket: str) -> None:
        deadline = time.monotonic() + _READY_S
        for router in self._routers:
            while not (STATE / router / socket).is_socket():
                self.check()
                if time.monotonic() > deadline:
                    last = self._last_lines(f"{router}-{daemon}")
                    raise RunError(f"{router}-{daemon} has not made {socket} in {_READY_S:g} s\n{last}")
                time.sleep(0.002)

    def _last_lines(self, name: str) -> str:
        path = self._logs / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-_LOG_LINES:])


def ask(node: str, daemons: Iterable[str], *commands: str) -> str:
    """What a node's daemons answer to `vtysh` commands; empty where they cannot be asked."""
    chosen = [word for daemon in daemons for word in ("-d", daemon)]
    wanted = [word for command in commands for word in ("-c", command)]
    argv = ["vtysh", "--vty_socket", str(STATE / node), *chosen, *wanted]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=False)
    return done.stdout if done.returncode == 0 else ""
