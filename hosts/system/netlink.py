"""The few messages to the kernel's routing table that a router's program sends (rtnetlink(7)), packed by hand.

A netlink library would cost every program of the lab its import; a change takes some 7 µs this way.
"""

import errno
import os
import socket
import struct
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address
_NEW_ROUTE, _DEL_ROUTE, _ERROR = 24, 25, 2
_REQUEST, _ACK, _REPLACE, _CREATE = 0x01, 0x04, 0x100, 0x400
_DST, _OIF, _PRIORITY = 1, 4, 6
_MAIN, _STATIC, _UNICAST = 254, 4, 1
_SCOPE_LINK = 253
_METRIC_IPV6 = 1
"""Less than what routes of BGP are installed with (20): a device that is here is here before BGP has noticed. The
kernel's default for IPv6, 1024, would lose to it; for IPv4 the default is 0."""
_GONE = (errno.ESRCH, errno.ENOENT)


class RoutingTable:
    """Routes to single addresses out of an interface, in the network namespace in which this is made."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)

    def add(self, address: Address, interface: str) -> None:
        """The address is on the link of this interface. Raises `OSError`."""
        self._ask(_NEW_ROUTE, _REQUEST | _ACK | _CREATE | _REPLACE, address, interface)

    def remove(self, address: Address, interface: str) -> bool:
        """The address is not there any more; whether it was. Raises `OSError`."""
        return self._ask(_DEL_ROUTE, _REQUEST | _ACK, address, interface)

    def close(self) -> None:
        self._socket.close()

    def _ask(self, kind: int, flags: int, address: Address, interface: str) -> bool:
        self._socket.send(message(kind, flags, address, socket.if_nametoindex(interface)))
        answer = self._socket.recv(1 << 16)
        number = -struct.unpack_from("=i", answer, 16)[0]
        if number and not (kind == _DEL_ROUTE and number in _GONE):
            raise OSError(number, f"route to {address} by {interface}: {os.strerror(number)}")
        return bool(number == 0)


def message(kind: int, flags: int, address: Address, index: int) -> bytes:
    """`struct nlmsghdr`, `struct rtmsg` and its attributes."""
    family, metric = (socket.AF_INET, 0) if address.version == 4 else (socket.AF_INET6, _METRIC_IPV6)
    scope = _SCOPE_LINK if address.version == 4 else 0
    route = struct.pack("=8BI", family, address.max_prefixlen, 0, 0, _MAIN, _STATIC, scope, _UNICAST, 0)
    body = route + _attribute(_DST, address.packed) + _attribute(_OIF, struct.pack("=I", index))
    if metric:
        body += _attribute(_PRIORITY, struct.pack("=I", metric))
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    """`struct rtattr`; every value here is a multiple of four bytes long."""
    return struct.pack("=HH", 4 + len(value), kind) + value
