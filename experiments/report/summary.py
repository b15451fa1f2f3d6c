"""Medians and ranges over the handovers of runs that belong together: the rows of every comparison."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from experiments.results import HandoverResult, RunResult

CONFIDENCE = 0.95
SMALLEST_FOR_CONFIDENCE = 6
"""Fewer values than this give no 95 % interval of the median by order statistics: their range is shown."""


@dataclass(frozen=True)
class Column:
    """A column of the comparison."""

    metric: str
    title: str
    unit: str
    meaning: str
    digits: int = 1


COLUMNS = (
    Column("radio_gap_ms", "radio gap", "ms", "detach to attach, as the air did it"),
    Column("decide_ms", "decide", "ms", "attach to the orchestrator's decision"),
    Column("learn_ms", "learn", "ms", "attach to the first message that names the decided host to the device"),
    Column("steer_ms", "steer", "ms", "attach to the first probe reply from the decided host"),
    Column("gap_ms", "gap", "ms", "last probe reply before the detach to the first after it"),
    Column("interruption_ms", "interruption", "ms", "longest time without a completed session request"),
    Column("rtt_before_ms", "RTT before", "ms", "median probe RTT before the detach"),
    Column("detour_rtt_ms", "RTT detour", "ms", "median probe RTT after attach, from another host than the decided"),
    Column("rtt_after_ms", "RTT after", "ms", "median probe RTT from the host that serves in the end"),
    Column("lost", "lost", "probes", "probes that never got a reply", 0),
    Column("resets", "resets", "conn.", "session connections broken by network or server", 0),
    Column("stale_requests", "stale", "req.", "session requests that reached another host than the decided one", 0),
    Column("signalling_msgs", "signalling", "msgs", "the method's own messages until the device was steered", 0),
)
COUNTS = frozenset(column.metric for column in COLUMNS if column.digits == 0)
SHOWN_LARGE = ("steer_ms", "gap_ms", "interruption_ms")
"""The metrics that answer the lab's question."""


@dataclass(frozen=True)
class Cell:
    """One metric of one row of the comparison."""

    median: float | None
    low: float | None = None
    high: float | None = None
    kind: Literal["value", "range", "confidence"] = "value"
    """What `low` and `high` are: nothing, the smallest and largest value, or the 95 % interval of the median."""
    count: int = 0
    missing: int = 0
    """Handovers without a value, such as a device that was never steered."""

    @property
    def spread(self) -> bool:
        """Whether there is more to say than the median."""
        return self.low is not None and self.high is not None and self.low != self.high


@dataclass(frozen=True)
class Row:
    """Runs that differ in nothing but seed and time."""

    label: str
    results: tuple[RunResult, ...]

    @property
    def handovers(self) -> tuple[HandoverResult, ...]:
        return tuple(handover for result in self.results for handover in result.handovers)

    @property
    def incomplete(self) -> int:
        return sum(result.status == "incomplete" for result in self.results)

    @property
    def failed(self) -> int:
        return sum(result.status == "failed" for result in self.results)

    @property
    def untrusted(self) -> int:
        return sum(not result.fidelity.trusted for result in self.results)

    def cell(self, metric: str) -> Cell:
        """The median of a metric over the row's handovers, with how far it can be relied on."""
        values = [getattr(handover, metric) for handover in self.handovers]
        return cell(values, counted=metric in COUNTS)

    def signalling(self) -> tuple[float | None, float | None, float | None, float | None]:
        """The method's own messages and bytes: median per move, and mean per device and minute with no event."""
        rates = [result.signalling_per_min for result in self.results]
        quiet = [[value for rate in rates if (value := getattr(rate, name)) is not None] for name in ("msgs", "bytes")]
        per_move = (self.cell("signalling_msgs").median, self.cell("signalling_bytes").median)
        return (*per_move, *(statistics.mean(values) if values else None for values in quiet))  # type: ignore[return-value]

    def notes(self) -> tuple[str, ...]:
        """What the runs say of themselves beside their figures, each once."""
        return tuple(dict.fromkeys(note for result in self.results for note in result.notes))

    def served_by(self) -> str:
        """`mec2`, or `mec1, mec2` where the handovers end at different hosts."""
        return ", ".join(sorted({handover.served_by or "nobody" for handover in self.handovers}))


def cell(values: Iterable[float | int | None], counted: bool = False) -> Cell:
    """Median with range or interval; nulls are counted and left out.

    Counts always get their range, because a rare loss is what matters and an interval of the median hides it.
    """
    given = list(values)
    known = sorted(float(value) for value in given if value is not None)
    missing = len(given) - len(known)
    if not known:
        return Cell(None, missing=missing)
    median = statistics.median(known)
    if len(known) == 1:
        return Cell(median, count=1, missing=missing)
    if counted or len(known) < SMALLEST_FOR_CONFIDENCE:
        return Cell(median, known[0], known[-1], "range", len(known), missing)
    rank = _rank(len(known))
    return Cell(median, known[rank], known[-1 - rank], "confidence", len(known), missing)


def _rank(count: int) -> int:
    """Index of the order statistic that bounds the median with `CONFIDENCE`, from the binomial distribution.

    Hahn and Meeker, "Statistical Intervals", section 5.2; needs no assumption on the distribution.
    """
    tail, rank = 0.0, -1
    log_half = -count * math.log(2)
    for i in range(count // 2):
        log_ways = math.lgamma(count + 1) - math.lgamma(i + 1) - math.lgamma(count - i + 1)
        tail += math.exp(log_ways + log_half)
        if 2 * tail > 1 - CONFIDENCE:
            break
        rank = i
    return max(rank, 0)


def rows(results: Sequence[RunResult], parameters: Sequence[Mapping[str, str]] | None = None) -> tuple[Row, ...]:
    """Results by method and whatever else differs among them, in the order in which they first appear.

    `parameters` are each run's scenario settings, as far as known; those that differ go into the label.
    """
    described = [_described(result, dict(parameters[i]) if parameters else {}) for i, result in enumerate(results)]
    varying = [key for key in _keys(described) if len({one.get(key) for one in described}) > 1]
    grouped: dict[str, list[RunResult]] = {}
    for result, one in zip(results, described, strict=True):
        extra = [_short(key, one.get(key)) for key in varying]
        grouped.setdefault(", ".join([method_label(result), *extra]), []).append(result)
    return tuple(Row(label, tuple(found)) for label, found in grouped.items())


def method_label(result: RunResult) -> str:
    """`vip pinned`."""
    return f"{result.method} {result.variant}" if result.variant else result.method


def _described(result: RunResult, parameters: dict[str, str]) -> dict[str, str | None]:
    own: dict[str, str | None] = {
        key: str(getattr(result, key)) for key in ("scenario", "dataplane", "links", "family")
    }
    return own | parameters


def _keys(described: Sequence[Mapping[str, str | None]]) -> list[str]:
    return list(dict.fromkeys(key for one in described for key in one))


def _short(key: str, value: str | None) -> str:
    return str(value) if key in ("scenario", "dataplane", "links", "family") else f"{key}={value}"
