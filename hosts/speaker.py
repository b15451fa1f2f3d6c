"""The program on every MEC host of `bgp-anycast`: announces the virtual address to the host's edge, by FRR.

FRR's daemons live and die with this process, by whatever cause it ends: MODEL: what announces the address is one with
the application, as where a health check withdraws the route. It says that it serves when the daemons run; that the
address has reached every router is for who started it to await.
"""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from hosts.program import Context
from meclab import frr, routers
from meclab.errors import RunError

log = logging.getLogger(__name__)
_START_S = 10.0
_PRIORITY = 1


def main(context: Context) -> int:
    """Runs until SIGTERM; 1 where a daemon ends before that."""
    signal.signal(signal.SIGTERM, _end)
    folder = Path(frr.FOLDER)
    _write(folder, frr.configuration(context.plan, routers.speakers(context.plan)[context.node]))
    daemons = {frr.ZEBRA: _start(frr.ZEBRA)}
    try:
        _await(frr.ZEBRA, daemons[frr.ZEBRA], folder / frr.ZEBRA_SOCKET)
        daemons |= {name: _start(name) for name in frr.OTHERS}
        for name in frr.OTHERS:
            _await(name, daemons[name], folder / f"{name}.vty")
        _hurry(daemons["bfdd"].pid)
        context.ready()
        pid, status = os.wait()
        name = next((name for name, daemon in daemons.items() if daemon.pid == pid), "a process")
        log.error("%s ended with status %d", name, os.waitstatus_to_exitcode(status))
        return 1
    finally:
        for daemon in daemons.values():
            daemon.terminate()


def _end(number: int, _frame: object) -> None:
    raise SystemExit(0)


def _write(folder: Path, texts: dict[str, str]) -> None:
    """The configuration, in an empty folder: an earlier daemon's socket would look like this one's."""
    for left in folder.iterdir():
        left.unlink()
    for daemon, text in texts.items():
        path = folder / f"{daemon}.conf"
        path.write_text(text)
        shutil.chown(path, frr.USER, frr.USER)


def _start(daemon: str) -> "subprocess.Popen[bytes]":
    """Its log goes where this program's goes."""
    return subprocess.Popen(frr.command(daemon), stdin=subprocess.DEVNULL)


def _await(name: str, daemon: "subprocess.Popen[bytes]", socket: Path) -> None:
    deadline = time.monotonic() + _START_S
    while not socket.is_socket():
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise RunError(f"{name} has not made {socket} in {_START_S:g} s (status {daemon.returncode})")
        time.sleep(0.002)


def _hurry(pid: int) -> None:
    """Before all ordinary processes, where the machine allows it: a busy machine is no failure of a link."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(_PRIORITY))
