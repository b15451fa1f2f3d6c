"""Wired links by the kernel's netem queueing discipline, over netlink, with the methods of `wire.WireProcess`.

netem orders what it holds by time to send, so jitter alone reorders. With a rate it never lets a packet overtake,
whatever the rate: where order is to be kept and no rate is configured, it gets one that costs nothing.
A capture at an interface sees what leaves it after netem, so its own link's delay lies before the packet there.
MODEL: while packets wait for a configured rate, netem lets the delay run meanwhile: a queue adds only what it takes
beyond the delay (in `wire` it comes on top). Its limit counts packets, here of full size.
"""

import errno
import os
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from random import Random
from typing import Any

from pyroute2.netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, nla
from pyroute2.netlink.rtnl import RTM_DELQDISC, RTM_NEWQDISC, TC_H_ROOT
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from meclab.errors import Problem, SetupError
from meclab.scenario import LinkShape
from topologies import namespaces
from topologies.remote import RefusedError

SEED_SINCE = (6, 6)
"""Linux release from which netem takes a seed."""
_FULL_FRAME_BYTES = 1514
_UNLIMITED_PACKETS = 100_000
_UNLIMITED_BPS = 100_000_000_000
_U32 = 0xFFFFFFFF
_HANDLE = 0x10000
_ROUTE = socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE


class _Options(nla):  # type: ignore[misc]
    """`struct tc_netem_qopt` and its attributes, those included that pyroute2's own class stops short of."""

    fields = (("latency", "I"), ("limit", "I"), ("loss", "I"), ("gap", "I"), ("duplicate", "I"), ("jitter", "I"))
    nla_map = (
        ("TCA_NETEM_UNSPEC", "none"),
        ("TCA_NETEM_CORR", "none"),
        ("TCA_NETEM_DELAY_DIST", "none"),
        ("TCA_NETEM_REORDER", "none"),
        ("TCA_NETEM_CORRUPT", "none"),
        ("TCA_NETEM_LOSS", "none"),
        ("TCA_NETEM_RATE", "rate"),
        ("TCA_NETEM_ECN", "none"),
        ("TCA_NETEM_RATE64", "uint64"),
        ("TCA_NETEM_PAD", "none"),
        ("TCA_NETEM_LATENCY64", "int64"),
        ("TCA_NETEM_JITTER64", "int64"),
        ("TCA_NETEM_SLOT", "none"),
        ("TCA_NETEM_SLOT_DIST", "none"),
        ("TCA_NETEM_PRNG_SEED", "uint64"),
    )

    class rate(nla):  # type: ignore[misc]
        fields = (("rate", "I"), ("packet_overhead", "i"), ("cell_size", "I"), ("cell_overhead", "i"))


class _Message(tcmsg):  # type: ignore[misc]
    """A queueing discipline's message whose options are netem's."""

    @staticmethod
    def get_options(*arguments: Any, **named: Any) -> type:
        return _Options


@dataclass(frozen=True)
class NetemEnds:
    """A link: the interface at each end with a process in its namespace (none for the caller's), and the shape."""

    name: str
    a: tuple[int | None, str]
    b: tuple[int | None, str]
    shape: LinkShape


def refusal(name: str, shape: LinkShape) -> Problem | None:
    """What netem cannot honour of a shape."""
    if shape.reorder and shape.rate is not None:
        return Problem(("links", name, "reorder"), "reorder with a rate", "one of them, or link_kind: wire")
    return None


def seeded(release: str) -> bool:
    """Whether netem of this Linux release draws from the seed it is given."""
    numbers = release.split("-")[0].split(".")
    return (int(numbers[0]), int(numbers[1])) >= SEED_SINCE


