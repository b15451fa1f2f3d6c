"""What happened around one handover, ready to draw: times in ms from `t0`, the attach."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from experiments.results import HandoverResult

SILENCE_FACTOR = 4.0
"""A host counts as silent when no reply came for this many probe intervals."""
BEFORE_MS, AFTER_MS = 60.0, 120.0
"""Least time shown before the detach and after the attach."""
LONGEST_MS = 5_000.0

Move = tuple[str | None, str | None]
"""From which access point to which."""


@dataclass(frozen=True)
class Reply:
    """A probe that was answered."""

    at_ms: float
    """When the reply reached the device."""
    rtt_ms: float
    host: str


@dataclass(frozen=True)
class Request:
    """A session request."""

    sent_ms: float
    done_ms: float | None
    """None where no response came."""
    host: str


@dataclass(frozen=True)
class Window:
    """One handover with the replies, losses and requests around it."""

    number: int
    """Counts the run's handovers, from 1."""
    result: HandoverResult
    t0_ns: int | None
    detach_ms: float | None
    decision_ms: float | None
    replies: tuple[Reply, ...]
    lost_ms: tuple[float, ...]
    """When each unanswered probe was sent."""
    requests: tuple[Request, ...]

    @property
    def moves(self) -> bool:
        """Whether the device moved, and not only its serving host changed."""
        return self.result.from_ap != self.result.to_ap

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts that answered, in order of their first answer."""
        return tuple(dict.fromkeys(reply.host for reply in self.replies))

    @property
    def host_before(self) -> str | None:
        """The host that answered last before the move."""
        start = min(0.0, self.detach_ms or 0.0)
        before = [reply.host for reply in self.replies if reply.at_ms <= start]
        return before[-1] if before else None


@dataclass(frozen=True)
class Band:
    """A time in which one host answered without a silence."""

    host: str
    start_ms: float
    end_ms: float


def bands(replies: Sequence[Reply]) -> tuple[Band, ...]:
    """Who served when, from the replies in order of time."""
    if not replies:
        return ()
    steps = [late.at_ms - early.at_ms for early, late in pairwise(replies)]
    step_ms = median(steps) if steps else 1.0
    found: list[Band] = []
    host, start, last = replies[0].host, replies[0].at_ms, replies[0].at_ms
    for reply in replies[1:]:
        silent = reply.at_ms - last > SILENCE_FACTOR * step_ms
        if reply.host != host or silent:
            found.append(Band(host, start, last if silent else reply.at_ms))
            host, start = reply.host, reply.at_ms
        last = reply.at_ms
    return (*found, Band(host, start, last + step_ms))


def span_ms(windows: Iterable[Window]) -> tuple[float, float]:
    """The time to draw, the same for every window: from before the detach until the last effect has passed."""
    start, end = -BEFORE_MS, AFTER_MS
    for window in windows:
        result = window.result
        start = min(start, (window.detach_ms or 0.0) - BEFORE_MS)
        end = max(end, 1.5 * (result.steer_ms or 0.0), 1.2 * (result.gap_ms or 0.0))
        end = max(end, 1.05 * (result.interruption_ms or 0.0), 1.5 * (window.detach_ms or 0.0))
    return max(start, -LONGEST_MS), min(end, LONGEST_MS)


def drawn(windows: Sequence[Window], most: int) -> tuple[Window, ...]:
    """At most so many windows, evenly spaced by rank of `steer_ms`, the quickest and the slowest included."""
    if len(windows) <= most:
        return tuple(windows)

    def slowness(window: Window) -> tuple[bool, float]:
        steer_ms = window.result.steer_ms
        return steer_ms is None, steer_ms or 0.0

    ranked = sorted(windows, key=slowness)
    picked = {round(i * (len(ranked) - 1) / (most - 1)) for i in range(most)}
    return tuple(sorted((ranked[i] for i in picked), key=lambda window: window.number))


def move(result: HandoverResult) -> Move:
    """Between which access points a handover was."""
    return result.from_ap, result.to_ap


def typical(windows: Sequence[Window], like: Move | None = None) -> Window | None:
    """The window whose `steer_ms` (where there is none, `interruption_ms`) is the median's nearest.

    Only windows of the move `like` are looked at where there are any, so that methods are shown alike.
    """
    windows = [window for window in windows if move(window.result) == like] or windows
    steered = [window for window in windows if window.result.steer_ms is not None]
    among = steered if 2 * len(steered) > len(windows) else list(windows)
    if not among:
        return None

    def effect(window: Window) -> float:
        result = window.result
        return result.steer_ms if result.steer_ms is not None else result.interruption_ms or 0.0

    middle = median(effect(window) for window in among)
    return min(among, key=lambda window: (abs(effect(window) - middle), window.number))
