"""From a run's markers to the changes of its devices: what happened to which device, when, and until when it counts.

A change is a move to another access point or, without a move, a decision that gives the device another host.
A device's first attach is neither. The decision about a move may come before it (`Policy.prepare`).
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from meclab.packets import Marker

_CAUSES = {"load": "load", "failure": "fail", "restore": "restore", "pin": "pin", "policy": "policy"}
"""Trigger of a decision to the event of the marker that caused it."""
_NEVER = 1 << 63


@dataclass(frozen=True)
class Change:
    """One change and its window, which runs from `t0_ns` to `end_ns`."""

    device: str
    trigger: str
    """Of the decision; `attach` for every move, prepared ones included."""
    t0_ns: int
    """The attach, or the event that caused the decision where there is no move."""
    end_ns: int
    """The beginning of the device's next change or of its preparation, or the run's end less its drain."""
    from_ap: str | None
    to_ap: str | None
    """The same as `from_ap` where the device did not move."""
    detach_ns: int | None = None
    """From the old access point; before `t0_ns` (break-before-make), after it (make-before-break) or none."""
    from_host: str | None = None
    to_host: str | None = None
    """The decided host; none where no decision came."""
    decision_ns: int | None = None
    previous_ns: int | None = None
    """`t0_ns` of the device's change, or first attach, before."""
    cut_by_change: bool = False
    """Whether the window ends with the device's next change, and not with the run."""

    @property
    def begin_ns(self) -> int:
        """`t0_ns`, or what came first: the decision that prepared the move, the detach."""
        return min(self.t0_ns, self.detach_ns or self.t0_ns, self.decision_ns or self.t0_ns)


@dataclass
class _History:
    """The markers of one device, in order of time."""

    attaches: list[Marker] = field(default_factory=list)
    detaches: list[Marker] = field(default_factory=list)
    decisions: list[Marker] = field(default_factory=list)


def changes(markers: Sequence[Marker], counted_until_ns: int) -> tuple[Change, ...]:
    """The changes of every device up to `counted_until_ns`, in order of `t0_ns`."""
    ordered = sorted(markers, key=lambda marker: marker.at_ns)
    histories: dict[str, _History] = defaultdict(_History)
    for marker in ordered:
        if marker.event in ("attach", "detach", "decision"):
            history = histories[marker.fields["device"]]
            {"attach": history.attaches, "detach": history.detaches, "decision": history.decisions}[
                marker.event
            ].append(marker)
    found: list[Change] = []
    for device, history in histories.items():
        own = [*_moves(device, history), *_decided(device, history, ordered)]
        own = sorted((change for change in own if change.t0_ns < counted_until_ns), key=lambda change: change.t0_ns)
        found += _bounded(own, history, counted_until_ns)
    return tuple(sorted(found, key=lambda change: (change.t0_ns, change.device)))


def _moves(device: str, history: _History) -> list[Change]:
    found = []
    for before, attach, after in _neighbours(history.attaches):
        from_ap = attach.fields.get("from_ap")
        if not from_ap:
            continue
        left = _first(history.detaches, before, after, ap=from_ap)
        change = Change(
            device,
            "attach",
            attach.at_ns,
            after,
            from_ap,
            attach.fields["ap"],
            detach_ns=left.at_ns if left else None,
            from_host=_host_at(history, attach.at_ns),
        )
        decision = _decision_of(history, before, attach, after)
        found.append(_with_decision(change, decision) if decision else change)
    return found


def _decision_of(history: _History, before_ns: int, attach: Marker, after_ns: int) -> Marker | None:
    """The decision about a move: the one at its attach or, where that only kept it, the one that prepared it."""
    decision = _first(history.decisions, attach.at_ns, after_ns, trigger="attach")
    prepared = _prepared(history, before_ns, attach)
    if decision is None or prepared is None:
        return decision or prepared
    return prepared if prepared.fields["host"] == decision.fields["host"] else decision


