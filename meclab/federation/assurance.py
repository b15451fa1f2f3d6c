"""A broker's assurance: it probes what members advertise, keeps a record, and withdraws what fails."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, Literal

WITHDRAW_AFTER: Final = 3
"""Failed probes in a row."""
RESTORE_AFTER: Final = 2
"""Good probes in a row."""
_WINDOW: Final = 100
_FEWEST: Final = 10
_KEPT_BREACHES: Final = 1000
Outcome = Literal["good", "unreachable", "contradicts"]
"""`contradicts`: it answers, and is not what its member has advertised."""
Verdict = Literal["none", "withdraw", "restore"]


@dataclass(frozen=True)
class Probe:
    """One look at a system."""

    outcome: Outcome
    at_ns: int
    took_ns: int
    detail: str = ""


@dataclass(frozen=True)
class Breach:
    """Something that a member agreed to and did not keep."""

    system: str
    member: str
    at_ns: int
    rule: Literal["UNREACHABLE", "CONTRADICTS", "AVAILABILITY"]
    detail: str


@dataclass
class Record:
    """What is known of one system by probing it."""

    member: str
    agreed: float
    """Share of probes that must succeed."""
    probes: deque[Probe] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    withdrawn: bool = False
    below: bool = False
    failed: int = 0
    """In a row; likewise the next."""
    good: int = 0

    @property
    def availability(self) -> float | None:
        """Share of the last 100 probes that were good; none before the first."""
        return sum(probe.outcome == "good" for probe in self.probes) / len(self.probes) if self.probes else None

    def listed(self) -> dict[str, object]:
        """As a JSON object."""
        last = self.probes[-1] if self.probes else None
        return {
            "member": self.member,
            "availability": self.availability,
            "agreed": self.agreed,
            "probes": len(self.probes),
            "withdrawn": self.withdrawn,
            "last": None if last is None else {"outcome": last.outcome, "at_ns": last.at_ns, "detail": last.detail},
        }


class Assurance:
    """Records of all systems, and the breaches found."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.breaches: deque[Breach] = deque(maxlen=_KEPT_BREACHES)

    def watch(self, system: str, member: str, agreed: float) -> None:
        """A system to be probed."""
        self.records.setdefault(system, Record(member, agreed))

    def forget(self, system: str) -> None:
        """Its breaches stay."""
        self.records.pop(system, None)

    def take(self, system: str, probe: Probe) -> Verdict:
        """A probe's result, and what follows. A breach is recorded when it begins and not again while it lasts."""
        record = self.records.get(system)
        if record is None:
            return "none"
        record.probes.append(probe)
        good = probe.outcome == "good"
        record.good, record.failed = (record.good + 1, 0) if good else (0, record.failed + 1)
        self._judge(system, record, probe)
        if not record.withdrawn and record.failed >= WITHDRAW_AFTER:
            record.withdrawn = True
            self._breach(system, record, probe, "CONTRADICTS" if probe.outcome == "contradicts" else "UNREACHABLE")
            return "withdraw"
        if record.withdrawn and record.good >= RESTORE_AFTER:
            record.withdrawn = False
            return "restore"
        return "none"

    def _judge(self, system: str, record: Record, probe: Probe) -> None:
        share = record.availability
        below = share is not None and len(record.probes) >= _FEWEST and share < record.agreed
        if below and not record.below:
            self._breach(system, record, probe, "AVAILABILITY", f"{share:.2f} of {record.agreed:.2f} agreed")
        record.below = below

    def _breach(
        self,
        system: str,
        record: Record,
        probe: Probe,
        rule: Literal["UNREACHABLE", "CONTRADICTS", "AVAILABILITY"],
        detail: str = "",
    ) -> None:
        self.breaches.append(Breach(system, record.member, probe.at_ns, rule, detail or probe.detail))
