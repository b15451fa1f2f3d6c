"""Notifications to devices: the newest state of each context, again until the device has taken it.

Each context has a connection and a task of its own, so that a slow device keeps no other waiting. A try that is given
up resets its connection: what the kernel still holds of it must not arrive after something newer.
"""

import asyncio
import contextlib
import logging
import socket
import struct
from dataclasses import asdict, dataclass

from hosts.platform.contexts import Callback
from hosts.platform.lines import text
from hosts.web.client import Client
from meclab.errors import PeerError

log = logging.getLogger(__name__)
_LINGER_RESET = struct.pack("ii", 1, 0)


@dataclass
class Counters:
    """What has become of notifications, all contexts together."""

    sent: int = 0
    """Tries, those that repeat one included."""
    delivered: int = 0
    overtaken: int = 0
    """Left for newer ones before the device had answered."""
    given_up: int = 0

    def listed(self) -> dict[str, int]:
        return asdict(self)


class Resetting(Client):
    """A client whose connections end at once, with what they still carry."""

    def close(self) -> None:
        if self._streams is not None:
            connection: socket.socket | None = self._streams[1].get_extra_info("socket")
            with contextlib.suppress(OSError):
                if connection is not None:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        super().close()


class Notifier:
    """Tells one context's device."""

    def __init__(self, name: str, timeout_s: float, tries: int, counters: Counters) -> None:
        """`timeout_s` is from one try to the next."""
        self._name = name
        self._timeout_s = timeout_s
        self._tries = tries
        self._counters = counters
        self._callback: Callback | None = None
        self._client: Client | None = None
        self._client_for: Callback | None = None
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.undelivered: bytes | None = None
        """The newest notification, as long as the device has not taken it."""

    def call(self, callback: Callback | None) -> None:
        """Notifications go there from now on; one that was not taken goes again."""
        self._callback = callback
        if self.undelivered is not None:
            self._start(self.undelivered)

    def tell(self, notification: bytes) -> None:
        """Sends this in place of whatever is on its way."""
        self._start(notification)

    def stop(self) -> None:
        """Sends nothing more."""
        self.undelivered = None
        self._cancel()
        if self._client is not None:
            self._client.close()

    def _start(self, notification: bytes) -> None:
        self._counters.overtaken += self._cancel()
        self.undelivered = notification
        if self._callback is not None:
            self._task = asyncio.create_task(self._deliver(self._callback, notification))

    def _cancel(self) -> bool:
        """Whether one was on its way."""
        return self._task is not None and self._task.cancel()

    async def _deliver(self, callback: Callback, notification: bytes) -> None:
        async with self._turn:
            client = self._client_of(callback)
            trouble = ""
            for number in range(1, self._tries + 1):
                next_s = asyncio.get_running_loop().time() + self._timeout_s
                self._counters.sent += 1
                trouble = await _attempt(client, callback.target, notification)
                if not trouble:
                    self._counters.delivered += 1
                    self.undelivered = None
                    log.info("%s: notified, try %d", self._name, number)
                    return
                await asyncio.sleep(next_s - asyncio.get_running_loop().time())
        self._counters.given_up += 1
        log.error("%s: not notified in %d tries: %s", self._name, self._tries, trouble)

    def _client_of(self, callback: Callback) -> Client:
        """The kept connection, or one to another place."""
        if self._client is None or self._client_for != callback:
            if self._client is not None:
                self._client.close()
            self._client = Resetting(callback.address, callback.port, self._timeout_s)
            self._client_for = callback
        return self._client


async def _attempt(client: Client, target: str, notification: bytes) -> str:
    """What was wrong; empty where the device has taken it."""
    try:
        response = await client.send("POST", target, notification)
    except (OSError, TimeoutError, PeerError) as error:
        return f"{type(error).__name__}: {error}"
    return "" if 200 <= response.status < 300 else text(response)
