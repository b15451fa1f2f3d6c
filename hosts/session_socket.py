"""The socket under a device's session: carries out what `hosts.session` says, tells it what happens."""

import errno
import socket
import struct
import time
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

from hosts import http1
from hosts.linux import Timer
from hosts.session import Action, Breakage, Session, State
from meclab.errors import PeerError
from meclab.packets import APP_PORT

_READ_BYTES = 65_536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_BREAKAGES: dict[int, Breakage] = {
    errno.ECONNREFUSED: "refused",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",
}


class SessionSocket:
    """Connects, sends and receives without ever waiting."""

    def __init__(self, device: str, server: IPv4Address | IPv6Address, session: Session, port: int = APP_PORT) -> None:
        self.timer = Timer()
        self.socket: socket.socket | None = None
        """The present connection; another object after each reconnect."""
        self._device = device
        self._server = server
        self._port = port
        self._authority = http1.authority(str(server), port)
        self._session = session
        self._responses = http1.ResponseReader()
        self.timer.at(session.wake_ns)

    @property
    def connecting(self) -> bool:
        """Whether writability, and not data, is what to wait for."""
        return self._session.state is State.CONNECTING

    def wake(self) -> None:
        """The timer has expired."""
        self.timer.expirations()
        self._carry_out(self._session.wake(time.monotonic_ns()))

    def ready(self) -> None:
        """The socket has something to say."""
        assert self.socket is not None, "only an existing socket can be ready"
        if self.connecting:
            self._connected(self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            return
        try:
            data = self.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._broken(_BREAKAGES.get(error.errno or 0, "reset"))
            return
        if data:
            self._read(data)
        else:
            self._broken("closed")

    def finish(self) -> None:
        """Closes by the device's own choice."""
        self._carry_out(self._session.finish(time.monotonic_ns()))
        self.timer.stop()

    def _connected(self, error: int) -> None:
        if error:
            self._broken(_BREAKAGES.get(error, "reset"))
        else:
            self._carry_out(self._session.connected(time.monotonic_ns()))

    def _read(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        self._session.heard(now_ns)
        try:
            complete = self._responses.feed(data)
        except PeerError:
            self._broken("garbage")
            return
        for response in complete:
            if not self._session.outstanding:
                self._broken("garbage")
                return
            self._session.responded(now_ns, response.headers.get("mec-host", ""), response.status)
        self.timer.at(self._session.wake_ns)

    def _broken(self, how: Breakage) -> None:
        self._drop()
        self._carry_out(self._session.broken(time.monotonic_ns(), how))

    def _carry_out(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Action.CONNECT:
                    self._connect()
                case Action.SEND:
                    self._send()
                case Action.RESET:
                    self._reset()
                case Action.CLOSE:
                    self._drop()
        self.timer.at(self._session.wake_ns)

    def _connect(self) -> None:
        family = socket.AF_INET if self._server.version == 4 else socket.AF_INET6
        self._responses = http1.ResponseReader()
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        error = self.socket.connect_ex((str(self._server), self._port))
        if error not in (0, errno.EINPROGRESS):
            self._broken(_BREAKAGES.get(error, "unreachable"))

    def _send(self) -> None:
        assert self.socket is not None, "an open session has a socket"
        target = f"/session/{self._device}?n={self._session.request}"
        try:
            self.socket.send(http1.request("GET", target, self._authority))
        except OSError:
            self._broken("reset")

    def _reset(self) -> None:
        if self.socket is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._drop()

    def _drop(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None
