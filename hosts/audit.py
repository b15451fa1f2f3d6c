"""The orchestrator's audit log: every decision, why it was made, and what became of it."""

from collections import deque
from dataclasses import dataclass
from typing import Literal

from meclab.policy import Decision

_KEPT = 50_000
Fate = Literal["waiting", "told", "superseded", "refused", "nothing to tell"]


@dataclass
class Entry:
    """One decision on its way, or an attach for which no host was alive. Times are CLOCK_REALTIME in ns."""

    number: int
    device: str
    ap: str | None
    """Where it attached; none where the decision comes from elsewhere."""
    attached_ns: int | None
    """The attach, as the access point told it."""
    heard_ns: int
    """When the event that caused the decision reached the orchestrator."""
    decision: Decision | None
    fate: Fate = "waiting"
    """`told`: the controller has confirmed it; `superseded`: a later one of the device went in its place."""
    told_ns: int | None = None
    """When the controller's confirmation came."""
    transaction: int | None = None
    """The controller's number of it."""
    detail: str = ""
    """Why it was refused, what the controller could not reach, or what a delivery is waiting for."""

    def listed(self) -> dict[str, object]:
        """As a JSON object."""
        decision = self.decision
        return {
            "number": self.number,
            "device": self.device,
            "ap": self.ap,
            "host": decision.host if decision else None,
            "from_host": decision.previous if decision else None,
            "trigger": decision.trigger if decision else "attach",
            "reason": decision.reason if decision else "no MEC host is alive",
            "attached_ns": self.attached_ns,
            "heard_ns": self.heard_ns,
            "decided_ns": decision.at_ns if decision else None,
            "told_ns": self.told_ns,
            "fate": self.fate,
            "transaction": self.transaction,
            "detail": self.detail,
        }


class Audit:
    """The last decisions, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self._next = 1

    def add(
        self,
        device: str,
        heard_ns: int,
        decision: Decision | None,
        ap: str | None = None,
        attached_ns: int | None = None,
    ) -> Entry:
        """A new entry, waiting to be told."""
        entry = Entry(self._next, device, ap, attached_ns, heard_ns, decision)
        self._entries.append(entry)
        self._next += 1
        return entry

    def since(self, number: int) -> list[dict[str, object]]:
        """The entries after a number, as JSON objects."""
        return [entry.listed() for entry in self._entries if entry.number > number]
