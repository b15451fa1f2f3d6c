"""What a wake-up costs on this machine: frames sent through a lane of known delay, in a network of their own.

Two TAPs in a namespace nobody else sees, one lane between them served by the same loop as every link. A child
process sends; the kernel's time stamps at the far end say by how much the frames are late.
"""

import fcntl
import os
import random
import socket
import statistics
import struct
import time

from topologies import namespaces, tap
from topologies.delayline import DelayLine, Shape, sources
from topologies.pump import Lane, Pump, WakeCost
from topologies.realtime import Realtime

_FRAMES, _WARM_UP, _GAP_S = 28, 4, (0.002, 0.006)
_DELAY_NS, _LIMIT_NS = 1_000_000, 250_000_000
_ETHERTYPE = 0x88B5
"""For local experiments (IEEE 802)."""
_SO_TIMESTAMPNS = 35
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1


def measure(realtime: Realtime) -> WakeCost:
    """The median cost; takes about 0.1 s and forks, so before any thread."""
    near, far, sender, receiver = _network()
    child = os.fork()
    if child == 0:
        _send(sender)
        os._exit(0)
    pump = Pump(WakeCost())
    lane = Lane(pump, DelayLine(Shape(delay_ns=_DELAY_NS), *sources(0, "calibration", "")), far)
    pump.reader(near, lane.put)
    late_ns: list[int] = []

    def arrived() -> None:
        payload, ancillary, _, _ = receiver.recvmsg(256, 64)
        seconds, ns = struct.unpack("qq", ancillary[0][2][:16])
        late_ns.append(seconds * 1_000_000_000 + ns - struct.unpack_from("!Q", payload, 14)[0] - _DELAY_NS)
        if len(late_ns) == _FRAMES:
            pump.stop()

    pump.watch(receiver.fileno(), arrived)
    pump.at(time.monotonic_ns() + _LIMIT_NS, lambda due_ns, now_ns: pump.stop())
    pump.run(realtime)
    os.waitpid(child, 0)
    late_us = lane.lateness.percentile_us(0.5)
    for fd in (near, far):
        os.close(fd)
    sender.close()
    receiver.close()
    pump.close()
    if len(late_ns) <= _WARM_UP or late_us is None:
        return WakeCost()
    total_ns = max(0, round(statistics.median(late_ns[_WARM_UP:])))
    departure_ns = min(total_ns, round(late_us * 1000))
    return WakeCost(arrival_ns=total_ns - departure_ns, departure_ns=departure_ns)


def _network() -> tuple[int, int, socket.socket, socket.socket]:
    """Two TAPs, and packet sockets at them, in a namespace that lives as long as they are open."""
    with namespaces.network_of(os.getpid()):
        namespaces.unshare(namespaces.CLONE_NEWNET)
        fds, sockets = [], []
        for name in ("near", "far"):
            fds.append(tap.open_tap(name))
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETHERTYPE))
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), _IFF_UP))
            sock.bind((name, _ETHERTYPE))
            sockets.append(sock)
    return fds[0], fds[1], sockets[0], sockets[1]


def _send(sender: socket.socket) -> None:
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    gaps = random.Random(0)
    for _ in range(_FRAMES):
        time.sleep(gaps.uniform(*_GAP_S))
        sender.send(struct.pack("!6s6sHQ", b"\xff" * 6, b"\x02" + bytes(5), _ETHERTYPE, time.time_ns()) + bytes(40))
