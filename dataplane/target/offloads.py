"""Offloads of interfaces: switched off, so that a program sees the packets that are on the wire.

Segmentation and checksums are left to the receiver by whoever sends into a veth: it is the other end's setting that
counts, in whatever namespace that end is.
"""

import array
import ctypes
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from dataplane.target.netlink import namespace_number, other_end

SIOCETHTOOL = 0x8946
SETTINGS = {
    "receive checksum": 0x15,
    "transmit checksum": 0x17,
    "scatter": 0x19,
    "TSO": 0x1F,
    "GSO": 0x24,
    "GRO": 0x2C,
}
"""`ethtool -K` settings and their ETHTOOL_S… numbers (linux/ethtool.h)."""
CLONE_NEWNET = 0x40000000


def switch_off(name: str) -> bool:
    """Switches the offloads of a port off, and those of its other end; whether that end could be reached.

    True for what is no veth: nothing is at another end then. Raises `OSError` where there is no such port.
    """
    set_off(name)
    end = other_end(name)
    if end is None:
        return True
    if end.namespace is None:
        return _done(lambda: set_off(socket.if_indextoname(end.index)))
    for path in _namespaces():
        if _number(path) == end.namespace:
            return _done(partial(_inside, path, lambda: set_off(socket.if_indextoname(end.index))))
    return False


def set_off(name: str) -> None:
    """Switches the offloads of an interface off; one that its driver does not have, or has fixed, stays as it is."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        socket.if_nametoindex(name)
        for number in SETTINGS.values():
            value = array.array("B", struct.pack("II", number, 0))
            request = struct.pack("16sP16x", name.encode(), value.buffer_info()[0])
            with suppress(OSError):
                fcntl.ioctl(control, SIOCETHTOOL, request)


def _done(action: Callable[[], None]) -> bool:
    try:
        action()
    except OSError:
        return False
    return True


def _namespaces() -> Iterator[Path]:
    """Network namespaces that can be reached: those with a name, and those of processes."""
    seen = set()
    for path in [*Path("/run/netns").glob("*"), *Path("/proc").glob("[0-9]*/ns/net")]:
        with suppress(OSError):
            identity = path.stat().st_ino
            if identity not in seen:
                seen.add(identity)
                yield path


def _number(path: Path) -> int | None:
    """The number by which this namespace knows another one."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return namespace_number(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _inside(path: Path, action: Callable[[], None]) -> None:
    """Does something in another network namespace, in a thread of its own that ends there."""
    failures: list[OSError] = []

    def visit() -> None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                library = ctypes.CDLL(None, use_errno=True)
                if library.setns(descriptor, CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), f"{path}: cannot be entered")
            finally:
                os.close(descriptor)
            action()
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=visit)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
