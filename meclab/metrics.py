"""The metrics of a change, as pure functions of what the captures showed.

A metric that has nothing to be computed from is none. A window runs from the change's `t0_ns` to its
`end_ns`; what was sent at its end itself belongs to the next. `MARGIN_NS` is the second before `t0` and after the
steer that the definitions of `gap_ms` and `rtt_before_ms` look at.
"""

import itertools
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from meclab.changes import Change
from meclab.observations import BROKEN, ConnectionSeen, LessonSeen, MessageSeen, ProbeSeen, RequestSeen

MARGIN_NS = 1_000_000_000


class Track:
    """What the captures showed of one device, ready to be asked about windows of time."""

    def __init__(
        self,
        probes: Iterable[ProbeSeen] = (),
        requests: Iterable[RequestSeen] = (),
        connections: Iterable[ConnectionSeen] = (),
        lessons: Iterable[LessonSeen] = (),
    ) -> None:
        self.probes = sorted(probes, key=lambda probe: probe.sent_ns)
        self.requests = sorted(requests, key=lambda request: request.sent_ns)
        self.connections = tuple(connections)
        self.lessons = sorted(lessons, key=lambda lesson: lesson.at_ns)
        replies = sorted((p.replied_ns, p.host) for p in self.probes if p.replied_ns is not None)
        self.replied_ns = [at_ns for at_ns, _ in replies]
        self.replied_by = [host for _, host in replies]
        self.done_ns = sorted(request.done_ns for request in self.requests if request.done_ns is not None)
        self._sent_ns = [probe.sent_ns for probe in self.probes]

    def sent(self, begin_ns: int, end_ns: int) -> Sequence[ProbeSeen]:
        """The probes sent in [begin, end)."""
        return self.probes[bisect_left(self._sent_ns, begin_ns) : bisect_left(self._sent_ns, end_ns)]


@dataclass(frozen=True)
class Outcome:
    """The metrics of one change."""

    radio_gap_ms: float | None
    """Detach to attach; 0 where the new access point came first; none without a detach."""
    decide_ms: float | None
    """`t0` to the decision; negative where the move was prepared."""
    learn_ms: float | None
    """`t0` to the arrival at the device of the first message of the window that names the decided host to it; of a
    decision before `t0` that message counts from the decision on, and this may be negative. None where nothing came."""
    gap_ms: float | None
    """Last probe reply before the detach to the first after it; of a reply that still came in between, the longer
    side. Where the device never was without an access point:
    the longest silence between `t0` - 1 s and steer + 1 s, inside the window (make-before-break: at least to 1 s
    after the detach; without a steer: to the window's end)."""
    steer_ms: float | None
    """`t0` to the first probe reply at the device from the decided host; none if not in the window."""
    interruption_ms: float | None
    """The longest time of the window without a completed session request, its edges included; none for a device
    without a session."""
    rtt_before_ms: float | None
    """Median over the probes sent in the second before the change began, but not before the previous `t0`."""
    detour_rtt_ms: float | None
    """Median over the window's probes that another host than the decided one answered; none if none."""
    rtt_after_ms: float | None
    """Median over the window's probes that `served_by` answered."""
    lost: int
    """Probes of the window that never got a reply, less those `in_flight`."""
    resets: int
    """Established session connections that network or server broke in the window, or since an earlier decision."""
    reconnects: int
    """Session connections that the client closed by its own choice in the window, or since an earlier decision."""
    stale_requests: int
    """Session requests that arrived at another host than the decided one, between the decision and the window's
    end; before `t0` none is stale."""
    served_by: str | None
    """Host that answered the last answered probe of the window."""
    signalling_msgs: int
    """The method's own messages, from `t0`, or an earlier decision, to the steer or, without one, the window's end."""
    signalling_bytes: int
    probes: int
    """Probes sent in the window."""
    in_flight: int
    """Unanswered probes that were on their way when the device's next change began: sent after the last answered
    one and less than twice its RTT before the end. They are that change's doing and are not `lost`."""
    learned_by: str | None
    """What that first message was: `dns`, `redirect`, `notification`, `context`."""
    cache_age_ms: float | None
    """Age at `t0` of the last answer to the application's name that the device took before, counted from the
    authoritative server; none where it took none."""


