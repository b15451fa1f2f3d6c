"""The first process of a sandbox: lays private file systems, runs the main process, reaps every orphan.

Run as `python -m topologies.first [--keep PATH]… [--lifeline R,W] [--hostname NAME] -- COMMAND…` by
`topologies.sandbox`, as PID 1 of namespaces of its own. SIGTERM and SIGINT go on to the main process; when that
ends, this process ends with its status, and the kernel kills and removes whatever is left.
"""

import argparse
import fcntl
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

from topologies import namespaces
from topologies.sandbox import COVERED, PASSED_ON

_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1


def main(argv: Sequence[str]) -> int:
    """Sets the sandbox up and sees it through; the main process's status, 128 + N where signal N ended it."""
    parser = argparse.ArgumentParser(prog="topologies.first")
    parser.add_argument("--keep", action="append", default=[])
    parser.add_argument("--lifeline")
    parser.add_argument("--hostname", default="lab")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(argv)
    if options.lifeline:
        check_parent(*map(int, options.lifeline.split(",")))
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    socket.sethostname(options.hostname)
    cover(COVERED, options.keep)
    own_sysfs()
    loopback_up()
    return supervise(options.command)


def check_parent(lifeline: int, held: int) -> None:
    """Ends this process if `unshare` died before the kernel was asked to tell us (in here, getppid is 0 always).

    Only `unshare` and this process hold the pipe's writing end: once this one lets go, an end of file on the
    reading end says that `unshare` is gone.
    """
    os.close(held)
    ready, _, _ = select.select([lifeline], [], [], 0)
    if ready:
        os._exit(1)
    os.close(lifeline)


def cover(directories: Sequence[str], keep: Sequence[str]) -> None:
    """Lays an empty tmpfs over each directory; kept paths below them are bound back to where they were.

    The working directory stays the same. Where /etc/resolv.conf links into a covered directory, an empty file
    is made there, so that hosts can bind their own over it.
    """
    here = Path.cwd()
    covered = [Path(directory).resolve() for directory in directories if Path(directory).is_dir()]
    places = {place for path in keep for place in (Path(path), Path(path).resolve()) if place.exists()}
    hidden = _outermost({place for place in places if _below(place, covered)})
    held = [(place, os.open(place, os.O_PATH)) for place in hidden]
    resolver = Path("/etc/resolv.conf").resolve()
    for directory in covered:
        namespaces.mount("tmpfs", str(directory), "tmpfs", 0, "mode=1777" if directory.name == "tmp" else "mode=0755")
    for place, fd in held:
        if Path(f"/proc/self/fd/{fd}").is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        namespaces.mount(f"/proc/self/fd/{fd}", str(place), flags=namespaces.MS_BIND | namespaces.MS_REC)
        os.close(fd)
    if not resolver.exists() and _below(resolver, covered):
        resolver.parent.mkdir(parents=True, exist_ok=True)
        resolver.touch()
    os.chdir(here)


def _below(path: Path, directories: Sequence[Path]) -> bool:
    return any(directory in path.parents for directory in directories)


def _outermost(paths: set[Path]) -> list[Path]:
    """The paths that lie below no other one of them, shortest first."""
    return sorted((path for path in paths if not paths & set(path.parents)), key=lambda path: len(path.parts))


def own_sysfs() -> None:
    """A /sys that shows this network namespace's interfaces, with a bpffs of its own and the machine's cgroups."""
    cgroups = os.open("/sys/fs/cgroup", os.O_PATH)
    namespaces.mount("sysfs", "/sys", "sysfs")
    namespaces.mount("bpf", "/sys/fs/bpf", "bpf")
    namespaces.mount(f"/proc/self/fd/{cgroups}", "/sys/fs/cgroup", flags=namespaces.MS_BIND | namespaces.MS_REC)
    os.close(cgroups)


def loopback_up() -> None:
    """By ioctl: a netlink library would cost every start of a lab its import."""
    request = struct.pack("16sH", b"lo", _IFF_UP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, request.ljust(40, b"\0"))


def supervise(command: Sequence[str]) -> int:
    """Runs the main process to its end, passing signals on and reaping everything that dies meanwhile."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    main_pid = os.fork()
    if main_pid == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [*PASSED_ON, signal.SIGCHLD])
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(ignored, signal.SIG_DFL)
        try:
            os.execvp(command[0], list(command))
        except OSError as error:
            print(f"cannot start {command[0]}: {error.strerror}", file=sys.stderr, flush=True)
            os._exit(127)
    while True:
        number = signal.sigwait([*PASSED_ON, signal.SIGCHLD])
        if number != signal.SIGCHLD:
            os.kill(main_pid, number)
        elif (status := _reaped(main_pid)) is not None:
            return status if status >= 0 else 128 - status


def _reaped(main_pid: int) -> int | None:
    """Reaps every child that has ended; the main process's exit status if it is among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == main_pid:
            found = os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
