"""What a program on a node is given to work with."""

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hosts.system import linux
from meclab.model import SECOND
from meclab.packets import Marker
from meclab.plan import Plan

log = logging.getLogger(__name__)
REALTIME_PRIORITY = 1
"""Lowest real-time priority: before ordinary processes, after the links in user space."""
REALTIME_PROBES_PER_S = 5_000
"""Probes of all devices together up to which agents and echo servers ask for real-time priority: about a quarter
of a core. Beyond, they would starve the switches."""


@dataclass(frozen=True)
class Context:
    """Where a program runs and whom it can tell."""

    plan: Plan
    node: str
    run_dir: Path
    markers: socket.socket | None
    """Connected to the markers' destination; made in the lab's root namespace."""
    ready: Callable[[], None]
    """To be called once, when the program serves."""

    def mark(self, event: str, at_ns: int, **fields: object) -> None:
        """Makes an instant a packet. A marker that cannot be sent is left out: nothing waits for it."""
        if self.markers is None:
            return
        try:
            self.markers.send(Marker(event, at_ns, fields).pack())
        except OSError as error:
            log.warning("marker %s not sent: %s", event, error)

    def hurry(self) -> bool:
        """Sharp timers, and real-time priority where the load and the machine allow it; whether it got the latter."""
        linux.sharpen_timers()
        probes_per_s = len(self.plan.devices) * SECOND / self.plan.probes.interval
        return probes_per_s <= REALTIME_PROBES_PER_S and linux.take_realtime(REALTIME_PRIORITY)
