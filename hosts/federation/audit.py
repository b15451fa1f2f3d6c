"""A federator's audit log: every request that was refused, by whom, and by which rule; and every revocation."""

import json
import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)
_KEPT = 10_000
Clock = Callable[[], int]


class Audit:
    """The last entries in memory, all of them in a file of JSON lines."""

    def __init__(self, clock: Clock, file: Path | None = None) -> None:
        self._clock = clock
        self._file = None if file is None else file.open("a", buffering=1)
        self._entries: deque[dict[str, object]] = deque(maxlen=_KEPT)
        self._next = 1

    def write(self, rule: str, detail: str, **facts: object) -> None:
        """One line; `facts` are who, from where, what, status."""
        entry = {"number": self._next, "at_ns": self._clock(), "rule": rule, "detail": detail, **facts}
        self._next += 1
        self._entries.append(entry)
        line = json.dumps(entry, ensure_ascii=True)
        if self._file is not None:
            self._file.write(line + "\n")
        log.info("audit: %s", line)

    def since(self, number: int) -> list[dict[str, object]]:
        """Entries after a number, oldest first."""
        return [entry for entry in self._entries if int(str(entry["number"])) > number]
