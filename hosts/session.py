"""The device's TCP session as a state machine without sockets: events and times in, actions out.

The session sends a request at every point of a fixed grid of times, on one kept-alive connection, with at most
one request outstanding; grid points that pass while one is outstanding are left out. A request that a broken
connection swallowed is repeated on the next.

| what happens | what it does |
|---|---|
| peer resets or closes | connects again at once; at the next grid point if that connection never carried a response |
| connection refused, no route | connects again at the next grid point |
| silence for the timeout, with a request or a connect outstanding | gives up with a reset, connects again at once |

Times are CLOCK_MONOTONIC in ns.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

Breakage = Literal["reset", "closed", "refused", "unreachable", "garbage"]


class Action(Enum):
    """What the owner of the socket has to do."""

    CONNECT = "connect"
    SEND = "send"
    """Send the request numbered `Session.request`."""
    RESET = "reset"
    """Close so that the peer gets a RST."""
    CLOSE = "close"
    """Close with a FIN."""


class State(Enum):
    """Of the connection."""

    CLOSED = "closed"
    CONNECTING = "connecting"
    OPEN = "open"


@dataclass(frozen=True)
class Attempt:
    """What became of one request on one connection, or of a connection with no request on it."""

    request: int | None
    """None where the connection broke between two requests."""
    connection: int
    """Counted from 1."""
    sent_ns: int | None
    """None where it was never sent."""
    done_ns: int
    host: str
    outcome: str
    """`ok`, a breakage, `timeout`, `connect-timeout`, `status-503` or `unfinished`."""


class Session:
    """One device's session."""

    def __init__(self, interval_ns: int, timeout_ns: int, start_ns: int) -> None:
        self.state = State.CLOSED
        self.request = 0
        """Number of the last request begun."""
        self.attempts: list[Attempt] = []
        """Finished ones; the owner takes them away."""
        self._interval_ns = interval_ns
        self._timeout_ns = timeout_ns
        self._due_ns = start_ns
        self._outstanding = False
        self._sent_ns: int | None = None
        self._silent_since_ns = start_ns
        self._connection = 0
        self._proven = False
        """Whether the connection has carried a response."""

    @property
    def outstanding(self) -> bool:
        """Whether a request waits for its response, or for a connection."""
        return self._outstanding

    @property
    def _waits_for_peer(self) -> bool:
        return self.state is State.CONNECTING or (self.state is State.OPEN and self._outstanding)

    @property
    def wake_ns(self) -> int:
        """When `wake` has to be called next."""
        if self._waits_for_peer:
            return self._silent_since_ns + self._timeout_ns
        return self._due_ns

    def wake(self, now_ns: int) -> list[Action]:
        """The time `wake_ns` has come."""
        if now_ns < self.wake_ns:
            return []
        if self._waits_for_peer:
            self._record(now_ns, "connect-timeout" if self.state is State.CONNECTING else "timeout")
            return [Action.RESET, *self._connect(now_ns)]
        if not self._outstanding:
            self.request += 1
            self._outstanding = True
        self._advance(now_ns)
        return self._send(now_ns) if self.state is State.OPEN else self._connect(now_ns)

    def connected(self, now_ns: int) -> list[Action]:
        """The connection stands."""
        self.state = State.OPEN
        return self._send(now_ns) if self._outstanding else []

    def heard(self, now_ns: int) -> None:
        """Some bytes came: the connection is not silent."""
        self._silent_since_ns = now_ns

    def responded(self, now_ns: int, host: str, status: int) -> None:
        """The outstanding request's response is complete."""
        self._record(now_ns, "ok" if status == 200 else f"status-{status}", host)
        self._outstanding, self._sent_ns, self._proven = False, None, True
        self._advance(now_ns)

    def broken(self, now_ns: int, how: Breakage) -> list[Action]:
        """The connection is gone, or never came to stand; its socket is closed already."""
        self._record(now_ns, how)
        self.state = State.CLOSED
        if self._proven and how in ("reset", "closed"):
            return self._connect(now_ns)
        self._advance(now_ns)
        return []

    def finish(self, now_ns: int) -> list[Action]:
        """The end, by the device's own choice."""
        if self._outstanding:
            self._record(now_ns, "unfinished")
        closing = [] if self.state is State.CLOSED else [Action.CLOSE]
        self.state, self._outstanding = State.CLOSED, False
        return closing

    def _connect(self, now_ns: int) -> list[Action]:
        self.state = State.CONNECTING
        self._connection += 1
        self._proven, self._sent_ns, self._silent_since_ns = False, None, now_ns
        return [Action.CONNECT]

    def _send(self, now_ns: int) -> list[Action]:
        self._sent_ns = self._silent_since_ns = now_ns
        return [Action.SEND]

    def _advance(self, now_ns: int) -> None:
        """The next grid point after now."""
        if self._due_ns <= now_ns:
            self._due_ns += ((now_ns - self._due_ns) // self._interval_ns + 1) * self._interval_ns

    def _record(self, now_ns: int, outcome: str, host: str = "") -> None:
        request = self.request if self._outstanding else None
        self.attempts.append(Attempt(request, self._connection, self._sent_ns, now_ns, host, outcome))
