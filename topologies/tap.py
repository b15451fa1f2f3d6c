"""TAP devices: an interface in a node's namespace whose frames a process reads and writes."""

import fcntl
import os
import socket
import struct

from topologies import namespaces

MAX_FRAME_BYTES = 2048
"""What one read takes at most: a frame of an interface with Ethernet's MTU of 1500, VLAN tags included."""
_QUEUE_FRAMES = 2000
"""Frames that may wait to be read; a burst of two full TCP windows at 1 Gbit/s and 10 ms."""
_TUNSETIFF = 0x400454CA
_IFF_TAP = 0x0002
_IFF_NO_PI = 0x1000
_SIOCSIFTXQLEN = 0x8943
_SIOCSIFHWADDR = 0x8924
_ARPHRD_ETHER = 1


def open_tap(name: str, pid: int | None = None, mac: str | None = None) -> int:
    """Makes TAP `name` in the network namespace of process `pid` (the caller's where none), down, and opens it.

    The file descriptor does not block, and closes on exec; the interface lives until it is closed. Only the
    calling thread visits the namespace. Raises `OSError` (`EBUSY` where another process has it open).
    """
    request = name.encode()
    if not 0 < len(request) < 16:
        raise ValueError(f"an interface name of 1 to 15 characters, not {name!r}")
    with namespaces.network_of(pid), socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", request, _IFF_TAP | _IFF_NO_PI))
            fcntl.ioctl(sock, _SIOCSIFTXQLEN, struct.pack("16si20x", request, _QUEUE_FRAMES))
            if mac is not None:
                address = bytes.fromhex(mac.replace(":", ""))
                fcntl.ioctl(sock, _SIOCSIFHWADDR, struct.pack("16sH6s16x", request, _ARPHRD_ETHER, address))
        except BaseException:
            os.close(fd)
            raise
    return fd
