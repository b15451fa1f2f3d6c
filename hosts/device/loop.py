"""The device's one event loop: epoll, probes before everything else."""

import select
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hosts.system.linux import Timer

Callback = Callable[[], None]


class Source(Protocol):
    """A socket, a timer."""

    def fileno(self) -> int: ...


@dataclass(frozen=True, eq=False)
class _Entry:
    callback: Callback
    first: bool


class Loop:
    """Calls back what is ready; sources marked `first` before the others.

    `between` is called after each of the others, so that nothing that takes long comes between a probe and its time
    twice.
    """

    def __init__(self, between: Callback = lambda: None) -> None:
        self._poll = select.epoll()
        self._entries: dict[int, _Entry] = {}
        self._between = between

    def watch(self, source: Source, callback: Callback, *, writing: bool = False, first: bool = False) -> None:
        """Calls back when a source can be read, or, `writing`, written; replaces what was said of it before."""
        fd, events = source.fileno(), select.EPOLLOUT if writing else select.EPOLLIN
        if fd in self._entries:
            self._poll.modify(fd, events)
        else:
            self._poll.register(fd, events)
        self._entries[fd] = _Entry(callback, first)

    def forget(self, source: Source) -> None:
        """No more of this source; to be called before it is closed."""
        if self._entries.pop(source.fileno(), None) is not None:
            self._poll.unregister(source.fileno())

    def turn(self, timeout_s: float | None = None) -> None:
        """Waits, at most for the timeout, and serves what is ready once."""
        ready = [(fd, self._entries[fd]) for fd, _ in self._poll.poll(timeout_s) if fd in self._entries]
        ready.sort(key=lambda pair: not pair[1].first)
        for fd, entry in ready:
            if self._entries.get(fd) is not entry:
                continue  # closed by a callback of this turn; its number may be another source's by now
            entry.callback()
            if not entry.first:
                self._between()


class Alarm:
    """A timer of the loop; times are CLOCK_MONOTONIC in ns."""

    def __init__(self, loop: Loop, callback: Callback) -> None:
        self._timer = Timer()
        self._callback = callback
        loop.watch(self._timer, self._expired)

    def at(self, when_ns: int) -> None:
        """Calls back once at this time; whatever was said before no longer holds."""
        self._timer.at(when_ns)

    def stop(self) -> None:
        """Calls back no more."""
        self._timer.stop()

    def _expired(self) -> None:
        if self._timer.expirations():
            self._callback()
