"""Several kept connections to one HTTP server, so that one answer that is slow in coming keeps nobody else waiting."""

import asyncio

from hosts.web import http1
from hosts.web.client import Client


class Connections:
    """Requests to one server, side by side up to a number; further ones wait their turn."""

    def __init__(self, address: str, port: int, timeout_s: float, most: int = 8) -> None:
        """`timeout_s` is for each request, from when it is sent."""
        self._server = address, port, timeout_s
        self._idle: list[Client] = []
        self._turn = asyncio.Semaphore(most)

    async def send(
        self, method: str, target: str, body: bytes | None = None, content_type: str = http1.JSON
    ) -> http1.Response:
        """The response; errors as `Client.send`."""
        async with self._turn:
            client = self._idle.pop() if self._idle else Client(*self._server)
            try:
                return await client.send(method, target, body, content_type)
            finally:
                self._idle.append(client)
