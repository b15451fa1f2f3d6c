"""The device's TCP session as a state machine without sockets: events and times in, actions out.

The session sends a request at every point of a fixed grid of times, on one kept-alive connection, with at most
one request outstanding; grid points that pass while one is outstanding are left out. A request that a broken
connection swallowed is repeated on the next. Before every connection it asks where its server is
(`hosts.device.discovery`).

| what happens | what it does |
|---|---|
| the device has lost its own address | connects again at once |
| peer resets or closes | connects again at once; at the next grid point if that connection never carried a response |
| connection refused, no route, no server found | connects again at the next grid point |
| silence for the timeout, with a request or a connect outstanding | gives up with a reset, connects again at once |
| the connection reaches its lifetime | closes it, after the response where one is outstanding; connects again at once |
| another server is to be used at once | closes, connects to that one, repeats the outstanding request there |
| the server redirects | closes, connects to where it is sent, repeats the request there |
| it redirects once too often, or nowhere | closes, connects again at the next grid point |

Times are CLOCK_MONOTONIC in ns.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

Breakage = Literal["reset", "closed", "refused", "unreachable", "garbage", "tls", "renumbered"]


class Action(Enum):
    """What the owner of the socket has to do."""

    FIND = "find"
    """Ask where the server is; `found` or `unfound` answers, perhaps at once. Always the last action."""
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
    FINDING = "finding"
    """Waits to be told where its server is."""
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
    """`ok`, a breakage, `timeout`, `connect-timeout`, `status-503`, `unfinished`; by the client's own choice
    `expired` (lifetime) and `moved` (to another server)."""


class Session:
    """One device's session."""

    def __init__(self, interval_ns: int, timeout_ns: int, start_ns: int = 0, lifetime_ns: int | None = None) -> None:
        self.state = State.CLOSED
        self.request = 0
        """Number of the last request begun."""
        self.attempts: list[Attempt] = []
        """Finished ones; the owner takes them away."""
        self._interval_ns = interval_ns
        self._timeout_ns = timeout_ns
        self._lifetime_ns = lifetime_ns
        self._due_ns = start_ns
        self._outstanding = False
        self._sent_ns: int | None = None
        self._silent_since_ns = start_ns
        self._opened_ns = start_ns
        self._connection = 0
        self._proven = False
        """Whether the connection has carried a response."""

    def begin(self, start_ns: int) -> None:
        """Moves the grid, before the first request."""
        self._due_ns = start_ns

    @property
    def outstanding(self) -> bool:
        """Whether a request waits for its response, or for a connection."""
        return self._outstanding

    @property
    def _waits_for_peer(self) -> bool:
        return self.state is State.CONNECTING or (self.state is State.OPEN and self._outstanding)

    @property
    def _expires_ns(self) -> int | None:
        """When the open connection has reached its lifetime."""
        if self.state is not State.OPEN or self._lifetime_ns is None:
            return None
        return self._opened_ns + self._lifetime_ns

    @property
    def wake_ns(self) -> int | None:
        """When `wake` has to be called next; none while it waits for its server."""
        if self.state is State.FINDING:
            return None
        if self._waits_for_peer:
            return self._silent_since_ns + self._timeout_ns
        return self._due_ns if self._expires_ns is None else min(self._due_ns, self._expires_ns)

    def wake(self, now_ns: int) -> list[Action]:
        """The time `wake_ns` has come."""
        if self.wake_ns is None or now_ns < self.wake_ns:
            return []
        if self._waits_for_peer:
            self._record(now_ns, "connect-timeout" if self.state is State.CONNECTING else "timeout")
            return [Action.RESET, self._find()]
        if self._has_expired(now_ns):
            return self._expire(now_ns)
        if not self._outstanding:
            self.request += 1
            self._outstanding = True
        self._advance(now_ns)
        return self._send(now_ns) if self.state is State.OPEN else [self._find()]

    def found(self, now_ns: int) -> list[Action]:
        """It is known where the server is."""
        return self._connect(now_ns) if self.state is State.FINDING else []

    def unfound(self, now_ns: int) -> None:
        """It could not be found out."""
        if self.state is State.FINDING:
            self.state = State.CLOSED
            self._advance(now_ns)

    def moved(self, now_ns: int) -> list[Action]:
        """Another server is to be used at once."""
        if self.state is State.FINDING:
            return self._connect(now_ns)
        if self.state is State.CLOSED:
            return []
        self._record(now_ns, "moved")
        return [Action.CLOSE, *self._connect(now_ns)]

    def connected(self, now_ns: int) -> list[Action]:
        """The connection stands."""
        self.state, self._opened_ns = State.OPEN, now_ns
        return self._send(now_ns) if self._outstanding else []

    def heard(self, now_ns: int) -> None:
        """Some bytes came: the connection is not silent."""
        self._silent_since_ns = now_ns

    def responded(self, now_ns: int, host: str, status: int) -> list[Action]:
        """The outstanding request's response is complete."""
        self._record(now_ns, "ok" if status == 200 else f"status-{status}", host)
        self._outstanding, self._sent_ns, self._proven = False, None, True
        self._advance(now_ns)
        return self._expire(now_ns) if self._has_expired(now_ns) else []

    def redirected(self, now_ns: int, host: str, status: int, follow: bool) -> list[Action]:
        """The outstanding request's response sends the client elsewhere; whether it goes there, or begins anew at
        the next grid point."""
        self._record(now_ns, f"status-{status}", host)
        if follow:
            return [Action.CLOSE, self._find()]
        self.state, self._sent_ns = State.CLOSED, None
        self._advance(now_ns)
        return [Action.CLOSE]

    def broken(self, now_ns: int, how: Breakage) -> list[Action]:
        """The connection is gone, or never came to stand; its socket is closed already."""
        self._record(now_ns, how)
        self.state, self._sent_ns = State.CLOSED, None
        if how == "renumbered" or (self._proven and how in ("reset", "closed")):
            return [self._find()]
        self._advance(now_ns)
        return []

    def finish(self, now_ns: int) -> list[Action]:
        """The end, by the device's own choice."""
        if self._outstanding:
            self._record(now_ns, "unfinished")
        closing = [Action.CLOSE] if self.state in (State.CONNECTING, State.OPEN) else []
        self.state, self._outstanding = State.CLOSED, False
        return closing

    def _has_expired(self, now_ns: int) -> bool:
        return self._expires_ns is not None and now_ns >= self._expires_ns

    def _expire(self, now_ns: int) -> list[Action]:
        self._record(now_ns, "expired")
        return [Action.CLOSE, self._find()]

    def _find(self) -> Action:
        self.state, self._sent_ns = State.FINDING, None
        return Action.FIND

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
