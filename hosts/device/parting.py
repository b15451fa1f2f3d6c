"""Connections that the device has closed and the server not yet: read to their end, so that no RST follows the FIN."""

import contextlib
import socket

from hosts.device.loop import Loop

_MOST = 4
_READ_BYTES = 65_536


class Parting:
    """At most a few; the oldest goes for good when there is one too many."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._leaving: list[socket.socket] = []

    def leave(self, connection: socket.socket) -> None:
        """Sends a FIN and reads on until the server closes too."""
        try:
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            connection.close()
            return
        if len(self._leaving) >= _MOST:
            self._close(self._leaving[0])
        self._leaving.append(connection)
        self._loop.watch(connection, lambda: self._drain(connection))

    def close(self) -> None:
        """The end of all of them."""
        for connection in list(self._leaving):
            self._close(connection)

    def _drain(self, connection: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                gone = not connection.recv(_READ_BYTES)
            except ConnectionError:
                gone = True
            if gone:
                self._close(connection)

    def _close(self, connection: socket.socket) -> None:
        self._leaving.remove(connection)
        self._loop.forget(connection)
        connection.close()
