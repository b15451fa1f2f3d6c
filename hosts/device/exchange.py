"""HTTP without waiting: requests of the device one at a time, and the port for its notifications."""

import errno
import os
import socket
import time
from collections.abc import Callable

from hosts.device.cache import Address
from hosts.device.loop import Alarm, Loop
from hosts.system import arrival
from hosts.web import http1
from meclab.errors import PeerError
from meclab.model import SECOND

_READ_BYTES = 65_536
_TIMEOUT_NS = 2 * SECOND
_MOST_CALLERS = 64

Then = Callable[[http1.Response | None, int], None]
"""Is given an answer, and when it came; or none, and now. CLOCK_REALTIME in ns."""
Take = Callable[[bytes, int], int]
"""Is given a request's body, and when it came (CLOCK_REALTIME in ns); gives back the status of the answer."""


class Asker:
    """Sends requests to one server, each on a connection of its own; a new one gives the last one up."""

    def __init__(self, loop: Loop, address: Address, port: int) -> None:
        self._loop = loop
        self._alarm = Alarm(loop, self._end)
        self._place = (str(address), port)
        self._family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        self._socket: socket.socket | None = None
        self._request = b""
        self._reader = http1.ResponseReader()
        self._then: Then = lambda response, came_ns: None

    def __call__(self, method: str, target: str, body: bytes | None, then: Then) -> None:
        """Calls `then` with the answer, or with none after an error or two seconds."""
        self._end()
        self._request = http1.request(method, target, http1.authority(*self._place), body)
        self._reader, self._then = http1.ResponseReader(), then
        self._socket = socket.socket(self._family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        arrival.stamp(self._socket)
        self._loop.watch(self._socket, self._connected, writing=True)
        self._alarm.at(time.monotonic_ns() + _TIMEOUT_NS)
        if self._socket.connect_ex(self._place) not in (0, errno.EINPROGRESS):
            self._alarm.at(time.monotonic_ns())

    def _connected(self) -> None:
        assert self._socket is not None, "an open socket is ready"
        try:
            if status := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(status, os.strerror(status))
            self._socket.send(self._request)
        except OSError:
            self._end()
            return
        self._loop.watch(self._socket, self._readable)

    def _readable(self) -> None:
        assert self._socket is not None, "an open socket is ready"
        try:
            came = arrival.receive(self._socket, _READ_BYTES)
            responses = self._reader.feed(came.data) if came.data else []
        except BlockingIOError:
            return
        except (OSError, PeerError):
            self._end()
            return
        if responses or not came.data:
            self._end(responses[0] if responses else None, came.at_ns)

    def _end(self, response: http1.Response | None = None, came_ns: int | None = None) -> None:
        self._alarm.stop()
        if self._socket is None:
            return
        self._loop.forget(self._socket)
        self._socket.close()
        self._socket = None
        self._then(response, time.time_ns() if came_ns is None else came_ns)


class Listener:
    """Takes POST requests on a port, of both families."""

    def __init__(self, loop: Loop, port: int, take: Take) -> None:
        self._loop = loop
        self._take = take
        self._callers: list[_Caller] = []
        self._socket = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        self._socket.setblocking(False)
        loop.watch(self._socket, self._accept)

    def answer(self, request: http1.Request, came_ns: int) -> int:
        """The status for a request."""
        return self._take(request.body, came_ns) if request.method == "POST" else 405

    def leave(self, caller: "_Caller") -> None:
        """A caller is gone."""
        self._callers.remove(caller)

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:
            return
        connection.setblocking(False)
        if len(self._callers) >= _MOST_CALLERS:
            self._callers[0].close()
        self._callers.append(_Caller(self._loop, self, connection))


class _Caller:
    """One connection of somebody who notifies."""

    def __init__(self, loop: Loop, listener: Listener, connection: socket.socket) -> None:
        self._loop = loop
        self._listener = listener
        self._socket = connection
        self._reader = http1.RequestReader()
        arrival.stamp(connection)
        loop.watch(connection, self._readable)

    def close(self) -> None:
        self._loop.forget(self._socket)
        self._socket.close()
        self._listener.leave(self)

    def _readable(self) -> None:
        try:
            came = arrival.receive(self._socket, _READ_BYTES)
            requests = self._reader.feed(came.data)
            for request in requests:
                self._socket.send(http1.response(self._listener.answer(request, came.at_ns)))
        except BlockingIOError:
            return
        except (OSError, PeerError):
            self.close()
            return
        if not came.data or any(not request.keeps_alive for request in requests):
            self.close()
