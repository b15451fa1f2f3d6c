"""The DNS server's sockets, on the running event loop: one of each kind for each address, so that every answer
comes from the address asked."""

import asyncio
from collections.abc import Sequence
from typing import Final

from hosts.naming.answers import Answers
from hosts.naming.datagrams import Datagrams, SocketAddress, bound
from hosts.naming.forwarding import Forwarder
from hosts.naming.images import Images
from hosts.naming.streams import IDLE_S, Streams
from hosts.web import serving

_RECEIVE_BYTES: Final = 4 << 20
"""Asked of the kernel for each socket, which gives what `net.core.rmem_max` allows: bursts wait there."""
_BACKLOG: Final = 1_024
"""Connections that wait to be accepted."""


class Server:
    """Answers over UDP and TCP."""

    def __init__(
        self,
        answers: Answers,
        addresses: Sequence[str],
        port: int,
        forwarder: Forwarder | None = None,
        idle_s: float = IDLE_S,
    ) -> None:
        """Binds; raises `OSError`. From then on questions wait in the sockets until `run`."""
        self._forwarder = forwarder
        self._images = Images(answers)
        self._images_tcp = Images(answers, over_udp=False)
        self._streams = Streams(self._images_tcp.answer, self._relay_stream if forwarder else None, idle_s)
        self._listeners = serving.listen(port, addresses)
        forward = self._relay_datagram if forwarder else None
        sockets = [bound(address, port, _RECEIVE_BYTES) for address in addresses]
        self._datagrams = [Datagrams(sock, self._images.answer, forward) for sock in sockets]
        self._relayed: set[asyncio.Task[None]] = set()

    def counters(self) -> dict[str, int]:
        """What it has done, by way of answering."""
        forwarder, images = self._forwarder, (self._images, self._images_tcp)
        return {
            "image": sum(one.hits for one in images),
            "template": sum(one.made for one in images),
            "dnslib": sum(one.slow for one in images),
            "unsent": sum(datagrams.unsent for datagrams in self._datagrams),
            "connections": self._streams.opened,
            "forwarded": forwarder.forwarded if forwarder else 0,
            "servfail": forwarder.failed if forwarder else 0,
        }

    async def run(self) -> None:
        """Answers until it is cancelled."""
        loop = asyncio.get_running_loop()
        servers = [
            await loop.create_server(self._streams.accept, sock=listener, backlog=_BACKLOG)
            for listener in self._listeners
        ]
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

    def _relay_datagram(self, query: bytes, datagrams: Datagrams, to: SocketAddress) -> None:
        task = asyncio.get_running_loop().create_task(self._relay(query, datagrams, to))
        self._relayed.add(task)
        task.add_done_callback(self._relayed.discard)

    async def _relay(self, query: bytes, datagrams: Datagrams, to: SocketAddress) -> None:
        assert self._forwarder, "asked only where there is one"
        datagrams.send(await self._forwarder.ask(query), to)

    async def _relay_stream(self, query: bytes, _: bytes) -> bytes:
        assert self._forwarder, "asked only where there is one"
        return await self._forwarder.ask(query, over_tcp=True)
