"""What the device's kernel says of its addresses: those that it has lost (rtnetlink(7), RTM_DELADDR).

MODEL: as Android does it, a client gives up what it has begun with an address as soon as that is gone. On other hosts
programs wait for their timeouts: nothing can be sent from such an address any more, and nobody is told.
"""

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from ipaddress import ip_address

from hosts.device.cache import Address
from hosts.device.loop import Loop

_LOST = 21
_IPV4_ADDRESSES, _IPV6_ADDRESSES = 0x10, 0x100
_HEADER, _ADDRESS_HEADER, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBBBI"), struct.Struct("=HH")
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_ADDRESS_BYTES = (4, 16)
_READ_BYTES = 65_536


class Renumbering:
    """Calls `lost` with each address that the device has no more."""

    def __init__(self, loop: Loop, lost: Callable[[Address], None]) -> None:
        self._lost = lost
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        self._socket.bind((0, _IPV4_ADDRESSES | _IPV6_ADDRESSES))
        loop.watch(self._socket, self._ready)

    def _ready(self) -> None:
        with contextlib.suppress(OSError):  # too many at once: the session's timeout is left
            for address in lost_addresses(self._socket.recv(_READ_BYTES)):
                self._lost(address)


def lost_addresses(messages: bytes) -> Iterator[Address]:
    """The addresses that netlink messages tell the loss of."""
    while len(messages) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(messages)
        if kind == _LOST:
            found = dict(_attributes(messages[_HEADER.size + _ADDRESS_HEADER.size : length]))
            packed = found.get(_IFA_LOCAL, found.get(_IFA_ADDRESS, b""))
            if len(packed) in _ADDRESS_BYTES:
                yield ip_address(packed)
        messages = messages[max(_HEADER.size, _aligned(length)) :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[max(_ATTRIBUTE.size, _aligned(length)) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3
