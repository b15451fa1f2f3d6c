"""Wired links of either kind under one set of calls: `wire` (user space) and `netem` (the kernel)."""

import contextlib
import fcntl
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from meclab.scenario import LinkShape
from topologies import interfaces, netem
from topologies.layout import WiredLink
from topologies.tap import open_tap
from topologies.wire import WireEnds, WireProcess

_TUNSETCARRIER = 0x400454E2


class Links(Protocol):
    """Wired links that run. Interfaces are made down; whoever configures a node brings them up."""

    def change(self, name: str, shape: LinkShape) -> None:
        """A new shape for both directions; frames under way keep theirs."""

    def carry(self, name: str, carries: bool) -> None:
        """Whether frames get through at all; where not, they vanish and no end notices."""

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
        self._fds = {
            link.name: tuple(open_tap(end.interface, end.pid, end.mac) for end in (link.a, link.b)) for link in links
        }
        ends = [WireEnds(link.name, *self._fds[link.name], link.shape) for link in links]
        self.process = WireProcess(ends, seed, log)

    def change(self, name: str, shape: LinkShape) -> None:
        self.process.change(name, shape)

    def carry(self, name: str, carries: bool) -> None:
        if carries:
            self.process.up(name)
        else:
            self.process.down(name)

    def carrier(self, name: str, on: bool) -> None:
        for fd in self._fds[name]:
            fcntl.ioctl(fd, _TUNSETCARRIER, struct.pack("i", on))

    def stop(self) -> None:
        self.process.stop()
        for pair in self._fds.values():
            for fd in pair:
                with contextlib.suppress(OSError):
                    os.close(fd)


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

    def change(self, name: str, shape: LinkShape) -> None:
        self._shapes[name] = shape
        self._apply(name, shape)

    def carry(self, name: str, carries: bool) -> None:
        shape = self._shapes[name]
        self._apply(name, shape if carries else shape.model_copy(update={"loss": 1.0}))

    def carrier(self, name: str, on: bool) -> None:
        """MODEL: a veth's carrier goes with its peer's administrative state, which would end captures on it; a
        link that is down loses every frame instead, and its ends are not told."""

    def stop(self) -> None:
        """Nothing: the interfaces go with the sandbox."""

    def _apply(self, name: str, shape: LinkShape) -> None:
        link = self._links[name]
        for end, seed in zip((link.a, link.b), self._seeds[name], strict=True):
            netem.apply(end.interface, end.pid, shape, seed)
