"""The few system calls on namespaces and mounts that Python 3.11 does not have."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
SANDBOX = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET
"""All that a lab has of its own."""
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """New namespaces for the calling thread."""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def enter(pid: int, kind: str) -> None:
    """The calling thread enters the `net` or `mnt` namespace of a process; `mnt` asks for a single thread."""
    fd = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _checked(_libc.setns(ctypes.c_int(fd), ctypes.c_int(0)), f"setns {kind} of process {pid}")
    finally:
        os.close(fd)


@contextmanager
def network_of(pid: int | None) -> Iterator[None]:
    """The calling thread is in the network namespace of a process meanwhile; sockets made there stay there.

    Nothing happens where `pid` is none.
    """
    if pid is None:
        yield
        return
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter(pid, "net")
        try:
            yield
        finally:
            _checked(_libc.setns(ctypes.c_int(own), ctypes.c_int(0)), "setns back")
    finally:
        os.close(own)


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2)."""
    arguments = [text.encode() or None for text in (source, target, kind)]
    data = options.encode() or None
    _checked(_libc.mount(*arguments, ctypes.c_ulong(flags), data), f"mount {kind or source} on {target}")


def die_with_parent(signal_number: int) -> None:
    """The kernel sends this process a signal when the thread that forked it ends."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal_number), 0, 0, 0), "prctl PR_SET_PDEATHSIG")
