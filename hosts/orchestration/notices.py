"""Tells devices by datagram what the network hands them at an attach; again and again until the device says it has it.

One socket an address family; a device's newer notice takes the place of its older one. MODEL: a real network hands a
resolver over in signalling of the session, whose loss and repetition the radio deals with; here it crosses the air as a
frame that may be lost.
"""

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hosts.orchestration.courier import Errand
from meclab.facts import Resolved
from meclab.messages import Notice, NoticeAck, ResolverNotice
from meclab.packets import DEVICE_CONTROL_PORT
from meclab.plan import Plan

log = logging.getLogger(__name__)
AGAIN_S, LONGEST_S = 0.05, 1.0
"""Pause before a notice is repeated: the first, and the longest that it grows to."""
QUICK_REPEATS = 5
"""Repeats after the first pause before it grows."""
GIVE_UP_S = 30.0
"""Age at which a notice that was never acknowledged is given up."""
_NOTICE: TypeAdapter[Notice] = TypeAdapter(Notice)


@dataclass
class _Notice:
    """What a device has not acknowledged."""

    errand: Errand
    payload: bytes
    sequence: int
    since_s: float
    sent: int = 0
    timer: asyncio.TimerHandle | None = None


@dataclass
class Notices:
    """Delivers to every device of a plan, from `open` on."""

    plan: Plan
    clock_ns: Callable[[], int]
    where: Callable[[str], str | None] = lambda _device: None
    """The access point that a device is at: with `address: per-anchor` its address there is told."""
    port: int = DEVICE_CONTROL_PORT
    give_up_s: float = GIVE_UP_S
    counters: Counter[str] = field(default_factory=Counter)
    _open: dict[str, _Notice] = field(default_factory=dict)
    _sequences: Counter[str] = field(default_factory=Counter)
    _transports: dict[int, asyncio.DatagramTransport] = field(default_factory=dict)

    async def open(self) -> None:
        """Binds the sockets, at ports of the kernel's choice. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        for version, family, address in ((4, socket.AF_INET, "0.0.0.0"), (6, socket.AF_INET6, "::")):
            self._transports[version], _ = await loop.create_datagram_endpoint(
                lambda: _Protocol(self._heard), (address, 0), family=family
            )

    def take(self, errands: Iterable[Errand]) -> None:
        """Sends these at once."""
        for errand in errands:
            device = errand.fact.subject
            if (older := self._open.pop(device, None)) is not None:
                self._end(older)
                older.errand.settle("superseded")
            self._sequences[device] += 1
            payload = self._payload(errand, self._sequences[device])
            loop = asyncio.get_running_loop()
            self._open[device] = _Notice(errand, payload, self._sequences[device], loop.time())
            self._send(device)

    def health(self) -> dict[str, object]:
        """How many wait for their device, and what became of the others, as a JSON object."""
        return {"waiting": len(self._open), **self.counters}

    def _payload(self, errand: Errand, sequence: int) -> bytes:
        content = errand.fact.content
        assert isinstance(content, Resolved), "devices are told of their resolver alone"
        host = self.plan.node(content.host)
        assert host.ipv4 is not None and host.ipv6 is not None, "a host has addresses"
        return ResolverNotice(sequence=sequence, ipv4=host.ipv4, ipv6=host.ipv6).model_dump_json().encode()

    def _send(self, device: str) -> None:
        notice = self._open[device]
        loop = asyncio.get_running_loop()
        if loop.time() - notice.since_s > self.give_up_s:
            self._give_up(device, notice)
            return
        address = self.plan.address(device, self.where(device))
        if (transport := self._transports.get(address.version)) is not None:
            transport.sendto(notice.payload, (str(address), self.port))
        notice.sent += 1
        pause_s = min(AGAIN_S * 2 ** max(0, notice.sent - QUICK_REPEATS), LONGEST_S)
        notice.timer = loop.call_later(pause_s, self._send, device)
        if notice.sent > 1:
            self.counters["repeated"] += 1
            notice.errand.waits_for(f"sent {notice.sent} times")

    def _give_up(self, device: str, notice: _Notice) -> None:
        del self._open[device]
        self.counters["given_up"] += 1
        notice.errand.settle("given up", detail=f"no acknowledgement of {notice.sent} datagrams")
        log.error("%s never acknowledged its resolver, sent %d times", device, notice.sent)

    def _heard(self, payload: bytes, sender: tuple[Any, ...]) -> None:
        try:
            ack = _NOTICE.validate_json(payload)
        except ValidationError:
            ack = None
        if not isinstance(ack, NoticeAck):
            self.counters["garbage"] += 1
            log.warning("not an acknowledgement, from %s: %r", sender[0], payload[:60])
            return
        notice = self._open.get(ack.device)
        if notice is None or notice.sequence != ack.sequence:
            self.counters["late"] += 1
            return
        del self._open[ack.device]
        self._end(notice)
        self.counters["acknowledged"] += 1
        notice.errand.settle("told", self.clock_ns())

    @staticmethod
    def _end(notice: _Notice) -> None:
        if notice.timer is not None:
            notice.timer.cancel()


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, heard: Callable[[bytes, tuple[Any, ...]], None]) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._heard(data, addr)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there yet, or the device is without radio: the repetition is for that."""
