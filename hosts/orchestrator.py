"""The orchestrator's state: who is attached where, which host lives and is loaded; events in, decisions out.

No sockets and no clock: the time is an argument. What decides is `meclab.policy`; here is only what it needs to
know, and when it is asked: at every attach, when a load changes, when a host falls silent or speaks again, and
when a dwell time that held a device back is over.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from meclab import policy
from meclab.errors import PeerError
from meclab.messages import AttachEvent, LoadReport
from meclab.plan import Plan
from meclab.policy import Decision, HostState, Trigger

HEARTBEAT_NS = 200_000_000
"""How often a host reports; one that missed `HEARTBEATS_MISSED` in a row has failed."""
HEARTBEATS_MISSED = 3


class UnknownName(PeerError):
    """A message names a device, access point or host that the plan does not have."""


class Conflict(PeerError):
    """A message contradicts an earlier one with the same sequence number."""


@dataclass
class Attachment:
    """What is known of one device."""

    ap: str
    sequence: int
    attached_ns: int
    """CLOCK_REALTIME of the attach, as the access point told it."""
    decision: Decision | None = None
    """The last one; none where no host was alive."""
    host: str | None = None
    changed_ns: int | None = None
    """When its host last changed; none before the first change."""
    held_until_ns: int | None = None
    """End of the dwell time that keeps it from a better host."""


@dataclass
class HostRecord:
    """What is known of one MEC host."""

    state: HostState = field(default_factory=HostState)
    heard_ns: int | None = None
    """Its last report; none before the first: until then it is taken to live, idle."""


@dataclass(frozen=True)
class AttachResult:
    """What an attach event led to: `decided`, or nothing because it repeats or is older than what is known."""

    outcome: Literal["decided", "repeated", "outdated"]
    decision: Decision | None


class Orchestrator:
    """Decides for every device of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.devices: dict[str, Attachment] = {}
        self.hosts = {node.name: HostRecord() for node in plan.mec_hosts}
        self._policy = plan.policy
        self._distance_ns = plan.distance_ns
        self._known = frozenset(device.name for device in plan.devices)

    def attach(self, event: AttachEvent, now_ns: int) -> AttachResult:
        """A device is at an access point. Raises `UnknownName` and `Conflict`."""
        _require(event.device, self._known, "device")
        _require(event.ap, self._distance_ns, "access point")
        known = self.devices.get(event.device)
        if known is not None and event.sequence <= known.sequence:
            if event.sequence < known.sequence:
                return AttachResult("outdated", known.decision)
            if event.ap != known.ap:
                raise Conflict(f"attach {event.sequence} of {event.device} was at {known.ap}, not at {event.ap}")
            return AttachResult("repeated", known.decision)
        if known is None:
            known = self.devices[event.device] = Attachment(event.ap, event.sequence, event.at_ns)
        known.ap, known.sequence, known.attached_ns = event.ap, event.sequence, event.at_ns
        return AttachResult("decided", self._decide(event.device, known, "attach", now_ns))

    def load(self, report: LoadReport, now_ns: int) -> tuple[Decision, ...]:
        """A host reports; the decisions that change a device's host."""
        _require(report.host, self.hosts, "MEC host")
        record = self.hosts[report.host]
        before, record.state, record.heard_ns = record.state, HostState(load=report.load), now_ns
        if not before.alive:
            return self._changes(self.devices, "restore", now_ns)
        if before.load != report.load:
            return self._changes(self.devices, "load", now_ns)
        return ()

    def review(self, now_ns: int) -> tuple[Decision, ...]:
        """What time alone changes: hosts that fell silent, and dwell times that are over."""
        silent = [name for name, record in self.hosts.items() if _is_silent(record, now_ns)]
        for name in silent:
            record = self.hosts[name]
            record.state = HostState(record.state.load, alive=False)
        if silent:
            return self._changes(self.devices, "failure", now_ns)
        due = [name for name, known in self.devices.items() if known.held_until_ns and known.held_until_ns <= now_ns]
        return self._changes(due, None, now_ns)

    def _changes(self, devices: Iterable[str], trigger: Trigger | None, now_ns: int) -> tuple[Decision, ...]:
        """Decides again; without a trigger, what a dwell time held back is due to what triggered it then."""
        decided = []
        for device in devices:
            known = self.devices[device]
            cause = trigger or (known.decision.trigger if known.decision else "attach")
            decided.append(self._decide(device, known, cause, now_ns))
        return tuple(decision for decision in decided if decision is not None and decision.changes)

    def _decide(self, device: str, known: Attachment, trigger: Trigger, now_ns: int) -> Decision | None:
        states = {name: record.state for name, record in self.hosts.items()}
        among = policy.candidates(self._distance_ns[known.ap], states)
        decision = policy.decide(self._policy, device, among, known.host, known.changed_ns, trigger, now_ns)
        if decision is None:
            return None
        wish = policy.decide(self._policy, device, among, known.host, None, trigger, now_ns)
        held = wish is not None and wish.host != decision.host and known.changed_ns is not None
        known.held_until_ns = known.changed_ns + self._policy.dwell if held and known.changed_ns else None
        if decision.changes and known.host is not None:
            known.changed_ns = now_ns
        known.decision, known.host = decision, decision.host
        return decision


def _is_silent(record: HostRecord, now_ns: int) -> bool:
    alive_and_heard = record.state.alive and record.heard_ns is not None
    return alive_and_heard and now_ns - (record.heard_ns or 0) > HEARTBEATS_MISSED * HEARTBEAT_NS


def _require(name: str, valid: Iterable[str], kind: str) -> None:
    if name not in valid:
        raise UnknownName(f"{kind} {name}; expected one of {', '.join(sorted(valid))}")
