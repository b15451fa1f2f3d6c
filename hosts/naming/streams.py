"""DNS over TCP (RFC 7766): several queries on one connection, answered as they come, until it has been idle."""

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Final, cast

from hosts.naming.datagrams import Answer
from hosts.naming.queries import HEADER_BYTES

IDLE_S: Final = 10.0
"""Time without a whole query or an answer outstanding after which a connection is closed."""
MOST_STREAMS: Final = 256
"""Connections at a time; the one that has been silent longest makes room for another."""
_LENGTH_BYTES = 2
_AT_ONCE = 32
"""Queries answered in one turn of the event loop, so that a connection does not keep datagrams waiting."""
Forward = Callable[[bytes, bytes], Awaitable[bytes | None]]
"""From a query and the packed address that it came from to its answer; None for silence."""


class Streams:
    """The connections of a server."""

    def __init__(self, answer: Answer, forward: Forward | None = None, idle_s: float = IDLE_S) -> None:
        self.answer = answer
        self.forward = forward
        self.idle_s = idle_s
        self.opened = 0
        """Connections ever."""
        self._open: dict[_Stream, None] = {}
        """In the order in which they last had a query."""

    def accept(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return _Stream(self)

    def used(self, stream: "_Stream") -> None:
        """A connection is new, or had a query."""
        if stream not in self._open:
            self.opened += 1
            if len(self._open) >= MOST_STREAMS:
                quietest = next(iter(self._open))
                self.closed(quietest)
                quietest.close()
        self._open.pop(stream, None)
        self._open[stream] = None

    def closed(self, stream: "_Stream") -> None:
        self._open.pop(stream, None)

    def close(self) -> None:
        """Closes every connection."""
        for stream in list(self._open):
            stream.close()


class _Stream(asyncio.Protocol):
    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._received = bytearray()
        self._source = b""
        self._forwarded: set[asyncio.Task[None]] = set()
        self._ended = False
        """Whether the client has sent its last."""
        self._later: asyncio.Handle | None = None
        self._blocked = False
        """Whether the client does not take its answers: it gets no more, and what it sends waits."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._source = _packed(peer[0]) if peer else bytes(4)  # none where the client is gone already
        self._loop = asyncio.get_running_loop()
        self._streams.used(self)
        self._idle = self._loop.call_later(self._streams.idle_s, self._idled)

    def connection_lost(self, _: Exception | None) -> None:
        self._idle.cancel()
        if self._later:
            self._later.cancel()
        for task in self._forwarded:
            task.cancel()
        self._streams.closed(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._later is None:
            self._serve()

    def eof_received(self) -> bool:
        """The connection stays open as long as answers are outstanding."""
        self._ended = True
        return self._later is not None or self._blocked or bool(self._forwarded)

    def pause_writing(self) -> None:
        self._blocked = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._blocked = False
        if self._later is None:
            self._serve()

    def close(self) -> None:
        """Ends the connection when its answers are out, at once where the client does not take them."""
        if self._blocked:
            self._transport.abort()
        else:
            self._transport.close()

    def _serve(self) -> None:
        """Answers what has come; nothing more is read before that is done."""
        self._later = None
        for _ in range(_AT_ONCE):
            query = None if self._blocked else self._next()
            if query is None:
                break
            if not self._answer(query):
                self._transport.close()
                return
        else:
            self._transport.pause_reading()
            self._later = self._loop.call_soon(self._serve)
            return
        if not self._blocked:
            self._transport.resume_reading()
            self._close_when_done()

    def _next(self) -> bytes | None:
        length = int.from_bytes(self._received[:_LENGTH_BYTES], "big")
        if len(self._received) < _LENGTH_BYTES + length or len(self._received) < _LENGTH_BYTES:
            return None
        query = bytes(self._received[_LENGTH_BYTES : _LENGTH_BYTES + length])
        del self._received[: _LENGTH_BYTES + length]
        return query

    def _answer(self, query: bytes) -> bool:
        """Answers a query; false if it is none, after which nothing on the connection can be trusted."""
        self._awake()
        answer = self._streams.answer(query, self._source)
        if answer:
            self._write(answer)
        elif answer is not None and self._streams.forward:
            task = self._loop.create_task(self._forward(self._streams.forward(query, self._source)))
            self._forwarded.add(task)
            task.add_done_callback(self._forwarded.discard)
        return answer is not None or len(query) >= HEADER_BYTES

    async def _forward(self, asked: Awaitable[bytes | None]) -> None:
        if (answer := await asked) is not None:
            self._write(answer)
        self._awake()
        self._loop.call_soon(self._close_when_done)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(len(answer).to_bytes(_LENGTH_BYTES, "big") + answer)

    def _awake(self) -> None:
        self._streams.used(self)
        self._idle.cancel()
        self._idle = self._loop.call_later(self._streams.idle_s, self._idled)

    def _idled(self) -> None:
        if self._forwarded:
            self._awake()
        else:
            self.close()

    def _close_when_done(self) -> None:
        if self._ended and not self._forwarded and not self._blocked and self._later is None:
            self._transport.close()


def _packed(address: str) -> bytes:
    return ip_address(address.partition("%")[0]).packed