def options(shape: LinkShape, seed: int) -> dict[str, Any]:
    """The shape as netem's options; delays in ns and rates in bytes per second are its 64-bit attributes."""
    attributes: list[tuple[str, Any]] = [
        ("TCA_NETEM_LATENCY64", shape.delay),
        ("TCA_NETEM_JITTER64", shape.jitter),
        ("TCA_NETEM_PRNG_SEED", seed),
    ]
    keeps_order = shape.jitter > 0 and not shape.reorder
    if (bps := shape.rate or (_UNLIMITED_BPS if keeps_order else None)) is not None:
        bytes_per_s = max(1, bps // 8)
        rate = {"rate": min(bytes_per_s, _U32), "packet_overhead": 0, "cell_size": 0, "cell_overhead": 0}
        attributes += [("TCA_NETEM_RATE", rate), ("TCA_NETEM_RATE64", bytes_per_s)]
    limit = _UNLIMITED_PACKETS
    if shape.rate is not None:
        travelling_bytes = (shape.delay + shape.jitter) * shape.rate / 8e9
        limit = max(1, ceil((shape.queue + travelling_bytes) / _FULL_FRAME_BYTES))
    fixed = {"latency": 0, "limit": limit, "loss": round(shape.loss * _U32), "gap": 0, "duplicate": 0, "jitter": 0}
    return {**fixed, "attrs": attributes}


class NetemLinks:
    """Every wired link of a network, as netem on both its ends."""

    def __init__(self, ends: Sequence[NetemEnds], seed: int) -> None:
        """Shapes every link. `seeded` tells whether the kernel takes the seed."""
        self.seeded = seeded(os.uname().release)
        self._seed = seed
        self._links = {link.name: link for link in ends}
        for link in ends:
            self._apply(link, link.shape)

    def change(self, name: str, shape: LinkShape) -> int:
        """Gives a link a new shape; when that was (CLOCK_REALTIME, ns). Packets on the way stay as they are."""
        self._links[name] = link = replace(self._link(name), shape=shape)
        self._apply(link, shape)
        return time.time_ns()

    def down(self, name: str) -> int:
        """Cuts a link; when that was. Packets on the way are lost; the interfaces keep their carrier."""
        link = self._link(name)
        self._apply(link, LinkShape(loss=1.0), afresh=True)
        return time.time_ns()

    def up(self, name: str) -> int:
        """Joins a link again; when that was."""
        link = self._link(name)
        self._apply(link, link.shape)
        return time.time_ns()

    def _link(self, name: str) -> NetemEnds:
        if name not in self._links:
            raise RefusedError(f"no link {name}; there are {', '.join(self._links)}")
        return self._links[name]

    def _apply(self, link: NetemEnds, shape: LinkShape, afresh: bool = False) -> None:
        if (problem := refusal(link.name, shape)) is not None:
            raise RefusedError(str(problem))
        for way, (pid, interface) in (("ab", link.a), ("ba", link.b)):
            seed = Random(f"{self._seed}/{link.name}/{way}").getrandbits(64)
            with namespaces.network_of(pid), socket.socket(*_ROUTE) as netlink:
                index = socket.if_nametoindex(interface)
                if afresh:
                    _confirmed(netlink, message(index, None))
                _confirmed(netlink, message(index, options(shape, seed)))


def message(index: int, netem_options: dict[str, Any] | None) -> bytes:
    """The netlink message for the root queueing discipline of an interface; without options, to delete it."""
    request = _Message()
    request["index"], request["handle"], request["parent"] = index, _HANDLE, TC_H_ROOT
    kind, flags = RTM_DELQDISC, NLM_F_REQUEST | NLM_F_ACK
    if netem_options is not None:
        request["attrs"] = [("TCA_KIND", "netem"), ("TCA_OPTIONS", netem_options)]
        kind, flags = RTM_NEWQDISC, flags | NLM_F_CREATE | NLM_F_REPLACE
    request["header"] = {"type": kind, "flags": flags, "sequence_number": 1, "pid": 0}
    request.encode()
    return bytes(request.data)


def _confirmed(netlink: socket.socket, request: bytes) -> None:
    """Sends a request and reads the kernel's answer (`struct nlmsgerr`)."""
    netlink.send(request)
    error = -struct.unpack_from("i", netlink.recv(1 << 16), 16)[0]
    if error == errno.ENOENT:
        raise SetupError("this kernel has no netem: modprobe sch_netem, or use links: wire")
    if error:
        raise OSError(error, f"netem: {os.strerror(error)}")
