"""The UDP echo server: answers every probe with the node's name, from the address that was asked."""

import gc
import logging
import select
import signal
import socket
from collections import Counter
from collections.abc import Sequence

from hosts.program import Context
from meclab.errors import PeerError
from meclab.packets import PROBE_PORT, probe_reply, unpack_probe

log = logging.getLogger(__name__)
_LARGEST_DATAGRAM = 2_048
_BURST = 32
"""Datagrams answered from one socket before the others get their turn."""


def own_addresses(context: Context) -> tuple[str, ...]:
    """The addresses that a host serves: its own, and the virtual one where it has it."""
    node = context.plan.node(context.node)
    own = (node.ipv4, node.ipv6)
    virtual = (context.plan.vip_ipv4, context.plan.vip_ipv6) if node.serves_vip else ()
    return tuple(str(address) for address in (*own, *virtual) if address is not None)


def main(context: Context) -> int:
    """Answers until SIGTERM, then logs what came from whom."""
    gc.disable()
    realtime = context.hurry()
    echo = Echo(context.node, own_addresses(context))
    signal.signal(signal.SIGTERM, lambda *_: echo.stop())
    context.ready()
    log.info("echo on %s, real-time priority: %s", ", ".join(own_addresses(context)), realtime)
    echo.serve()
    log.info("answered %s; garbage %d, unsent %d", dict(sorted(echo.answered.items())), echo.garbage, echo.unsent)
    return 0


class Echo:
    """One socket for each address, so that an answer comes from the address asked."""

    def __init__(self, host: str, addresses: Sequence[str], port: int = PROBE_PORT) -> None:
        self.answered: Counter[str] = Counter()
        """Probes answered, by device."""
        self.garbage = 0
        """Datagrams that are not requests of this version."""
        self.unsent = 0
        """Answers that the kernel would not send."""
        self._host = host.encode("ascii")
        self._stop_reader, self._stop_writer = socket.socketpair()
        self._sockets = {sock.fileno(): sock for sock in (_bound(address, port) for address in addresses)}

    def serve(self) -> None:
        """Answers until `stop`."""
        poll = select.epoll()
        for fd in (*self._sockets, self._stop_reader.fileno()):
            poll.register(fd, select.EPOLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd not in self._sockets:
                    return
                self._answer(self._sockets[fd])

    def stop(self) -> None:
        """Ends `serve`; may be called from a signal handler or another thread."""
        self._stop_writer.send(b"1")

    def _answer(self, sock: socket.socket) -> None:
        for _ in range(_BURST):
            try:
                request, sender = sock.recvfrom(_LARGEST_DATAGRAM)
            except BlockingIOError:
                return
            try:
                probe = unpack_probe(request)
            except PeerError:
                self.garbage += 1
                continue
            if probe.is_reply:
                self.garbage += 1
                continue
            try:
                sock.sendto(probe_reply(request, self._host), sender)
            except OSError:
                self.unsent += 1
                continue
            self.answered[probe.device] += 1


def _bound(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind((address, port))
    return sock
