"""The EASDF's DNS sockets, on the running event loop: one of each kind for each address, so that every answer comes
from the address asked."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from hosts.core5g.resolving import Resolving
from hosts.naming.datagrams import Datagrams, SocketAddress, bound
from hosts.naming.streams import Streams
from hosts.web import serving

_RECEIVE_BYTES: Final = 1 << 20
_MOST_UNDER_WAY: Final = 2_048
"""Queries over UDP under way; further ones are dropped, and come again."""
_Asked = tuple[str, int, bytes]
"""Address, port and query: what a repetition has in common with the first."""


class Frontage:
    """Takes queries over UDP and TCP."""

    def __init__(self, resolving: Resolving, addresses: Sequence[str], port: int) -> None:
        """Binds; raises `OSError`. From then on queries wait in the sockets until `run`."""
        self._resolving = resolving
        self._listeners = serving.listen(port, addresses)
        sockets = [bound(address, port, _RECEIVE_BYTES) for address in addresses]
        self._datagrams = [Datagrams(sock, _later, self._take) for sock in sockets]
        self._streams = Streams(_later, self._over_tcp)
        self._under_way: dict[_Asked, asyncio.Task[None]] = {}
        self.repeated = 0
        """Queries that came again while the first was under way."""

    async def run(self) -> None:
        """Answers until it is cancelled."""
        loop = asyncio.get_running_loop()
        servers = [await loop.create_server(self._streams.accept, sock=listener) for listener in self._listeners]
        for datagrams in self._datagrams:
            loop.add_reader(datagrams.sock.fileno(), datagrams.serve_batch)
        try:
            await loop.create_future()
        finally:
            for datagrams in self._datagrams:
                loop.remove_reader(datagrams.sock.fileno())
                datagrams.sock.close()
            for server in servers:
                server.close()
            self._streams.close()

    def _take(self, query: bytes, datagrams: Datagrams, to: SocketAddress) -> None:
        asked = to[0], to[1], query
        if asked in self._under_way:
            self.repeated += 1
        elif len(self._under_way) < _MOST_UNDER_WAY:
            task = asyncio.get_running_loop().create_task(self._over_udp(query, datagrams, to))
            self._under_way[asked] = task
            task.add_done_callback(lambda _: self._under_way.pop(asked))

    async def _over_udp(self, query: bytes, datagrams: Datagrams, to: SocketAddress) -> None:
        answer = await self._resolving.answer(query, ip_address(to[0].partition("%")[0]), over_udp=True)
        if answer is not None:
            datagrams.send(answer, to)

    async def _over_tcp(self, query: bytes, source: bytes) -> bytes | None:
        return await self._resolving.answer(query, ip_address(source), over_udp=False)


def _later(_query: bytes, _source: bytes) -> bytes:
    """Every query is answered by a task of its own."""
    return b""
