"""A program between two interfaces for as long as somebody measures through it."""

import socket
import struct
import sys
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

from dataplane.measurement import packets
from dataplane.target import hook
from dataplane.target.bpf import BpfObject

STATIONS = (IPv4Address("10.20.1.1"), IPv4Address("10.20.2.1"))
"""Whom `edge.p4` routes to, one behind each interface, with the MACs 02:00:00:00:00:01 and 02."""


def forward(program: str, interfaces: Sequence[str]) -> None:
    """`redirect` or `edge` between two interfaces; says `ready`, and ends with its standard input."""
    indices = [socket.if_nametoindex(name) for name in interfaces]
    for name in interfaces:  # the kernel itself is not to answer here
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
    with _redirect(indices) if program == "redirect" else _edge(indices) as loaded:
        for index in indices:
            hook.attach(index, loaded.program_fd)
        print("ready", flush=True)
        sys.stdin.read()


def _redirect(indices: Sequence[int]) -> BpfObject:
    loaded = packets.by_hand("redirect")
    for own, other in (indices, indices[::-1]):
        loaded["others"].update(_number(own), _number(other))
    return loaded


def _edge(indices: Sequence[int]) -> BpfObject:
    macs = [(0x02_00_00_00_00_00 + number).to_bytes(6, "big") for number in (1, 2)]
    loaded = packets.edge(
        {station: (mac, port) for port, (station, mac) in enumerate(zip(STATIONS, macs, strict=True), 1)}
    )
    for port, index in enumerate(indices, 1):
        loaded["ports"].update(_number(port), _number(index))
        loaded["port_numbers"].update(_number(index), _number(port))
    return loaded


def _number(value: int) -> bytes:
    return struct.pack("<I", value)
