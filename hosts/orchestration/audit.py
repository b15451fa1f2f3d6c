"""The orchestrator's audit log: every decision, why it was made, and what became of it with each recipient."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from meclab.policy import Decision, Trigger

_KEPT = 50_000
Fate = Literal["waiting", "told", "superseded", "refused", "given up", "nothing to tell"]
_GRAVEST_FIRST: tuple[Fate, ...] = ("waiting", "refused", "given up", "superseded", "told")


@dataclass
class Delivery:
    """What became of one decision with one recipient."""

    open: int
    """Facts of it that the recipient has not settled yet."""
    told_ns: int | None = None
    """When its confirmation came."""
    detail: str = ""
    """Why it was refused, what could not be reached, or what the delivery is waiting for."""
    then: list[Callable[[], None]] = field(default_factory=list)
    """What to do when it has ended, however."""
    _end: Fate = "told"

    @property
    def fate(self) -> Fate:
        """`told`: it has confirmed; `superseded`: a later decision for the device went in its place; `given up`: it
        never answered. The gravest end of its facts counts."""
        return "waiting" if self.open else self._end

    def settle(self, end: Fate, at_ns: int | None = None, detail: str = "") -> None:
        """One of its facts has ended so."""
        self.open -= 1
        self._end = gravest((end, self._end))
        self.told_ns = at_ns if at_ns is not None else self.told_ns
        self.detail = detail
        if not self.open:
            for act in self.then:
                act()


@dataclass
class Entry:
    """One decision on its way, or an event that led to none. Times are CLOCK_REALTIME in ns."""

    number: int
    subject: str | None
    """Device, or access point for a decision that holds for a location; none for what concerns neither."""
    ap: str | None
    """Where it attached; none where the decision comes from elsewhere."""
    attached_ns: int | None
    """The attach, as the access point told it."""
    heard_ns: int
    """When the event that caused the decision reached the orchestrator."""
    decision: Decision | None
    trigger: Trigger
    reason: str
    """The decision's; without one, why there is none."""
    note: str = ""
    """What the method cannot carry of it."""
    transaction: int | None = None
    """The controller's number of it."""
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    """By recipient."""

    @property
    def fate(self) -> Fate:
        """`told` when every recipient has confirmed."""
        return gravest(d.fate for d in self.deliveries.values()) if self.deliveries else "nothing to tell"

    @property
    def told_ns(self) -> int | None:
        """When the last confirmation came; none while one is missing."""
        if self.fate not in ("told", "superseded"):
            return None
        times = [delivery.told_ns for delivery in self.deliveries.values()]
        return max((at_ns for at_ns in times if at_ns is not None), default=None)

    @property
    def detail(self) -> str:
        """What there is to say of it, beside its reason."""
        said = [f"{name}: {delivery.detail}" for name, delivery in self.deliveries.items() if delivery.detail]
        return "; ".join([self.note, *said] if self.note else said)

    def listed(self) -> dict[str, object]:
        """As a JSON object."""
        decision = self.decision
        of_location = decision is not None and decision.of_location
        return {
            "number": self.number,
            "device": None if of_location else self.subject,
            "location": self.subject if of_location else None,
            "ap": self.ap,
            "host": decision.host if decision else None,
            "from_host": decision.previous if decision else None,
            "trigger": self.trigger,
            "reason": self.reason,
            "attached_ns": self.attached_ns,
            "heard_ns": self.heard_ns,
            "decided_ns": decision.at_ns if decision else None,
            "told_ns": self.told_ns,
            "fate": self.fate,
            "transaction": self.transaction,
            "detail": self.detail,
            "recipients": {
                name: {"fate": delivery.fate, "told_ns": delivery.told_ns, "detail": delivery.detail}
                for name, delivery in self.deliveries.items()
            },
        }


class Audit:
    """The last decisions, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self._next = 1

    def decided(
        self, decision: Decision, heard_ns: int, ap: str | None = None, attached_ns: int | None = None
    ) -> Entry:
        """A decision, which nobody has been told of; `ap` where it comes with an attach."""
        return self._add(decision.device, decision, decision.trigger, decision.reason, heard_ns, ap, attached_ns)

    def undecided(
        self,
        subject: str | None,
        trigger: Trigger,
        reason: str,
        heard_ns: int,
        ap: str | None = None,
        attached_ns: int | None = None,
    ) -> Entry:
        """An event without a decision."""
        return self._add(subject, None, trigger, reason, heard_ns, ap, attached_ns)

    def _add(
        self,
        subject: str | None,
        decision: Decision | None,
        trigger: Trigger,
        reason: str,
        heard_ns: int,
        ap: str | None,
        attached_ns: int | None,
    ) -> Entry:
        entry = Entry(self._next, subject, ap, attached_ns, heard_ns, decision, trigger, reason)
        self._entries.append(entry)
        self._next += 1
        return entry

    def since(self, number: int) -> list[dict[str, object]]:
        """The entries after a number, as JSON objects."""
        return [entry.listed() for entry in self._entries if entry.number > number]


def gravest(fates: Iterable[Fate]) -> Fate:
    """Of several ends the one that a person wants to hear of."""
    return min(fates, key=_GRAVEST_FIRST.index)
