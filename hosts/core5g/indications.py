"""EAS rediscovery indications (TS 23.548 clause 6.2.3.3): which answers a device is to drop, told over the air until
it confirms.

An indication takes the place of one that the device has not confirmed yet, and says of both.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final

from pydantic import TypeAdapter, ValidationError

from hosts.core5g.neasdf import Network
from meclab.messages import Notice, NoticeAck, RediscoveryNotice
from meclab.settings import Easdf

log = logging.getLogger(__name__)
WAITS_S: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""After each time that an indication is sent; then it is given up."""
_NOTICE: TypeAdapter[Notice] = TypeAdapter(Notice)
Send = Callable[[str, bytes], None]
"""Sends a datagram to a device; one that cannot be sent is lost."""


class Indications:
    """What is on its way to the devices."""

    def __init__(
        self, settings: Easdf, name: str, send: Send, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """`name` is the application's."""
        self.confirmed = 0
        self.given_up = 0
        self._rediscovery = settings.rediscovery
        self._name = name
        self._send = send
        self._pause = pause
        self._sequence = count(time.time_ns() // 1_000_000)
        """From the present on: a device that has heard of an earlier session function takes these for newer."""
        self._open: dict[str, tuple[RediscoveryNotice, asyncio.Task[None]]] = {}

    def tell(self, device: str, old: tuple[Network, ...]) -> RediscoveryNotice | None:
        """Starts telling a device that its host has changed; `old` are the prefixes of the old one. None where the
        scenario has devices told nothing."""
        if self._rediscovery == "none":
            return None
        before = self._forget(device)
        prefixes = old if self._rediscovery == "addresses" else ()
        notice = RediscoveryNotice(
            sequence=next(self._sequence),
            impact=self._rediscovery,
            prefixes=tuple(dict.fromkeys((*(before.prefixes if before else ()), *prefixes))),
            names=(self._name,) if self._rediscovery == "name" else (),
        )
        self._open[device] = notice, asyncio.get_running_loop().create_task(self._repeat(device, notice))
        return notice

    def received(self, datagram: bytes) -> None:
        """What comes back from a device; anything but a confirmation is passed over."""
        try:
            found = _NOTICE.validate_json(datagram)
        except ValidationError as error:
            log.warning("not a notice: %r: %s", datagram[:80], error.errors()[0]["msg"])
            return
        if not isinstance(found, NoticeAck):
            return
        on_its_way = self._open.get(found.device)
        if on_its_way is not None and on_its_way[0].sequence == found.sequence:
            self._forget(found.device)
            self.confirmed += 1

    def _forget(self, device: str) -> RediscoveryNotice | None:
        notice, task = self._open.pop(device, (None, None))
        if task is not None:
            task.cancel()
        return notice

    async def _repeat(self, device: str, notice: RediscoveryNotice) -> None:
        datagram = notice.model_dump_json().encode()
        for wait_s in WAITS_S:
            self._send(device, datagram)
            await self._pause(wait_s)
        del self._open[device]
        self.given_up += 1
        log.warning("%s has not confirmed that it is to look up again", device)
