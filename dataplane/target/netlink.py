"""Two questions to the kernel by rtnetlink: where a veth's other end is, and what a namespace's number is.

Both are answered at once, so they may be asked from within an event loop.
"""

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

RTM_GETLINK = 18
RTM_GETNSID = 90
NLM_F_REQUEST = 1
NLMSG_ERROR = 2
HEADER = struct.Struct("=IHHII")
"""`struct nlmsghdr`: length, type, flags, sequence, port."""
LINK = struct.Struct("=BxHiII")
"""`struct ifinfomsg`: family, type, index, flags, change."""
ATTRIBUTE = struct.Struct("=HH")
IFLA_LINK, IFLA_LINKINFO, IFLA_INFO_KIND, IFLA_LINK_NETNSID = 5, 18, 1, 37
NETNSA_NSID, NETNSA_FD = 1, 3
NESTED = 0x8000


@dataclass(frozen=True)
class OtherEnd:
    """The other end of a veth: its index, and its namespace's number (none: this one)."""

    index: int
    namespace: int | None


def other_end(name: str) -> OtherEnd | None:
    """The other end of an interface, none where it is no veth; raises `OSError` where there is no such interface."""
    answer = _ask(RTM_GETLINK, LINK.pack(socket.AF_UNSPEC, 0, socket.if_nametoindex(name), 0, 0))
    attributes = dict(_attributes(answer[LINK.size :]))
    kind = dict(_attributes(attributes.get(IFLA_LINKINFO, b""))).get(IFLA_INFO_KIND, b"")
    if kind.rstrip(b"\0") != b"veth" or IFLA_LINK not in attributes:
        return None
    namespace = attributes.get(IFLA_LINK_NETNSID)
    return OtherEnd(_integer(attributes[IFLA_LINK]), None if namespace is None else _integer(namespace))


def namespace_number(descriptor: int) -> int | None:
    """The number by which this namespace knows another one, none where it has none."""
    attribute = ATTRIBUTE.pack(8, NETNSA_FD) + struct.pack("=i", descriptor)
    answer = dict(_attributes(_ask(RTM_GETNSID, bytes(4) + attribute)[4:]))
    number = _integer(answer.get(NETNSA_NSID, b"\xff" * 4))
    return None if number < 0 else number


def _ask(kind: int, body: bytes) -> bytes:
    """The body of the one message that answers."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as netlink:
        netlink.bind((0, 0))
        netlink.send(HEADER.pack(HEADER.size + len(body), kind, NLM_F_REQUEST, 1, 0) + body)
        answer = netlink.recv(1 << 16)
    length, kind = HEADER.unpack_from(answer)[:2]
    body = answer[HEADER.size : length]
    if kind == NLMSG_ERROR:
        number = -_integer(body[:4])
        raise OSError(number, os.strerror(number))
    return body


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(data)
        if length < ATTRIBUTE.size:
            return
        yield kind & ~NESTED, data[ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]


def _integer(data: bytes) -> int:
    return int(struct.unpack("=i", data[:4])[0])