def outcome(change: Change, track: Track, messages: Sequence[MessageSeen]) -> Outcome:
    """The metrics of one change; `messages` are the run's control messages."""
    steered_ns = steer_ns(change, track)
    sent = track.sent(change.t0_ns, change.end_ns)
    server = served_by(sent)
    in_flight = _in_flight(change, sent)
    until_ns = change.end_ns if steered_ns is None else steered_ns
    learned = learned_at(change, track)
    own = own_messages(messages, change.device, _told_from_ns(change), until_ns)
    return Outcome(
        radio_gap_ms=None if change.detach_ns is None else _ms(max(0, change.t0_ns - change.detach_ns)),
        decide_ms=None if change.decision_ns is None else _ms(change.decision_ns - change.t0_ns),
        learn_ms=None if learned is None else _ms(learned.at_ns - change.t0_ns),
        gap_ms=_optional_ms(gap_ns(change, track, steered_ns)),
        steer_ms=None if steered_ns is None else _ms(steered_ns - change.t0_ns),
        interruption_ms=_optional_ms(interruption_ns(change, track)),
        rtt_before_ms=rtt_ms(track.sent(_before_ns(change), change.begin_ns)),
        detour_rtt_ms=rtt_ms(p for p in sent if change.to_host and p.host != change.to_host),
        rtt_after_ms=rtt_ms(p for p in sent if p.host == server),
        lost=sum(p.replied_ns is None for p in sent) - in_flight,
        resets=sum(c.established_ns is not None and c.ending in BROKEN for c in _closed(change, track)),
        reconnects=sum(c.ending == "client" for c in _closed(change, track)),
        stale_requests=len({request.number for request in track.requests if is_stale(change, request)}),
        served_by=server,
        signalling_msgs=len(own),
        signalling_bytes=sum(message.size_bytes for message in own),
        probes=len(sent),
        in_flight=in_flight,
        learned_by=None if learned is None else learned.by,
        cache_age_ms=_optional_ms(cache_age_ns(change, track)),
    )


def learned_at(change: Change, track: Track) -> LessonSeen | None:
    """The first message that named the decided host to the device, from `t0` or an earlier decision on."""
    if change.to_host is None:
        return None
    begin_ns = _told_from_ns(change)
    named = (lesson for lesson in track.lessons if lesson.host == change.to_host)
    return next((lesson for lesson in named if begin_ns <= lesson.at_ns < change.end_ns), None)


def cache_age_ns(change: Change, track: Track) -> int | None:
    """How old the device's last answer to the application's name was at `t0`."""
    handed = [lesson.handed_ns for lesson in track.lessons if lesson.handed_ns is not None]
    taken = [lesson.at_ns for lesson in track.lessons if lesson.handed_ns is not None]
    before = bisect_left(taken, change.t0_ns)
    return change.t0_ns - handed[before - 1] if before else None


def steer_ns(change: Change, track: Track) -> int | None:
    """When the first reply of the decided host reached the device in the window."""
    begin, end = bisect_left(track.replied_ns, change.t0_ns), bisect_left(track.replied_ns, change.end_ns)
    for index in range(begin, end):
        if track.replied_by[index] == change.to_host:
            return track.replied_ns[index]
    return None


def gap_ns(change: Change, track: Track, steered_ns: int | None) -> int | None:
    """The silence that the device's probes saw."""
    if change.detach_ns is not None and change.detach_ns <= change.t0_ns:
        before = bisect_right(track.replied_ns, change.detach_ns) - 1
        after = bisect_left(track.replied_ns, change.t0_ns)
        if before < 0 or after == len(track.replied_ns):
            return None
        return longest_silence_ns(track.replied_ns, track.replied_ns[before], track.replied_ns[after])
    if not track.probes:
        return None
    low = max(change.t0_ns - MARGIN_NS, change.previous_ns or 0, track.probes[0].sent_ns)
    if steered_ns is None:
        high = change.end_ns
    else:
        high = min(max(steered_ns, change.detach_ns or 0) + MARGIN_NS, change.end_ns)
    return longest_silence_ns(track.replied_ns, low, high)


def interruption_ns(change: Change, track: Track) -> int | None:
    """The longest time of the window without a completed request."""
    return longest_silence_ns(track.done_ns, change.t0_ns, change.end_ns) if track.requests else None


