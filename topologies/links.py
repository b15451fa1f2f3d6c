"""Wired links of either kind under one set of calls: `wire` (user space) and `netem` (the kernel)."""

import fcntl
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from meclab.errors import RunError, ScenarioError
from meclab.scenario import LinkShape
from topologies import interfaces, netem
from topologies.layout import End, WiredLink
from topologies.netem import NetemEnds, NetemLinks
from topologies.tap import open_tap
from topologies.wire import WireEnds, WireProcess

_TUNSETCARRIER = 0x400454E2


class Links(Protocol):
    """Wired links. Interfaces are made down; whoever configures a node brings them up. Changes tell when they
    were made (CLOCK_REALTIME, ns)."""

    @property
    def seeded(self) -> bool:
        """Whether loss and jitter follow from the run's seed."""

    def ready(self) -> None:
        """Waits until frames flow."""

    def change(self, name: str, shape: LinkShape) -> int:
        """A new shape for both directions; frames under way keep theirs."""

    def carry(self, name: str, carries: bool) -> int:
        """Whether frames get through at all; where not, they vanish and no end notices."""

    @property
    def pids(self) -> dict[str, int]:
        """The processes that serve the links."""

    def stats(self) -> dict[str, Any]:
        """What is known of how the links are served; empty where the kernel does it."""

    def check(self) -> None:
        """Raises `RunError` where what serves the links has died."""

    def carrier(self, name: str, on: bool) -> None:
        """Whether both ends see a carrier, where the kind of link can show that."""

    def stop(self) -> None:
        """Ends what serves the links."""


def make(kind: Literal["netem", "wire"], links: Sequence[WiredLink], seed: int, log: Path) -> Links:
    """Makes the interfaces of all these links and starts what impairs them.

    Raises `ScenarioError` where this kind cannot honour a shape.
    """
    if kind == "wire":
        return WireLinks(links, seed, log)
    if problems := [problem for link in links if (problem := netem.refusal(link.name, link.shape)) is not None]:
        raise ScenarioError(problems)
    return VethLinks(links, seed)


class WireLinks:
    """Pairs of TAP interfaces, their frames carried by one process."""

    def __init__(self, links: Sequence[WiredLink], seed: int, log: Path) -> None:
        ends = [WireEnds(link.name, _tap(link.a), _tap(link.b), link.shape) for link in links]
        self._carriers = {end.name: (os.dup(end.fd_a), os.dup(end.fd_b)) for end in ends}
        self._process = WireProcess(ends, seed, log)

    @property
    def seeded(self) -> bool:
        return True

    def ready(self) -> None:
        self._process.ready()

    def change(self, name: str, shape: LinkShape) -> int:
        return self._process.change(name, shape)

    def carry(self, name: str, carries: bool) -> int:
        return self._process.up(name) if carries else self._process.down(name)

    @property
    def pids(self) -> dict[str, int]:
        return {"wire": self._process.pid}

    def stats(self) -> dict[str, Any]:
        return self._process.stats()

    def check(self) -> None:
        if (status := self._process.status) is not None:
            raise RunError(f"the process of the wired links ended with status {status}")

    def carrier(self, name: str, on: bool) -> None:
        for fd in self._carriers[name]:
            fcntl.ioctl(fd, _TUNSETCARRIER, struct.pack("i", on))

    def stop(self) -> None:
        self._process.stop()
        for fd in (fd for pair in self._carriers.values() for fd in pair):
            os.close(fd)


def _tap(end: End) -> int:
    return open_tap(end.interface, end.pid, end.mac)


class VethLinks:
    """veth pairs with the kernel's netem at both ends."""

    def __init__(self, links: Sequence[WiredLink], seed: int) -> None:
        for link in links:
            _veth(link)
        ends = [
            NetemEnds(link.name, (link.a.pid, link.a.interface), (link.b.pid, link.b.interface), link.shape)
            for link in links
        ]
        self._netem = NetemLinks(ends, seed)

    @property
    def seeded(self) -> bool:
        return self._netem.seeded

    def ready(self) -> None:
        """Nothing to wait for."""

    def change(self, name: str, shape: LinkShape) -> int:
        return self._netem.change(name, shape)

    def carry(self, name: str, carries: bool) -> int:
        return self._netem.up(name) if carries else self._netem.down(name)

    def carrier(self, name: str, on: bool) -> None:
        """MODEL: a veth's carrier goes with its peer's administrative state, which would end captures on it; a
        link that is down loses every frame instead, and its ends are not told."""

    @property
    def pids(self) -> dict[str, int]:
        return {}

    def stats(self) -> dict[str, Any]:
        return {}

    def check(self) -> None:
        """Nothing that could die."""

    def stop(self) -> None:
        """Nothing: the interfaces go with the sandbox."""


def _veth(link: WiredLink) -> None:
    a, b = link.a, link.b
    with interfaces.netlink(None) as kernel:
        kernel.veth(a.interface, b.interface, mac=a.mac, pid=a.pid, peer_pid=b.pid, peer_mac=b.mac)
    for end in (a, b):
        interfaces.offloads_off(end.pid, end.interface)
