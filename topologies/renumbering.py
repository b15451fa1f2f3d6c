"""A device's addresses at each access point, given to its interface at the instant of the attach.

The air does it itself, between two frames: the first one that leaves at a new access point has the new address already.
Messages are packed before the network runs, and the socket was made in the device's namespace, so that a change is a
few system calls.
"""

import os
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address

from topologies.namespaces import network_of

Address = IPv4Address | IPv6Address
Messages = Mapping[str, Sequence[str]]
_NEW_ADDRESS, _DEL_ADDRESS, _NEW_ROUTE = 20, 21, 24
_REQUEST, _ACK, _REPLACE, _CREATE = 0x01, 0x04, 0x100, 0x400
_ADDRESS, _LOCAL = 1, 2
_OIF, _GATEWAY, _PRIORITY, _PREFERRED_SOURCE = 4, 5, 6, 7
_MAIN, _STATIC, _UNICAST, _ON_LINK = 254, 4, 1, 4
_NODAD = 0x02
_METRIC_IPV6 = 1024
"""The kernel's own for IPv6, by which it finds the route to replace."""
_ANSWER_BYTES = 4_096


def arriving(index: int, addresses: Sequence[Address], gateways: Sequence[Address]) -> list[bytes]:
    """Netlink messages that give an interface addresses, and have the default routes go by them (rtnetlink(7))."""
    found = []
    for address, gateway in zip(addresses, gateways, strict=True):
        found.append(_address(_NEW_ADDRESS, _CREATE | _REPLACE, index, address))
        found.append(_default_route(index, gateway, address))
    return found


def leaving(index: int, addresses: Sequence[Address]) -> list[bytes]:
    """Those that take addresses away; a default route that still goes by one would go along."""
    return [_address(_DEL_ADDRESS, 0, index, address) for address in addresses]


def _address(kind: int, flags: int, index: int, address: Address) -> bytes:
    family, given = (socket.AF_INET, 0) if address.version == 4 else (socket.AF_INET6, _NODAD)
    head = struct.pack("=BBBBI", family, address.max_prefixlen, given, 0, index)
    return _message(kind, flags, head + _attribute(_LOCAL, address.packed) + _attribute(_ADDRESS, address.packed))


def _default_route(index: int, gateway: Address, source: Address) -> bytes:
    family = socket.AF_INET if gateway.version == 4 else socket.AF_INET6
    body = struct.pack("=8BI", family, 0, 0, 0, _MAIN, _STATIC, 0, _UNICAST, _ON_LINK)
    body += _attribute(_OIF, struct.pack("=I", index)) + _attribute(_GATEWAY, gateway.packed)
    body += _attribute(_PREFERRED_SOURCE, source.packed)
    if gateway.version == 6:
        body += _attribute(_PRIORITY, struct.pack("=I", _METRIC_IPV6))
    return _message(_NEW_ROUTE, _CREATE | _REPLACE, body)


def _message(kind: int, flags: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, _REQUEST | _ACK | flags, 1, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    """`struct rtattr`; every value here is a multiple of four bytes long."""
    return struct.pack("=HH", 4 + len(value), kind) + value


def open_socket(pid: int) -> int:
    """A netlink socket in a process's network namespace, for whoever is given its descriptor. Raises `OSError`."""
    with network_of(pid):
        return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE).detach()


def interface_index(pid: int, interface: str) -> int:
    """The number of an interface in a process's network namespace. Raises `OSError`."""
    with network_of(pid):
        return socket.if_nametoindex(interface)


class Renumbering:
    """One device's: what the air calls at each attach."""

    def __init__(self, device: str, fd: int, start: str, arrive: Messages, leave: Messages) -> None:
        """`fd` is a netlink socket in the device's namespace, `start` the access point whose addresses it has; of
        every access point the messages for who arrives there and who leaves it, in hexadecimal."""
        self._device = device
        self._fd = fd
        self._ap = start
        self._arrive = {ap: [bytes.fromhex(message) for message in messages] for ap, messages in arrive.items()}
        self._leave = {ap: [bytes.fromhex(message) for message in messages] for ap, messages in leave.items()}

    def move(self, ap: str) -> None:
        """Gives the device its addresses at an access point, and then takes away those that it had. A refusal by the
        kernel is logged; the run's probes show it."""
        if ap == self._ap:
            return
        for message in (*self._arrive[ap], *self._leave[self._ap]):
            os.write(self._fd, message)
            if status := -struct.unpack_from("=i", os.read(self._fd, _ANSWER_BYTES), 16)[0]:
                print(f"{self._device} at {ap} is not renumbered: {os.strerror(status)}", file=sys.stderr, flush=True)
        self._ap = ap
