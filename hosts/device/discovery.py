"""How a client finds its server: one interface, and the client that knows its server from the start.

The client asks before every connection (`find`) and is told at once or later (`found`, `unfound`). A discovery that
learns of another server in between tells its client (`moved`), where that is to change at once. Times are
CLOCK_MONOTONIC in ns.
"""

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from hosts.device.cache import Address, Flush
from hosts.device.servers import Server
from hosts.device.stub import Then

Resolve = Callable[[str, Then], None]
"""Looks a name up, as `hosts.device.resolver.Resolver.resolve`."""


class Client(Protocol):
    """Whom a discovery tells."""

    def found(self, server: Server) -> None:
        """Here is the server that was asked for."""

    def unfound(self) -> None:
        """It could not be found out."""

    def moved(self, server: Server) -> None:
        """Another server is to be used at once."""


class Alarm(Protocol):
    """Has `Discovery.wake` called at a time."""

    def at(self, when_ns: int) -> None: ...

    def stop(self) -> None: ...


class Redirection(Enum):
    """What a client does about a redirect."""

    FOLLOW = "follow"
    """Closes the connection and asks `find` again."""
    BEGIN_ANEW = "begin anew"
    """Closes it and asks later: too many, or nowhere to go."""
    IGNORE = "ignore"
    """Takes it for an answer like any other."""


class Discovery:
    """How one client finds its server; each kind answers `find`, and of the rest what concerns it."""

    target: str | None = None
    """What a redirect said to ask for; none where the request's own target holds."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def find(self, now_ns: int) -> None:
        """A server is wanted, for a new connection or, at the start, to be known."""
        raise NotImplementedError

    def redirected(self, status: int, uri: str, base: str, came_ns: int) -> Redirection:
        """The server answered the request for `base` with a redirect to `uri`, which came at `came_ns` of
        CLOCK_REALTIME."""
        return Redirection.IGNORE

    def answered(self) -> None:
        """The server answered, and not with a redirect."""

    def failed(self) -> None:
        """The connection to the server broke, or never stood."""

    def dropped(self, which: Flush, now_ns: int) -> None:
        """The stub has dropped answers because the network told it to."""

    def renumbered(self, address: Address, now_ns: int) -> None:
        """The device has lost an address, and has another one by now."""

    def finish(self, then: Callable[[], None]) -> None:
        """The end; calls `then` when it is over."""
        then()

    def wake(self, now_ns: int) -> None:
        """The time that was set by its alarm has come."""


class Known(Discovery):
    """A server that is known from the start and stays."""

    def __init__(self, client: Client, server: Server) -> None:
        super().__init__(client)
        self._server = server

    def find(self, now_ns: int) -> None:
        self.client.found(self._server)
