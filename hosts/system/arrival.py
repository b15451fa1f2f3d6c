"""When bytes came, by the kernel: the instant that a capture of the interface has, however late they are read."""

import socket
import struct
import time
from dataclasses import dataclass
from typing import Any

_SO_TIMESTAMPNS = 35
"""Of asm-generic/socket.h, as x86 and ARM have it; the control message has the same number. Python 3.11 does not name
it."""
_TIMESPEC = struct.Struct("@ll")
_CONTROL_BYTES = socket.CMSG_SPACE(_TIMESPEC.size)


@dataclass(frozen=True)
class Arrival:
    """What one call received."""

    data: bytes
    at_ns: int
    """When the last of its packets came (CLOCK_REALTIME); when it was read, where the kernel does not say."""
    sender: Any
    """Address of a datagram's sender, as `socket.recvfrom` has it."""


def stamp(sock: socket.socket) -> None:
    """Has the kernel note when packets come to this socket; datagrams or TCP (from Linux 4.14)."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def receive(sock: socket.socket, most: int) -> Arrival:
    """Receives from a stamped socket; raises `OSError` as `socket.recvfrom` does."""
    data, control, _, sender = sock.recvmsg(most, _CONTROL_BYTES)
    read_ns = time.time_ns()
    for level, kind, content in control:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(content) == _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack(content)
            return Arrival(data, seconds * 10**9 + nanoseconds, sender)
    return Arrival(data, read_ns, sender)
