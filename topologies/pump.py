"""The loop that links and air share: frames in, a wait that ends on time, frames out.

One process serves every lane by one epoll and one timerfd; its inner loops run a hundred thousand times a second
and are written for that. Times are CLOCK_MONOTONIC.
"""

import ctypes
import heapq
import os
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from topologies.delayline import DelayLine
from topologies.realtime import Realtime
from topologies.tap import MAX_FRAME_BYTES

_BURST = 64
"""Frames read from one descriptor before the others and the clock get their turn."""
_BUCKET_NS, _BUCKETS = 10_000, 1000
_NEVER = 1 << 62
_TRACKING, _STEP_NS, _MOST_NS = 16, 2000, 300_000
"""A wake-up moves the running cost by this part of the difference and at most by so much, up to so much."""
_BEAT_NS, _BEATS_ON_NS = 1_000_000, 2_000_000_000
"""While there was traffic lately the loop wakes this often with nothing to do: a processor that has slept longer
takes up to 0.15 ms more to wake, by an amount that cannot be known."""
_CLOCK_MONOTONIC, _TFD_TIMER_ABSTIME = 1, 1

Take = Callable[[Sequence[bytes], int], None]


@dataclass(frozen=True)
class WakeCost:
    """What waking up costs on this machine, taken off every delay."""

    arrival_ns: int = 0
    """From a frame's coming, while the process sleeps, to the process knowing it; and for writing it."""
    departure_ns: int = 0
    """From a timer's instant to the process running, which the loop keeps up to date."""


class Timer:
    """A timerfd with one absolute instant, which Python 3.11 has no module for."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._value = (ctypes.c_long * 4)()
        self._settime = libc.timerfd_settime
        self._arguments = ctypes.c_int(self.fd), ctypes.c_int(_TFD_TIMER_ABSTIME), self._value, None
        self._at_ns = _NEVER

    def set(self, at_ns: int) -> None:
        """Readable from `at_ns` on, and not before; `_NEVER` disarms."""
        if at_ns != self._at_ns:
            self._at_ns = at_ns
            self._value[2], self._value[3] = divmod(at_ns if at_ns != _NEVER else 0, 1_000_000_000)
            self._settime(*self._arguments)


class Lateness:
    """How long after their instants bursts left, counted in buckets."""

    def __init__(self) -> None:
        self.buckets = [0] * _BUCKETS

    def percentile_us(self, share: float) -> float | None:
        """The middle of the bucket that holds a percentile; none where nothing was counted."""
        left = share * sum(self.buckets)
        if not left:
            return None
        index = 0
        while (left := left - self.buckets[index]) > 0:
            index += 1
        return (index + 0.5) * _BUCKET_NS / 1000

    def stats(self) -> dict[str, float | None]:
        return {"late_p50_us": self.percentile_us(0.5), "late_p99_us": self.percentile_us(0.99)}


class Lane:
    """A delay line, the descriptor by which its frames leave, and how late they left."""

    def __init__(self, pump: "Pump", line: DelayLine, fd: int, lateness: Lateness | None = None) -> None:
        self.line = line
        self.lateness = lateness or Lateness()
        self._pump = pump
        self._fd = fd
        self._armed_ns = _NEVER
        self._late = self.lateness.buckets

    def put(self, frames: Sequence[bytes], now_ns: int) -> None:
        """Frames enter the line."""
        self.line.put(frames, now_ns)
        self._arm()

    def _arm(self) -> None:
        due_ns = self.line.next_ns
        if due_ns is not None and due_ns < self._armed_ns:
            self._armed_ns = due_ns
            self._pump.at(due_ns, self._fire)

    def _fire(self, due_ns: int, now_ns: int) -> None:
        if due_ns != self._armed_ns:
            return
        self._armed_ns = _NEVER
        write, fd = os.write, self._fd
        for frame in self.line.take(now_ns):
            try:
                write(fd, frame)
            except OSError:  # the interface at the other end is down
                self.line.counters.dropped_down += 1
        late = (now_ns - due_ns - self._pump.departure_ns) // _BUCKET_NS
        self._late[min(max(late, 0), _BUCKETS - 1)] += 1
        self._arm()

    def stats(self) -> dict[str, int | float | None]:
        """The line's counters and its lateness."""
        return {**vars(self.line.counters), **self.lateness.stats()}


