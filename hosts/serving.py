"""HTTP servers of the hosts' programs: Starlette applications on uvicorn, one segment for each response."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, cast

import httptools  # noqa: F401  imported here, before the fork, because uvicorn imports it late
import uvicorn
import uvloop
from pydantic import ValidationError
from starlette.applications import Starlette
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


class _Server(uvicorn.Server):
    """Says when it serves, and runs the program's own tasks beside."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], tasks: Sequence[Task]) -> None:
        super().__init__(config)
        self._ready = ready
        self._tasks = tasks

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM is a clean end and not, as in uvicorn, raised again after it."""
        signal.signal(signal.SIGTERM, self.handle_exit)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def run_all(self, sockets: list[socket.socket]) -> None:
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(task()) for task in self._tasks]
            await self.serve(sockets)
            for task in beside:
                task.cancel()


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
    application: Starlette, sockets: list[socket.socket], ready: Callable[[], None], tasks: Sequence[Task] = ()
) -> int:
    """Serves until SIGTERM, `tasks` running beside; a task that fails ends the program. The exit status."""
    config = uvicorn.Config(
        application,
        http=_OneSegment,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_SHUTDOWN_S,
    )
    server = _Server(config, ready, tasks)
    uvloop.run(server.run_all(sockets))
    return 0
