"""The orchestrator's state: who is attached where, which host lives and is loaded; events in, decisions out.

No sockets and no clock: the time is an argument. What decides is `meclab.policy`; here is only what it needs to
know, and when it is asked: at every attach and announced move, when a load, a pin or the policy changes, when a host
falls silent or speaks again, and when a dwell time that held a device back is over. With `Policy.delay` the answer
comes that much later (`review`), from what is known then.

Where answers go by location (`meclab.namerules`), each access point is decided for as well, as for a device there that
has no pin.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import count

from hosts.orchestration.standings import (
    Attachment,
    AttachResult,
    Conflict,
    HostRecord,
    Prepared,
    Standing,
    UnknownName,
)
from meclab import namerules, policy
from meclab.messages import AttachEvent, LoadReport, Preparation
from meclab.model import SECOND
from meclab.plan import Plan
from meclab.policy import Decision, HostState, Trigger
from meclab.scenario import Policy

HEARTBEAT_NS = 200_000_000
"""How often a host reports; one that missed `HEARTBEATS_MISSED` in a row has failed."""
HEARTBEATS_MISSED = 3
PREPARED_NS = 5 * SECOND
"""How long an announced move is waited for; then the device is decided for where it is."""


@dataclass(frozen=True, order=True)
class _Question:
    """What is to be decided, and when."""

    due_ns: int
    number: int
    heard_ns: int = field(compare=False)
    trigger: Trigger = field(compare=False)
    device: str | None = field(compare=False, default=None)
    """Every device and location where it is none."""
    sequence: int | None = field(compare=False, default=None)
    """`attach`: which; a later attach has a question of its own."""


class Orchestrator:
    """Decides for every device of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.devices: dict[str, Attachment] = {}
        self.locations = {ap: Standing() for ap in namerules.locations(plan)}
        self.hosts = {node.name: HostRecord() for node in plan.mec_hosts}
        self.policy = plan.policy
        self._distance_ns = plan.distance_ns
        self._known = frozenset(device.name for device in plan.devices)
        self._open: list[_Question] = []
        """In order of time."""
        self._numbers = count()

    @property
    def due_ns(self) -> int | None:
        """When the next delayed decision is to be made (`review`)."""
        return self._open[0].due_ns if self._open else None

    @property
    def living(self) -> frozenset[str]:
        """The MEC hosts that are taken to live."""
        return frozenset(name for name, record in self.hosts.items() if record.state.alive)

    def start(self, now_ns: int) -> tuple[Decision, ...]:
        """The first decision of each location."""
        return self._of_locations("start", now_ns)

    def attach(self, event: AttachEvent, now_ns: int) -> AttachResult:
        """A device is at an access point. Raises `UnknownName` and `Conflict`."""
        self._require(event.device, event.ap)
        known = self.devices.get(event.device)
        if known is not None and event.sequence <= known.sequence:
            if event.sequence < known.sequence:
                return AttachResult("outdated", known.decision)
            if event.ap != known.ap:
                raise Conflict(f"attach {event.sequence} of {event.device} was at {known.ap}, not at {event.ap}")
            return AttachResult("repeated", known.decision)
        known = self.devices.setdefault(event.device, Attachment())
        prepared, known.prepared = known.prepared, None
        known.ap, known.sequence, known.attached_ns = event.ap, event.sequence, event.at_ns
        if prepared is not None and prepared.ap == event.ap and prepared.decided:
            return AttachResult("decided", self._confirm(event.device, known, prepared, now_ns))
        if self.policy.delay:
            self._later(now_ns, "attach", event.device, event.sequence)
            return AttachResult("delayed", None)
        return AttachResult("decided", self._decide(event.device, known, "attach", now_ns))

    def prepare(self, event: Preparation, now_ns: int) -> AttachResult:
        """A device is about to move to an access point. Raises `UnknownName`, and `Conflict` where it is nowhere."""
        self._require(event.device, event.ap)
        known = self.devices.get(event.device)
        if known is None:
            raise Conflict(f"{event.device} has not attached anywhere yet")
        if event.at_ns < known.attached_ns or event.ap == known.ap:
            return AttachResult("outdated", known.decision)
        if known.prepared is not None and known.prepared.ap == event.ap:
            return AttachResult("repeated", known.decision)
        known.prepared = Prepared(event.ap, known.host, now_ns + PREPARED_NS)
        if self.policy.delay:
            self._later(now_ns, "prepare", event.device)
            return AttachResult("delayed", None)
        return AttachResult("decided", self._decide(event.device, known, "prepare", now_ns))

    def load(self, report: LoadReport, now_ns: int) -> tuple[Decision, ...]:
        """A host reports; the decisions that change a device's host."""
        _require(report.host, self.hosts, "MEC host")
        record = self.hosts[report.host]
        before, record.state, record.heard_ns = record.state, HostState(load=report.load), now_ns
        if not before.alive:
            return self._soon("restore", now_ns)
        if before.load != report.load:
            return self._soon("load", now_ns)
        return ()

    def pin(self, device: str, host: str | None, now_ns: int) -> tuple[Decision, ...]:
        """The operator's rule for a device, or its end; the decisions that follow. Raises `UnknownName`."""
        _require(device, self._known, "device")
        pins = {known: at for known, at in self.policy.pins.items() if known != device}
        if host is not None:
            _require(host, self.hosts, "MEC host")
            pins[device] = host
        self.policy = self.policy.model_copy(update={"pins": pins})
        return self._soon("pin", now_ns, device)

    def change_policy(self, changed: Policy, now_ns: int) -> tuple[Decision, ...]:
        """Another policy from now on; the decisions that follow."""
        self.policy = changed
        return self._soon("policy", now_ns)

    def review(self, now_ns: int) -> tuple[Decision, ...]:
        """What time alone changes: hosts that fell silent, dwell times that are over, moves that never came, and
        decisions that were to take until now."""
        silent = [name for name, record in self.hosts.items() if _is_silent(record, now_ns)]
        for name in silent:
            record = self.hosts[name]
            record.state = HostState(record.state.load, alive=False)
        decided = list(self._soon("failure", now_ns)) if silent else []
        while self._open and self._open[0].due_ns <= now_ns:
            decided += self._answer(heapq.heappop(self._open), now_ns)
        due = [name for name, known in self.devices.items() if known.held_until_ns and known.held_until_ns <= now_ns]
        decided += self._changes(due, None, now_ns)
        held = [ap for ap, known in self.locations.items() if known.held_until_ns and known.held_until_ns <= now_ns]
        decided += self._of_locations(None, now_ns, held)
        return (*decided, *self._changes(self._abandoned(now_ns), "prepare", now_ns))

    def _abandoned(self, now_ns: int) -> list[str]:
        """Devices that were to move and have not."""
        found = [name for name, known in self.devices.items() if known.prepared and known.prepared.until_ns <= now_ns]
        for name in found:
            self.devices[name].prepared = None
        return found

    def _soon(self, trigger: Trigger, now_ns: int, device: str | None = None) -> tuple[Decision, ...]:
        """Decides for one device or all: at once, or when the policy's delay is over."""
        if self.policy.delay:
            self._later(now_ns, trigger, device)
            return ()
        return self._answer(_Question(now_ns, 0, now_ns, trigger, device), now_ns)

    def _later(self, now_ns: int, trigger: Trigger, device: str | None = None, sequence: int | None = None) -> None:
        due_ns = now_ns + self.policy.delay
        heapq.heappush(self._open, _Question(due_ns, next(self._numbers), now_ns, trigger, device, sequence))

    def _answer(self, question: _Question, now_ns: int) -> tuple[Decision, ...]:
        """The decisions that a question leads to; none where an attach or announcement has been overtaken."""
        if question.trigger in ("attach", "prepare"):
            assert question.device is not None, "one device attaches"
            decided = self._of_move(question, question.device, now_ns)
        elif question.device is not None:
            decided = self._changes([question.device], question.trigger, now_ns)
        else:
            located = self._of_locations(question.trigger, now_ns)
            decided = (*located, *self._changes(self.devices, question.trigger, now_ns))
        if question.heard_ns == now_ns:
            return decided
        return tuple(replace(decision, heard_ns=question.heard_ns) for decision in decided)

    def _of_move(self, question: _Question, device: str, now_ns: int) -> tuple[Decision, ...]:
        known = self.devices[device]
        overtaken = known.prepared is None if question.sequence is None else question.sequence != known.sequence
        decision = None if overtaken else self._decide(device, known, question.trigger, now_ns)
        return () if decision is None else (decision,)

    def _confirm(self, device: str, known: Attachment, prepared: Prepared, now_ns: int) -> Decision | None:
        """The attach that a decision was prepared for: from the host that the device had before."""
        decision = self._decide(device, known, "attach", now_ns)
        if decision is not None:
            decision = known.decision = replace(decision, previous=prepared.from_host)
        return decision

    def _changes(self, devices: Iterable[str], trigger: Trigger | None, now_ns: int) -> tuple[Decision, ...]:
        """Decides again for those that are attached; without a trigger, what a dwell time held back is due to what
        triggered it then. Who waits for the decision of an attach gets it from that."""
        waiting = {question.device for question in self._open if question.sequence is not None}
        decided = []
        for device in devices:
            if (known := self.devices.get(device)) is None or device in waiting:
                continue
            cause = trigger or (known.decision.trigger if known.decision else "attach")
            decided.append(self._decide(device, known, cause, now_ns))
        return tuple(decision for decision in decided if decision is not None and decision.changes)

    def _decide(self, device: str, known: Attachment, trigger: Trigger, now_ns: int) -> Decision | None:
        if trigger == "prepare" and known.prepared is not None:
            known.prepared = replace(known.prepared, decided=True)
        return self._settle(self.policy, device, known, known.place, trigger, now_ns)

    def _of_locations(
        self, trigger: Trigger | None, now_ns: int, aps: Iterable[str] | None = None
    ) -> tuple[Decision, ...]:
        """Decides again for access points, by default all; those that change."""
        anybody = self.policy.model_copy(update={"pins": {}})
        decided = []
        for ap in self.locations if aps is None else aps:
            known = self.locations[ap]
            cause = trigger or (known.decision.trigger if known.decision else "start")
            decision = self._settle(anybody, ap, known, ap, cause, now_ns)
            if decision is not None and decision.changes:
                decided.append(replace(decision, of_location=True))
        return tuple(decided)

    def _settle(
        self, rules: Policy, name: str, known: Standing, ap: str, trigger: Trigger, now_ns: int
    ) -> Decision | None:
        """The decision for a device or location, remembered."""
        states = {host: record.state for host, record in self.hosts.items()}
        among = policy.candidates(self._distance_ns[ap], states)
        decision = policy.decide(rules, name, among, known.host, known.changed_ns, trigger, now_ns)
        if decision is None:
            return None
        wish = policy.decide(rules, name, among, known.host, None, trigger, now_ns)
        held = wish is not None and wish.host != decision.host and known.changed_ns is not None
        known.held_until_ns = known.changed_ns + rules.dwell if held and known.changed_ns else None
        if decision.changes and known.host is not None:
            known.changed_ns = now_ns
        known.decision, known.host = replace(decision, ap=ap), decision.host
        return known.decision

    def _require(self, device: str, ap: str) -> None:
        _require(device, self._known, "device")
        _require(ap, self._distance_ns, "access point")


def _is_silent(record: HostRecord, now_ns: int) -> bool:
    alive_and_heard = record.state.alive and record.heard_ns is not None
    return alive_and_heard and now_ns - (record.heard_ns or 0) > HEARTBEATS_MISSED * HEARTBEAT_NS


def _require(name: str, valid: Iterable[str], kind: str) -> None:
    if name not in valid:
        raise UnknownName(f"{kind} {name}; expected one of {', '.join(sorted(valid))}")
