"""The sockets under the device's stub resolver: one of its own, with a random port, for each question."""

import contextlib
import errno
import os
import random
import socket
import time
from collections.abc import Sequence
from ipaddress import ip_address

from hosts.device.cache import Address, Flush
from hosts.device.lookup import Lookup, Step
from hosts.device.loop import Alarm, Loop
from hosts.device.stub import Note, Order, Stub, Then
from hosts.system import arrival
from meclab import settings
from meclab.packets import DNS_PORT

_LARGEST_DATAGRAM = 65_536
_LENGTH_BYTES = 2


class Resolver:
    """Looks names up without ever waiting."""

    def __init__(
        self,
        loop: Loop,
        limits: settings.Stub,
        stretches: bool,
        resolver: Address | None,
        note: Note,
        port: int = DNS_PORT,
    ) -> None:
        self._stub = Stub(limits, stretches, resolver, random.SystemRandom(), note)
        self._loop = loop
        self._port = port
        self._alarm = Alarm(loop, self._wake)
        self._exchanges: dict[Lookup, _Exchange] = {}

    def resolve(self, name: str, then: Then) -> None:
        """Calls `then` with what the name comes to: before it returns where the cache knows."""
        self.carry_out(self._stub.resolve(name, time.monotonic_ns(), then))

    def hand(self, resolver: Address) -> bool:
        """The network hands the device a resolver; whether it is another than before."""
        return self._stub.hand(resolver)

    def flush(self, which: Flush) -> None:
        """Drops answers."""
        self.carry_out(self._stub.flush(which, time.monotonic_ns()))

    def lost(self, address: Address) -> None:
        """The device has lost an address of its own: what was asked from it has its next try from another."""
        for lookup, exchange in list(self._exchanges.items()):
            if exchange.asks_from(address):
                exchange.close()
                self.refused(lookup, OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL)))

    def close(self) -> None:
        """Gives up what is on its way."""
        self._alarm.stop()
        for exchange in self._exchanges.values():
            exchange.close()
        self._exchanges.clear()

    def received(self, lookup: Lookup, sender: Address, payload: bytes, came_ns: int) -> None:
        """Something came to a lookup's socket, at `came_ns` of CLOCK_REALTIME."""
        self.carry_out(self._stub.received(lookup, sender, payload, time.monotonic_ns(), came_ns))

    def refused(self, lookup: Lookup, error: OSError) -> None:
        """A lookup's packet or connection was refused."""
        why = os.strerror(error.errno) if error.errno else str(error)
        self.carry_out(self._stub.refused(lookup, why, time.monotonic_ns()))

    def carry_out(self, orders: Sequence[Order]) -> None:
        """Does what the stub says."""
        for step, lookup in orders:
            if step is Step.DONE:
                if (done := self._exchanges.pop(lookup, None)) is not None:
                    done.close()
                continue
            if lookup not in self._exchanges:
                self._exchanges[lookup] = _Exchange(self, self._loop, lookup, self._port)
            exchange = self._exchanges[lookup]
            try:
                exchange.stream() if step is Step.STREAM else exchange.send()
            except OSError as error:
                self.refused(lookup, error)
        wake_ns = self._stub.wake_ns
        self._alarm.stop() if wake_ns is None else self._alarm.at(wake_ns)

    def _wake(self) -> None:
        self.carry_out(self._stub.wake(time.monotonic_ns()))


class _Exchange:
    """The sockets of one lookup."""

    def __init__(self, owner: Resolver, loop: Loop, lookup: Lookup, port: int) -> None:
        self._owner = owner
        self._loop = loop
        self._lookup = lookup
        self._port = port
        self._datagrams: socket.socket | None = None
        self._asked: Address | None = None
        self._stream: socket.socket | None = None
        self._read = b""

    def send(self) -> None:
        """A try by UDP. The kernel passes on only what comes from the resolver that the socket is connected to, and
        tells of ICMP errors."""
        self._close_stream()
        server = self._lookup.server
        assert server is not None, "a lookup that sends has a server"
        if self._datagrams is None:
            self._datagrams = socket.socket(_family(server), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            arrival.stamp(self._datagrams)
            self._loop.watch(self._datagrams, self._datagram)
        if server != self._asked:
            self._datagrams.connect((str(server), self._port))
            self._asked = server
        with contextlib.suppress(BlockingIOError):  # a full queue: lost like a packet on the way
            self._datagrams.send(self._lookup.query)

    def stream(self) -> None:
        """A try by TCP."""
        server = self._lookup.server
        assert server is not None, "a lookup that sends has a server"
        self._stream = socket.socket(_family(server), socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        arrival.stamp(self._stream)
        self._read = b""
        self._loop.watch(self._stream, self._connected, writing=True)
        status = self._stream.connect_ex((str(server), self._port))
        if status not in (0, errno.EINPROGRESS):
            raise OSError(status, os.strerror(status))

    def asks_from(self, address: Address) -> bool:
        """Whether one of its sockets has this address of the device's."""
        sockets = [one for one in (self._datagrams, self._stream) if one is not None]
        return any(ip_address(one.getsockname()[0]) == address for one in sockets)

    def close(self) -> None:
        self._close_stream()
        if self._datagrams is not None:
            self._loop.forget(self._datagrams)
            self._datagrams.close()
            self._datagrams = self._asked = None

    def _datagram(self) -> None:
        assert self._datagrams is not None, "an open socket is ready"
        try:
            came = arrival.receive(self._datagrams, _LARGEST_DATAGRAM)
        except BlockingIOError:
            return
        except OSError as error:
            self._owner.refused(self._lookup, error)
            return
        self._owner.received(self._lookup, ip_address(came.sender[0]), came.data, came.at_ns)

    def _connected(self) -> None:
        assert self._stream is not None, "an open socket is ready"
        if status := self._stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._owner.refused(self._lookup, OSError(status, os.strerror(status)))
            return
        self._loop.watch(self._stream, self._readable)
        query = self._lookup.query
        try:
            self._stream.send(len(query).to_bytes(_LENGTH_BYTES) + query)
        except OSError as error:
            self._owner.refused(self._lookup, error)

    def _readable(self) -> None:
        """Messages over TCP come after their length (RFC 1035 section 4.2.2)."""
        assert self._stream is not None and self._lookup.server is not None, "an open socket is ready"
        try:
            came = arrival.receive(self._stream, _LARGEST_DATAGRAM)
        except BlockingIOError:
            return
        except OSError as error:
            self._owner.refused(self._lookup, error)
            return
        if not came.data:
            self._owner.refused(self._lookup, ConnectionResetError(errno.ECONNRESET, "closed"))
            return
        self._read += came.data
        end = _LENGTH_BYTES + int.from_bytes(self._read[:_LENGTH_BYTES])
        if len(self._read) >= max(end, _LENGTH_BYTES):
            payload, self._read = self._read[_LENGTH_BYTES:end], self._read[end:]
            self._owner.received(self._lookup, self._lookup.server, payload, came.at_ns)

    def _close_stream(self) -> None:
        if self._stream is not None:
            self._loop.forget(self._stream)
            self._stream.close()
            self._stream = None


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6