def _prepared(history: _History, before_ns: int, attach: Marker) -> Marker | None:
    """The last decision that prepared an attach, since the one before; for this access point, where it names one."""
    found = [
        decision
        for decision in history.decisions
        if decision.fields["trigger"] == "prepare"
        and before_ns <= decision.at_ns < attach.at_ns
        and decision.fields.get("ap") in (None, attach.fields["ap"])
    ]
    return found[-1] if found else None


def _neighbours(attaches: Sequence[Marker]) -> Iterator[tuple[int, Marker, int]]:
    """Each attach between the instants of the one before (0) and the one after (never)."""
    times = [0, *(attach.at_ns for attach in attaches), _NEVER]
    for index, attach in enumerate(attaches):
        yield times[index], attach, times[index + 2]


def _first(markers: Sequence[Marker], begin_ns: int, end_ns: int, **fields: str) -> Marker | None:
    """The first marker in [begin, end) with these fields."""
    for marker in markers:
        if begin_ns <= marker.at_ns < end_ns and fields.items() <= marker.fields.items():
            return marker
    return None


def _decided(device: str, history: _History, markers: Sequence[Marker]) -> list[Change]:
    found = []
    times = [attach.at_ns for attach in history.attaches]
    for decision in history.decisions:
        trigger, from_host = decision.fields["trigger"], decision.fields.get("from_host")
        position = bisect_right(times, decision.at_ns)
        if decision.fields["host"] == from_host or _is_of_move(decision, history, times[:position]):
            continue
        ap = history.attaches[position - 1].fields["ap"] if position else None
        t0_ns = _cause_ns(decision, markers)
        found.append(_with_decision(Change(device, trigger, t0_ns, 0, ap, ap), decision))
    return found


def _is_of_move(decision: Marker, history: _History, attached_ns: Sequence[int]) -> bool:
    """Whether a decision is about a move: preparing it, or the first at an attach. Later ones that an attach is the
    cause of come when a dwell time is over."""
    if decision.fields["trigger"] != "attach":
        return bool(decision.fields["trigger"] == "prepare")
    since_ns = attached_ns[-1] if attached_ns else 0
    return _first(history.decisions, since_ns, _NEVER, trigger="attach") is decision


def _cause_ns(decision: Marker, markers: Sequence[Marker]) -> int:
    """When the event happened that made the orchestrator decide; the decision itself where there is none."""
    event = _CAUSES.get(decision.fields["trigger"])
    before = [marker for marker in markers if marker.event == event and marker.at_ns <= decision.at_ns]
    if event == "fail":
        of_host = [marker for marker in before if marker.fields.get("host") == decision.fields.get("from_host")]
        before = of_host or before
    elif event == "pin":
        before = [marker for marker in before if marker.fields.get("device") == decision.fields["device"]]
    return before[-1].at_ns if before else decision.at_ns


def _with_decision(change: Change, decision: Marker) -> Change:
    return replace(
        change,
        to_host=decision.fields["host"],
        from_host=decision.fields.get("from_host") or change.from_host,
        decision_ns=decision.at_ns,
    )


def _host_at(history: _History, at_ns: int) -> str | None:
    """The host decided last before an instant, moves under preparation left out."""
    before = [d for d in history.decisions if d.at_ns < at_ns]
    while before and before[-1].fields["trigger"] == "prepare":
        before.pop()
    return before[-1].fields["host"] if before else None


def _bounded(own: Sequence[Change], history: _History, counted_until_ns: int) -> list[Change]:
    """One device's changes with their ends and what came before."""
    joined = history.attaches[0].at_ns if history.attaches else None
    bounded = []
    for index, change in enumerate(own):
        following = own[index + 1].begin_ns if index + 1 < len(own) else counted_until_ns
        bounded.append(
            replace(
                change,
                end_ns=max(change.t0_ns, min(following, counted_until_ns)),
                previous_ns=own[index - 1].t0_ns if index else joined,
                cut_by_change=following < counted_until_ns,
            )
        )
    return bounded
