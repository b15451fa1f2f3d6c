"""Real-time priority for a process that must wake on time, given back while it needs too much of a core.

A SCHED_FIFO process that saturates a core starves everything else there and is throttled for about 50 ms each
second, so the priority is held only while the process's own load stays below half a core.
"""

import ctypes
import gc
import os
import time
from typing import Literal

Mode = Literal["realtime", "normal", "refused"]
WINDOW_NS = 100_000_000
"""Load is measured over this long at least."""
_DROP_ABOVE, _RETURN_BELOW = 0.5, 0.4
_PRIORITY = 10
_PR_SET_TIMERSLACK = 29


class Governor:
    """Decides from the measured load; `load` is the share of a core over the last window."""

    def __init__(self, now_ns: int, cpu_ns: int) -> None:
        self.load = 0.0
        self.peak_load = 0.0
        self.realtime = True
        self._since = now_ns, cpu_ns

    @property
    def next_ns(self) -> int:
        """When the running window can be closed."""
        return self._since[0] + WINDOW_NS

    def update(self, now_ns: int, cpu_ns: int) -> bool:
        """Closes the window with the processor time used so far; whether to be real-time has changed."""
        self.load = (cpu_ns - self._since[1]) / (now_ns - self._since[0])
        self.peak_load = max(self.peak_load, self.load)
        self._since = now_ns, cpu_ns
        before = self.realtime
        self.realtime = self.load < (_DROP_ABOVE if before else _RETURN_BELOW)
        return self.realtime != before


class Realtime:
    """The calling process's priority, kept by a `Governor`."""

    def __init__(self) -> None:
        self.mode: Mode = "normal"
        self.dropped = 0
        """How often the priority was given back."""
        self._governor = Governor(time.monotonic_ns(), time.process_time_ns())
        _precise_timers()
        self._set(True)

    @property
    def next_ns(self) -> int:
        """When to call `check` again (CLOCK_MONOTONIC)."""
        return self._governor.next_ns

    def check(self, now_ns: int) -> None:
        """Measures the load since the last check and sets the priority by it."""
        if self._governor.update(now_ns, time.process_time_ns()) and self.mode != "refused":
            self.dropped += not self._governor.realtime
            self._set(self._governor.realtime)

    def stats(self) -> dict[str, object]:
        """`scheduling` (`refused` where the machine does not allow real time), drops, load in shares of a core."""
        governor = self._governor
        return {
            "scheduling": self.mode,
            "realtime_drops": self.dropped,
            "load": round(governor.load, 3),
            "peak_load": round(governor.peak_load, 3),
        }

    def _set(self, realtime: bool) -> None:
        policy, priority = (os.SCHED_FIFO, _PRIORITY) if realtime else (os.SCHED_OTHER, 0)
        try:
            os.sched_setscheduler(0, policy, os.sched_param(priority))
        except PermissionError:
            self.mode = "refused"
        else:
            self.mode = "realtime" if realtime else "normal"


def _precise_timers() -> None:
    """Timers of this thread are not rounded for company (the default is 50 µs)."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(1), 0, 0, 0)


def no_collections() -> None:
    """No pauses for garbage: what exists stays, and what comes is freed by its references alone."""
    gc.collect()
    gc.freeze()
    gc.disable()
