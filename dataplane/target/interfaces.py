"""Interfaces of the switch's own namespace: brought up, made (TAP), watched."""

import fcntl
import os
import socket
import struct

SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
SIOCSIFMTU = 0x8922
SIOCSIFTXQLEN = 0x8943
IFF_UP = 1
TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
RTMGRP_LINK = 1
QUEUE_FRAMES = 4096
"""Frames for the controller that may wait in the kernel."""
TAP_MTU = 9000


def bring_up(name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        answer = fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16sH22x", name.encode(), 0))
        flags = struct.unpack("16sH22x", answer)[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), flags | IFF_UP))


def open_tap(wanted: str) -> tuple[int, str]:
    """A TAP of this process, which ends with it: descriptor that does not block, and name (`%d` in it: a free one)."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        answer = fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", wanted.encode(), IFF_TAP | IFF_NO_PI))
        name = struct.unpack("16s24x", answer)[0].rstrip(b"\0")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
            fcntl.ioctl(control, SIOCSIFTXQLEN, struct.pack("16si20x", name, QUEUE_FRAMES))
            fcntl.ioctl(control, SIOCSIFMTU, struct.pack("16si20x", name, TAP_MTU))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, name.decode()


def watch_links() -> socket.socket:
    """A socket that is readable when an interface has come, gone or changed."""
    watcher = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
    watcher.bind((0, RTMGRP_LINK))
    return watcher


def drain(watcher: socket.socket) -> None:
    """Reads what the watcher has; lost notices do not matter, for every interface is looked at anyway."""
    while True:
        try:
            watcher.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            continue
