"""The socket under a device's session: carries out what `hosts.device.session` says, tells it what happens."""

import contextlib
import errno
import logging
import socket
import struct
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from hosts.device.cache import Address
from hosts.device.discovery import Discovery, Redirection
from hosts.device.loop import Alarm, Loop
from hosts.device.parting import Parting
from hosts.device.servers import Server
from hosts.device.session import Action, Breakage, Session, State
from hosts.device.stub import Note
from hosts.device.tls import Channel, TlsClient
from hosts.system import arrival
from hosts.web import http1
from meclab.errors import PeerError

log = logging.getLogger(__name__)
_READ_BYTES = 65_536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_TCP_REPAIR = 19
"""Of linux/tcp.h: a socket that is closed with it set sends nothing."""
_BREAKAGES: dict[int, Breakage] = {
    errno.ECONNREFUSED: "refused",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",
    errno.ETIMEDOUT: "unreachable",
}


class Connection:
    """Connects, sends and receives without ever waiting; the client that a discovery tells."""

    def __init__(
        self,
        loop: Loop,
        device: str,
        session: Session,
        note: Note,
        connects: Callable[[Server], None],
        tls: TlsClient | None = None,
    ) -> None:
        """`connects` is told each server that the client decides to connect to."""
        self.server: Server | None = None
        """Where the client's next connection goes, as far as it knows."""
        self.discovery: Discovery
        self._loop = loop
        self._device = device
        self._session = session
        self._note = note
        self._connects = connects
        self._tls = tls
        self._alarm = Alarm(loop, self._wake)
        self._parting = Parting(loop)
        self._socket: socket.socket | None = None
        self._to: Server | None = None
        """The present connection's."""
        self._channel: Channel | None = None
        self._responses = http1.ResponseReader()
        self._begun = False
        self._heard_ns = 0
        """When the bytes that are being taken in were read."""
        self._came_ns = 0
        """When they came, of CLOCK_REALTIME."""
        self._complaint = ""

    def begin(self, start_ns: int) -> None:
        """The first request is sent at this time."""
        self._session.begin(start_ns)
        self._begun = True
        self._set_alarm()

    def finish(self) -> None:
        """Closes by the device's own choice."""
        self._carry_out(self._session.finish(time.monotonic_ns()))
        self._alarm.stop()
        self._parting.close()

    def found(self, server: Server) -> None:
        self.server = server
        self._carry_out(self._session.found(time.monotonic_ns()))

    def unfound(self) -> None:
        self._session.unfound(time.monotonic_ns())
        self._set_alarm()

    def moved(self, server: Server) -> None:
        self.server = server
        self._carry_out(self._session.moved(time.monotonic_ns()))

    def lost(self, address: Address) -> None:
        """The device has lost an address of its own: a connection from it is over, and its server hears nothing."""
        if self._socket is None or ip_address(self._socket.getsockname()[0]) != address:
            return
        with contextlib.suppress(PermissionError):  # then a FIN is tried, and goes nowhere
            self._socket.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
        self._broken("renumbered")

    def _wake(self) -> None:
        actions = self._session.wake(time.monotonic_ns())
        if Action.RESET in actions:
            self.discovery.failed()
        self._carry_out(actions)

    def _set_alarm(self) -> None:
        wake_ns = self._session.wake_ns
        self._alarm.at(wake_ns) if self._begun and wake_ns is not None else self._alarm.stop()

    def _carry_out(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Action.FIND:
                    self.discovery.find(time.monotonic_ns())
                case Action.CONNECT:
                    self._connect()
                case Action.SEND:
                    self._send()
                case Action.RESET:
                    self._reset()
                case Action.CLOSE:
                    self._close()
        self._set_alarm()

    def _connect(self) -> None:
        server = self.server
        assert server is not None, "found before it connects"
        self._to = server
        self._connects(server)
        self._responses = http1.ResponseReader()
        family = socket.AF_INET if server.address.version == 4 else socket.AF_INET6
        self._socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        arrival.stamp(self._socket)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.watch(self._socket, self._stands, writing=True)
        error = self._socket.connect_ex((str(server.address), server.port))
        if error not in (0, errno.EINPROGRESS):
            self._broken(_BREAKAGES.get(error, "unreachable"))

    def _stands(self) -> None:
        """The TCP connection stands, or will not."""
        assert self._socket is not None and self._to is not None, "an open socket is ready"
        if error := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._broken(_BREAKAGES.get(error, "reset"))
            return
        self._loop.watch(self._socket, self._readable)
        if self._tls is None:
            self._connected("TCP")
            return
        self._channel = self._tls.channel(self._to.name)
        self._take(b"")

    def _connected(self, how: str) -> None:
        server = str(self._to)
        self._carry_out(self._session.connected(time.monotonic_ns()))
        self._note("connected", server, how)

    def _readable(self) -> None:
        assert self._socket is not None, "an open socket is ready"
        try:
            came = arrival.receive(self._socket, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._broken(_BREAKAGES.get(error.errno or 0, "reset"))
            return
        if came.data:
            self._came_ns = came.at_ns
            self._take(came.data)
        else:
            self._broken("closed")

    def _take(self, data: bytes) -> None:
        """Bytes of the wire: through TLS, where the session has it, to the responses in them."""
        self._heard_ns = time.monotonic_ns()
        self._session.heard(self._heard_ns)
        if (channel := self._channel) is None:
            self._read(data)
            return
        handshaking = not channel.established
        try:
            plain, closed = channel.feed(data)
        except PeerError as error:
            self._complain(str(error))
            self._transmit(channel.outgoing())  # the alert
            self._broken("tls")
            return
        self._transmit(channel.outgoing())
        if handshaking and channel.established:
            self._connected("TLS resumed" if channel.resumed else "TLS full")
        if plain and self._channel is channel:
            self._read(plain)
        if closed and self._channel is channel:
            self._broken("closed")

    def _read(self, data: bytes) -> None:
        try:
            complete = self._responses.feed(data)
        except PeerError:
            self._broken("garbage")
            return
        if not complete:
            self._set_alarm()
        elif len(complete) > 1 or self._session.state is not State.OPEN or not self._session.outstanding:
            self._broken("garbage")
        else:
            self._respond(complete[0])

    def _respond(self, response: http1.Response) -> None:
        host = response.headers.get("mec-host", "")
        redirection = Redirection.IGNORE
        if "location" in response.headers:
            where = response.headers["location"], self._uri()
            redirection = self.discovery.redirected(response.status, *where, self._came_ns)
        if redirection is Redirection.IGNORE:
            self.discovery.answered()
            self._carry_out(self._session.responded(self._heard_ns, host, response.status))
        else:
            follow = redirection is Redirection.FOLLOW
            self._carry_out(self._session.redirected(self._heard_ns, host, response.status, follow))

    @property
    def _target(self) -> str:
        return self.discovery.target or f"/session/{self._device}?n={self._session.request}"

    def _uri(self) -> str:
        """What the outstanding request asks for."""
        assert self._to is not None, "a request goes to a server"
        return f"{'https' if self._tls else 'http'}://{self._to.authority}{self._target}"

    def _send(self) -> None:
        assert self._to is not None, "an open session has a server"
        request = http1.request("GET", self._target, self._to.authority)
        if self._channel is None:
            sent = self._transmit(request)
        else:
            self._channel.seal(request)
            sent = self._transmit(self._channel.outgoing())
        if not sent:
            self._broken("reset")

    def _transmit(self, data: bytes) -> bool:
        assert self._socket is not None, "an open session has a socket"
        try:
            if data:
                self._socket.send(data)
        except OSError:
            return False
        return True

    def _broken(self, how: Breakage) -> None:
        self._drop()
        self.discovery.failed()
        self._carry_out(self._session.broken(time.monotonic_ns(), how))

    def _complain(self, what: str) -> None:
        if what != self._complaint:
            log.error("%s", what)
        self._complaint = what

    def _reset(self) -> None:
        if self._socket is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._drop()

    def _close(self) -> None:
        """By the client's own choice."""
        if self._socket is None:
            return
        if self._channel is not None and self._channel.established:
            self._channel.close()
            self._transmit(self._channel.outgoing())
        leaving = self._release()
        assert leaving is not None, "seen above"
        self._parting.leave(leaving)

    def _drop(self) -> None:
        if (gone := self._release()) is not None:
            gone.close()

    def _release(self) -> socket.socket | None:
        """Takes the socket out of the session."""
        if self._tls is not None and self._channel is not None:
            self._tls.keep(self._channel)
        if self._socket is not None:
            self._loop.forget(self._socket)
        released, self._socket, self._channel = self._socket, None, None
        return released