class Pump:
    """Readers of descriptors and things to do at an instant, in one loop."""

    def __init__(self, cost: WakeCost) -> None:
        self.departure_ns = cost.departure_ns
        self._beyond_ns = cost.arrival_ns - cost.departure_ns
        self._epoll = select.epoll()
        self._timer = Timer()
        self._epoll.register(self._timer.fd, select.EPOLLIN)
        self._readers: dict[int, Take] = {}
        self._others: dict[int, Callable[[], None]] = {}
        self._agenda: list[tuple[int, int, Callable[[int, int], None]]] = []
        self._entries = 0
        self._running = True

    @property
    def cost(self) -> WakeCost:
        """What waking up costs by the latest measurement."""
        return WakeCost(self.departure_ns + self._beyond_ns, self.departure_ns)

    def reader(self, fd: int, take: Take) -> None:
        """`take` gets the frames that come in at a non-blocking descriptor, and when they came."""
        self._readers[fd] = take
        self._epoll.register(fd, select.EPOLLIN)

    def watch(self, fd: int, ready: Callable[[], None]) -> None:
        """`ready` is called when a descriptor can be read."""
        self._others[fd] = ready
        self._epoll.register(fd, select.EPOLLIN)

    def at(self, due_ns: int, act: Callable[[int, int], None]) -> None:
        """`act` is called with `due_ns` and the instant up to which things are due, the wake-up's cost ahead."""
        self._entries += 1
        heapq.heappush(self._agenda, (due_ns, self._entries, act))

    def close(self) -> None:
        """Gives back what the loop itself holds; the readers' descriptors are their owners'."""
        self._epoll.close()
        os.close(self._timer.fd)

    def stop(self) -> None:
        """`run` returns after its present turn."""
        self._running = False

    def run(self, realtime: Realtime) -> None:
        """Serves until `stop`."""
        clock, poll, agenda, pop = time.monotonic_ns, self._epoll.poll, self._agenda, heapq.heappop
        readers, others, timer = self._readers, self._others, self._timer
        departure_ns, beyond_ns = self.departure_ns, self._beyond_ns
        tracked = departure_ns > 0
        now_ns = clock()
        active_ns = now_ns
        while self._running:
            before_ns = now_ns
            if agenda and agenda[0][0] - departure_ns <= now_ns:
                events = poll(0)
                now_ns = came_ns = clock()
            else:
                wake_ns = agenda[0][0] - departure_ns if agenda else _NEVER
                if now_ns - active_ns < _BEATS_ON_NS:
                    wake_ns = min(wake_ns, now_ns + _BEAT_NS)
                timer.set(wake_ns)
                events = poll()
                now_ns = clock()
                came_ns = max(before_ns, now_ns - departure_ns - beyond_ns)
                if tracked and now_ns > wake_ns:
                    step_ns = (now_ns - wake_ns - departure_ns) // _TRACKING
                    departure_ns = min(max(departure_ns + min(max(step_ns, -_STEP_NS), _STEP_NS), 1), _MOST_NS)
                    self.departure_ns = departure_ns
            for fd, _ in events:
                if (take := readers.get(fd)) is not None:
                    if frames := read_burst(fd):
                        take(frames, came_ns)
                        active_ns = now_ns
                elif fd in others:
                    others[fd]()
            now_ns = clock()
            due_ns = now_ns + departure_ns
            while agenda and agenda[0][0] <= due_ns:
                entry = pop(agenda)
                entry[2](entry[0], due_ns)
            if now_ns > realtime.next_ns:
                realtime.check(now_ns)
            now_ns = clock()


def read_burst(fd: int) -> list[bytes]:
    """The frames that wait at a descriptor, up to a bound."""
    read = os.read
    frames: list[bytes] = []
    append = frames.append
    try:
        for _ in range(_BURST):
            append(read(fd, MAX_FRAME_BYTES))
    except OSError:  # EAGAIN: no more; EBADFD, EIO: the interface is gone
        pass
    return frames
