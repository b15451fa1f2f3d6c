"""From a run's markers to the changes of its devices: what happened to which device, when, and until when it counts.

A change is a move to another access point or, without a move, a decision that gives the device another host.
A device's first attach is neither.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from meclab.packets import Marker

_CAUSES = {"load": "load", "failure": "fail", "restore": "restore"}
"""Trigger of a decision to the event of the marker that caused it."""
_NEVER = 1 << 63


@dataclass(frozen=True)
class Change:
    """One change and its window, which runs from `t0_ns` to `end_ns`."""

    device: str
    trigger: str
    """Of the decision; `attach` for every move."""
    t0_ns: int
    """The attach, or the event that caused the decision where there is no move."""
    end_ns: int
    """The beginning of the device's next change, or the run's end less its drain."""
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
        """The detach where the device lost its radio first, else `t0_ns`."""
        return min(self.t0_ns, self.detach_ns or self.t0_ns)


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
        decision = _first(history.decisions, attach.at_ns, after, trigger="attach")
        found.append(_with_decision(change, decision) if decision else change)
    return found


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
        if trigger == "attach" or decision.fields["host"] == from_host:
            continue
        position = bisect_right(times, decision.at_ns)
        ap = history.attaches[position - 1].fields["ap"] if position else None
        t0_ns = _cause_ns(decision, markers)
        found.append(_with_decision(Change(device, trigger, t0_ns, 0, ap, ap), decision))
    return found


def _cause_ns(decision: Marker, markers: Sequence[Marker]) -> int:
    """When the event happened that made the orchestrator decide; the decision itself where there is none."""
    event = _CAUSES.get(decision.fields["trigger"])
    before = [marker for marker in markers if marker.event == event and marker.at_ns <= decision.at_ns]
    of_host = [marker for marker in before if marker.fields.get("host") == decision.fields.get("from_host")]
    causes = of_host if event == "fail" and of_host else before
    return causes[-1].at_ns if causes else decision.at_ns


def _with_decision(change: Change, decision: Marker) -> Change:
    return replace(
        change,
        to_host=decision.fields["host"],
        from_host=decision.fields.get("from_host") or change.from_host,
        decision_ns=decision.at_ns,
    )


def _host_at(history: _History, at_ns: int) -> str | None:
    """The host decided last before an instant."""
    position = bisect_left([decision.at_ns for decision in history.decisions], at_ns)
    return history.decisions[position - 1].fields["host"] if position else None


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
