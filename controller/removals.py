"""Removals that no answer waits for: what becomes of them.

A switch does them in order, before all that is sent to it later. One that is gone before it has done them is given
what it should hold, and loses all else, when it connects anew.
"""

import logging
import queue
import threading
from collections.abc import Mapping

from controller import switches
from controller.switches import Barrier

log = logging.getLogger(__name__)


class Removals:
    """Waits for switches' answers beside everything else, and writes down which did not come."""

    def __init__(self) -> None:
        self._sent: queue.SimpleQueue[tuple[int, Mapping[str, Barrier]]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="removals", daemon=True).start()

    def watch(self, number: int, barriers: Mapping[str, Barrier]) -> None:
        """Removals of this transaction are on their way to these switches."""
        self._sent.put((number, barriers))

    def _run(self) -> None:
        while True:
            number, barriers = self._sent.get()
            if missing := barriers.keys() - switches.reached(barriers):
                names = ", ".join(sorted(missing))
                log.warning("transaction %d: what is stale may still be at %s", number, names)
