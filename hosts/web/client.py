"""A client of one HTTP server on one kept-alive connection: requests and their answers in order."""

import asyncio
from collections.abc import Mapping, Sequence

from hosts.web import http1
from meclab.errors import PeerError

_READ_BYTES = 65_536


class Client:
    """Requests to one server; connects when it has to."""

    def __init__(self, address: str, port: int, timeout_s: float) -> None:
        self._address = address
        self._port = port
        self._timeout_s = timeout_s
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._responses = http1.ResponseReader()
        self.sent_bytes = self.received_bytes = 0
        """Of HTTP, without what lies under it."""

    @property
    def connected(self) -> bool:
        return self._streams is not None and not self._streams[0].at_eof()

    async def send(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        content_type: str = http1.JSON,
        headers: Mapping[str, str] | None = None,
    ) -> http1.Response:
        """The response to a request that may be repeated safely; errors as `send_all`."""
        (response,) = await self.send_all(method, [(target, body)], content_type, headers)
        return response

    async def send_all(
        self,
        method: str,
        requests: Sequence[tuple[str, bytes | None]],
        content_type: str = http1.JSON,
        headers: Mapping[str, str] | None = None,
    ) -> list[http1.Response]:
        """The responses to requests (target, body) that may be repeated safely, sent without waiting in between
        (RFC 9112 section 9.3.2); fewer where the server closes after one.

        A kept connection that turns out to be closed is replaced once. Raises `OSError`, `TimeoutError` or
        `PeerError`; the connection is closed then.
        """
        host = http1.authority(self._address, self._port)
        packed = [http1.request(method, target, host, body, content_type, headers) for target, body in requests]
        kept = self.connected
        try:
            async with asyncio.timeout(self._timeout_s):
                try:
                    return await self._exchange(packed)
                except (EOFError, ConnectionError):
                    self.close()
                    if not kept:
                        raise
                    return await self._exchange(packed)
        except EOFError as error:
            raise PeerError(f"{self._address} closed the connection without an answer") from error
        except BaseException:
            self.close()
            raise

    async def _exchange(self, packed: Sequence[bytes]) -> list[http1.Response]:
        if not self.connected:
            self.close()
            self._streams = await self._open()
            self._responses = http1.ResponseReader()
        assert self._streams is not None, "just connected"
        reader, writer = self._streams
        data = b"".join(packed)
        writer.write(data)
        self.sent_bytes += len(data)
        complete: list[http1.Response] = []
        while len(complete) < len(packed):
            data = await reader.read(_READ_BYTES)
            if not data:
                raise EOFError
            self.received_bytes += len(data)
            complete += self._responses.feed(data)
            if complete and not complete[-1].keeps_alive:
                self.close()
                break
        return complete

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._address, self._port)

    def close(self) -> None:
        """Closes the connection; the next request opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
