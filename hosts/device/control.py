"""The device's UDP port for what the network tells it (`packets.DEVICE_CONTROL_PORT`)."""

import contextlib
import logging
import socket
from collections.abc import Callable

from hosts.device import notices
from hosts.device.loop import Loop
from meclab.errors import PeerError
from meclab.messages import RediscoveryNotice, ResolverNotice
from meclab.packets import DEVICE_CONTROL_PORT

log = logging.getLogger(__name__)
_LARGEST_DATAGRAM = 65_536


class Control:
    """Takes notices: carries each out once, acknowledges it every time, and has the client look again."""

    def __init__(
        self,
        loop: Loop,
        device: str,
        carry_out: Callable[[ResolverNotice | RediscoveryNotice], Callable[[], None]],
        port: int = DEVICE_CONTROL_PORT,
    ) -> None:
        """`carry_out` gives back what is to be done after the acknowledgement."""
        self.garbage = 0
        """Datagrams that were no notice."""
        self._device = device
        self._carry_out = carry_out
        self._senders: dict[str, notices.Sender] = {}
        self._socket = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._socket.bind(("::", port))
        loop.watch(self._socket, self._ready)

    def _ready(self) -> None:
        try:
            payload, sender = self._socket.recvfrom(_LARGEST_DATAGRAM)
        except OSError:
            return
        try:
            notice = notices.read(payload)
        except PeerError as error:
            self.garbage += 1
            log.warning("from %s: %s", sender[0], error)
            return
        known = self._senders.setdefault(sender[0], notices.Sender())
        after = self._carry_out(notice) if known.is_news(notice) else None
        with contextlib.suppress(OSError):  # lost like a packet on the way: the sender tells again
            self._socket.sendto(notices.acknowledgement(self._device, notice.sequence), sender)
        if after is not None:
            after()
