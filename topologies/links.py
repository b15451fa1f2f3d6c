"""Wired links of either kind under one set of calls: `wire` (user space) and `netem` (the kernel)."""

import fcntl
import os
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from meclab.errors import RunError
from meclab.scenario import LinkShape
from topologies import interfaces, netem
from topologies.layout import End, WiredLink
from topologies.tap import open_tap
from topologies.wire import WireEnds, WireProcess

_TUNSETCARRIER = 0x400454E2


class Links(Protocol):
    """Wired links. Interfaces are made down; whoever configures a node brings them up. Changes tell when they
    were made (CLOCK_REALTIME, ns)."""

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
    """Makes the interfaces of all these links and starts what impairs them."""
    return WireLinks(links, seed, log) if kind == "wire" else NetemLinks(links, seed)


class WireLinks:
    """Pairs of TAP interfaces, their frames carried by one process."""

    def __init__(self, links: Sequence[WiredLink], seed: int, log: Path) -> None:
        ends = [WireEnds(link.name, _tap(link.a), _tap(link.b), link.shape) for link in links]
        self._carriers = {end.name: (os.dup(end.fd_a), os.dup(end.fd_b)) for end in ends}
        self._process = WireProcess(ends, seed, log)

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
            raise RunError(f"the process of the wired links has ended with status {status}")

    def carrier(self, name: str, on: bool) -> None:
        for fd in self._carriers[name]:
            fcntl.ioctl(fd, _TUNSETCARRIER, struct.pack("i", on))

    def stop(self) -> None:
        self._process.stop()
        for fd in (fd for pair in self._carriers.values() for fd in pair):
            os.close(fd)


def _tap(end: End) -> int:
    return open_tap(end.interface, end.pid, end.mac)


class NetemLinks:
    """veth pairs with the kernel's netem at both ends."""

    def __init__(self, links: Sequence[WiredLink], seed: int) -> None:
        self._links = {link.name: link for link in links}
        self._shapes = {link.name: link.shape for link in links}
        self._seeds = {link.name: (seed + 2 * n, seed + 2 * n + 1) for n, link in enumerate(links)}
        for link in links:
            with interfaces.netlink(link.a.pid) as kernel:
                kernel.veth(
                    link.a.interface,
                    link.b.interface,
                    mac=link.a.mac,
                    peer_pid=link.b.pid if link.b.pid is not None else os.getpid(),
                    peer_mac=link.b.mac,
                )
            for end in (link.a, link.b):
                interfaces.offloads_off(end.pid, end.interface)
            self._apply(link.name, link.shape)

    def ready(self) -> None:
        """Nothing to wait for."""

    def change(self, name: str, shape: LinkShape) -> int:
        self._shapes[name] = shape
        return self._apply(name, shape)

    def carry(self, name: str, carries: bool) -> int:
        shape = self._shapes[name]
        return self._apply(name, shape if carries else shape.model_copy(update={"loss": 1.0}))

    @property
    def pids(self) -> dict[str, int]:
        return {}

    def stats(self) -> dict[str, Any]:
        return {}

    def check(self) -> None:
        """Nothing that could die."""

    def carrier(self, name: str, on: bool) -> None:
        """MODEL: a veth's carrier goes with its peer's administrative state, which would end captures on it; a
        link that is down loses every frame instead, and its ends are not told."""

    def stop(self) -> None:
        """Nothing: the interfaces go with the sandbox."""

    def _apply(self, name: str, shape: LinkShape) -> int:
        link = self._links[name]
        for end, seed in zip((link.a, link.b), self._seeds[name], strict=True):
            netem.apply(end.interface, end.pid, shape, seed)
        return time.time_ns()
