"""HTTP servers of the hosts' programs: Starlette applications on uvicorn, one segment for each response."""

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import httptools  # noqa: F401  imported here, before the fork, because uvicorn imports it late
import uvicorn
import uvloop
from pydantic import ValidationError
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_BACKLOG = 1024
_KEEP_ALIVE_S = 3600
_SHUTDOWN_S = 1
Task = Callable[[], Coroutine[Any, Any, None]]


class _Corked:
    """A transport that sends what is written within one turn of the event loop at once.

    uvicorn writes a response's head and body separately; with TCP_NODELAY each would be a segment of its own.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._waiting:
            self._transport.write(b"".join(self._waiting))
            self._waiting.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _OneSegment(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, _Corked(transport)))


PEER: Final = "meclab.peer"
"""In the extensions of a scope: the connection's `ssl.SSLObject`, which knows the client's certificate."""


class _Identified(_OneSegment):
    """Hands the application the client's side of TLS, which uvicorn keeps to itself."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._peer = transport.get_extra_info("ssl_object")
        super().connection_made(transport)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {PEER: {"tls": self._peer}}


@dataclass(frozen=True)
class Site:
    """An application, and the listening sockets where it is served."""

    application: ASGIApp
    sockets: list[socket.socket]
    tls: ssl.SSLContext | None = None


class _Server(uvicorn.Server):
    """Says when it serves; signals are not its business."""

    def __init__(self, config: uvicorn.Config, serves: Callable[[], None]) -> None:
        super().__init__(config)
        self._serves = serves

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._serves()


def complaints(error: ValidationError) -> list[str]:
    """What is wrong with a body, a line each: `load: Value error, a share from 0 to 1`."""
    return [": ".join([".".join(str(step) for step in one["loc"]) or "body", one["msg"]]) for one in error.errors()]


def listen(port: int, addresses: Sequence[str] = ("0.0.0.0", "::")) -> list[socket.socket]:
    """Listening sockets, one an address; `::` takes IPv6 alone. Raises `OSError`."""
    sockets = []
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
        sockets.append(listener)
    return sockets


def serve(
    application: ASGIApp, sockets: list[socket.socket], ready: Callable[[], None], tasks: Sequence[Task] = ()
) -> int:
    """Serves until SIGTERM, `tasks` running beside; a task that fails ends the program. The exit status."""
    return serve_all([Site(application, sockets)], ready, tasks)


def serve_all(sites: Sequence[Site], ready: Callable[[], None], tasks: Sequence[Task] = ()) -> int:
    """Serves several sites as `serve` does one; `ready` is called once all of them are served."""
    uvloop.run(_run(sites, ready, tasks))
    return 0


async def _run(sites: Sequence[Site], ready: Callable[[], None], tasks: Sequence[Task]) -> None:
    unserved = len(sites)

    def serves() -> None:
        nonlocal unserved
        unserved -= 1
        if not unserved:
            ready()

    servers = [_Server(_config(site), serves) for site in sites]

    def end(*_: object) -> None:
        for server in servers:
            server.should_exit = True

    signal.signal(signal.SIGTERM, end)  # stays when the loop has ended: a second SIGTERM does not cut the end short
    async with asyncio.TaskGroup() as group:
        beside = [group.create_task(task()) for task in tasks]
        await asyncio.gather(*(server.serve(site.sockets) for server, site in zip(servers, sites, strict=True)))
        for task in beside:
            task.cancel()


def _config(site: Site) -> uvicorn.Config:
    tls = site.tls
    return uvicorn.Config(
        site.application,
        http=_OneSegment if tls is None or tls.verify_mode == ssl.CERT_NONE else _Identified,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_SHUTDOWN_S,
        ssl_context_factory=None if tls is None else lambda *_: tls,
    )