def longest_silence_ns(instants: Sequence[int], begin_ns: int, end_ns: int) -> int:
    """The longest part of [begin, end] without an instant; `instants` in order."""
    inside = instants[bisect_right(instants, begin_ns) : bisect_left(instants, end_ns)]
    edges = [begin_ns, *inside, max(begin_ns, end_ns)]
    return max(after - before for before, after in itertools.pairwise(edges))


def rtt_ms(probes: Iterable[ProbeSeen]) -> float | None:
    """The median RTT of the answered ones."""
    found = [probe.rtt_ns for probe in probes if probe.rtt_ns is not None]
    return _ms(statistics.median(found)) if found else None


def served_by(sent: Sequence[ProbeSeen]) -> str | None:
    """The host that answered the last answered probe."""
    return next((probe.host for probe in reversed(sent) if probe.replied_ns is not None), None)


def is_stale(change: Change, request: RequestSeen) -> bool:
    """Whether a request arrived at another host than the decided one after the decision."""
    if change.decision_ns is None:
        return False
    begin_ns = max(change.decision_ns, change.t0_ns)
    return any(
        delivery.host != change.to_host and begin_ns <= delivery.at_ns < change.end_ns
        for delivery in request.deliveries
    )


def own_messages(messages: Sequence[MessageSeen], device: str, begin_ns: int, end_ns: int) -> list[MessageSeen]:
    """The method's own messages in [begin, end] that are about this device, or about no single one."""
    return [m for m in messages if m.own and begin_ns <= m.at_ns <= end_ns and m.device in ("", device)]


def quiet_spans(begin_ns: int, end_ns: int, busy: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The parts of [begin, end) that no busy span touches."""
    spans, at_ns = [], begin_ns
    for busy_from, busy_to in sorted(busy):
        if busy_from > at_ns:
            spans.append((at_ns, min(busy_from, end_ns)))
        at_ns = max(at_ns, busy_to)
        if at_ns >= end_ns:
            return spans
    return [*spans, (at_ns, end_ns)] if at_ns < end_ns else spans


def busy_span(change: Change, track: Track) -> tuple[int, int]:
    """The time that a change keeps the control plane busy: to one second after the steer, or the window's end."""
    steered_ns = steer_ns(change, track)
    return change.begin_ns, change.end_ns if steered_ns is None else steered_ns + MARGIN_NS


def rate_per_min(
    messages: Sequence[MessageSeen], spans: Sequence[tuple[int, int]], devices: int
) -> tuple[float, float] | None:
    """(messages, bytes) of the method's own per device and minute of these spans; none where they are empty."""
    minutes = sum(end - begin for begin, end in spans) / 60e9
    if minutes <= 0 or devices <= 0:
        return None
    own = [m for m in messages if m.own and any(begin <= m.at_ns < end for begin, end in spans)]
    return len(own) / minutes / devices, sum(m.size_bytes for m in own) / minutes / devices


def _told_from_ns(change: Change) -> int:
    """From when on somebody is told of a change: its decision where that came before `t0`."""
    return min(change.t0_ns, change.decision_ns or change.t0_ns)


def _before_ns(change: Change) -> int:
    return max(change.begin_ns - MARGIN_NS, change.previous_ns or 0)


def _closed(change: Change, track: Track) -> list[ConnectionSeen]:
    """The connections that ended in the window, or since the decision that prepared the move."""
    begin_ns = _told_from_ns(change)
    return [c for c in track.connections if c.closed_ns is not None and begin_ns <= c.closed_ns < change.end_ns]


def _in_flight(change: Change, sent: Sequence[ProbeSeen]) -> int:
    if not change.cut_by_change:
        return 0
    answered = [probe.rtt_ns for probe in sent if probe.rtt_ns is not None]
    if not answered:
        return 0
    reach_ns = 1.25 * statistics.median(answered)
    return sum(probe.replied_ns is None and change.end_ns - probe.sent_ns < reach_ns for probe in sent)


def _ms(ns: float) -> float:
    return round(ns / 1e6, 3)


def _optional_ms(ns: int | None) -> float | None:
    return None if ns is None else _ms(ns)
