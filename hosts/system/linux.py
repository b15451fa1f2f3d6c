"""Linux calls that Python 3.11 has no name for: namespaces, process control, timers on file descriptors."""

import ctypes
import os
import time

CLONE_NEWNS = 0x0002_0000
CLONE_NEWNET = 0x4000_0000
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_TIMERSLACK = 29
_TFD_NONBLOCK = 0o4000
_TFD_CLOEXEC = 0o2000000
_TFD_TIMER_ABSTIME = 1

_libc = ctypes.CDLL(None, use_errno=True)


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def enter_namespaces(pid: int) -> None:
    """Enters the network and mount namespaces of a process; the caller must have one thread.

    The working directory becomes the root of the mount namespace. Raises `OSError`.
    """
    process = os.pidfd_open(pid)
    try:
        _checked(_libc.setns(process, CLONE_NEWNET | CLONE_NEWNS), f"setns to process {pid}")
    finally:
        os.close(process)


def die_with_parent(parent: int, signal_number: int) -> None:
    """Has the kernel send this process a signal when its parent ends; ends it if `parent` is gone already."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os._exit(1)


def name_process(name: str) -> None:
    """The name that `ps -o comm` and `top` show; 15 bytes of it."""
    _checked(_libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0), "prctl(PR_SET_NAME)")


def sharpen_timers() -> None:
    """Wakes this process within a nanosecond of its timers, not the default 50 µs."""
    _checked(_libc.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0), "prctl(PR_SET_TIMERSLACK)")


def take_realtime(priority: int) -> bool:
    """Runs this process before all ordinary ones (SCHED_FIFO); whether the machine allows it."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except OSError:
        return False
    return True


class Timer:
    """A timer on CLOCK_MONOTONIC that epoll can wait for (timerfd_create(2))."""

    def __init__(self) -> None:
        self._fd = _checked(_libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC), "timerfd_create")

    def fileno(self) -> int:
        return self._fd

    def at(self, when_ns: int, interval_ns: int = 0) -> None:
        """Expires at an absolute time, then every interval with no drift; once where the interval is 0."""
        spec = _Itimerspec(_Timespec(*divmod(interval_ns, 10**9)), _Timespec(*divmod(max(when_ns, 1), 10**9)))
        _checked(_libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None), "timerfd_settime")

    def stop(self) -> None:
        """Expires no more."""
        _checked(_libc.timerfd_settime(self._fd, 0, ctypes.byref(_Itimerspec()), None), "timerfd_settime")

    def expirations(self) -> int:
        """How often it has expired since it was last asked."""
        try:
            return int.from_bytes(os.read(self._fd, 8), "little")
        except BlockingIOError:
            return 0

    def close(self) -> None:
        os.close(self._fd)
