"""How far a run can be trusted: its own accuracy, measured by its captures, against fixed thresholds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.results import Fidelity
from meclab.observations import ProbeSeen

if TYPE_CHECKING:
    from experiments.crosscheck import LogDifference
    from experiments.measurement.links import LinkDelay

DELAY_ERROR_MS, DELAY_ERROR_SHARE = 0.5, 0.05
"""A link's delay error at p99 is at most the larger of the two, the share being of its configured delay."""
BUSY_SHARE = 0.85
LATENESS_MS = 1.0
LOG_DIFFERENCE_MS = 1.0
_FEWEST_FOR_P99 = 20
_NAMED = 3
"""At most so many links are named in a reason."""


@dataclass(frozen=True)
class SendLateness:
    """How punctual a device's probes left its interface: a row of `senders.csv`."""

    device: str
    probes: int
    p50_ms: float
    p99_ms: float
    max_ms: float


def lateness_ns(probes: Sequence[ProbeSeen], interval_ns: int) -> list[int]:
    """How late each probe of one device was against an even grid, in order of sequence.

    The grid is the line that the earliest probes lie on; its pace is taken from the first and last tenth, so that a
    clock that is being slewed does not look like lateness.
    """
    if not probes:
        return []
    ordered = sorted(probes, key=lambda probe: probe.sequence)
    sequence = np.array([probe.sequence for probe in ordered], dtype=np.float64)
    base_ns = ordered[0].sent_ns
    offset = np.array([probe.sent_ns - base_ns for probe in ordered], dtype=np.float64) - sequence * interval_ns
    tenth = max(1, len(ordered) // 10)
    first, last = int(np.argmin(offset[:tenth])), len(ordered) - tenth + int(np.argmin(offset[-tenth:]))
    pace = (offset[last] - offset[first]) / (sequence[last] - sequence[first]) if last > first else 0.0
    level = offset - pace * sequence
    return [int(late) for late in level - level.min()]


def punctuality(probes_of: Mapping[str, Sequence[ProbeSeen]], interval_ns: int) -> tuple[list[SendLateness], list[int]]:
    """A row per device, and the lateness of every probe."""
    rows, together = [], []
    for device, probes in probes_of.items():
        late = lateness_ns(probes, interval_ns)
        together += late
        if late:
            rows.append(SendLateness(device, len(late), *spread_ms(late)))
    return rows, together


@dataclass(frozen=True)
class Evidence:
    """What the verdict is made from."""

    probes: int
    noise_floor_ms: float | None
    delay_error_ms: tuple[float, float] | None
    """p50 and p99 over all links."""
    links: "Sequence[LinkDelay]"
    lateness_ns: Sequence[int]
    busy: Sequence[float]
    dropped: int
    log_differences: "Sequence[LogDifference]"
    problems: Sequence[str]
    """What else is wrong with the captures, in words."""


def verdict(evidence: Evidence) -> Fidelity:
    """The public account of a run's accuracy, with every reason not to trust it."""
    reasons = [*evidence.problems, *_reasons(evidence)]
    error = evidence.delay_error_ms
    return Fidelity(
        noise_floor_rtt_ms=evidence.noise_floor_ms,
        delay_error_p50_ms=error[0] if error else None,
        delay_error_p99_ms=error[1] if error else None,
        cpu_busy_p95=round(float(np.percentile(evidence.busy, 95)), 3) if evidence.busy else None,
        capture_drops=evidence.dropped,
        trusted=not reasons,
        reasons=tuple(reasons),
    )


def _reasons(evidence: Evidence) -> Iterable[str]:
    if not evidence.probes:
        yield "no probe was captured"
    if evidence.dropped:
        yield f"the captures lost {evidence.dropped} frames"
    if evidence.probes and evidence.delay_error_ms is None:
        yield "no link's delay could be measured"
    yield from _link_reasons(evidence.links)
    if not evidence.busy:
        yield "the processors' load was not sampled"
    elif (busy := float(np.percentile(evidence.busy, 95))) > BUSY_SHARE:
        yield f"the processors were {busy:.0%} busy at p95, above {BUSY_SHARE:.0%}"
    if evidence.lateness_ns and (late := spread_ms(evidence.lateness_ns)[1]) > LATENESS_MS:
        yield f"probes left {late:.2f} ms late at p99, above {LATENESS_MS:g} ms"
    yield from _log_reasons(evidence.log_differences)


def _link_reasons(links: "Sequence[LinkDelay]") -> Iterable[str]:
    off = [link for link in links if not link.crossing.limited and link.error_p99_ms > _allowed_ms(link)]
    for link in sorted(off, key=lambda link: -link.error_p99_ms)[:_NAMED]:
        ends = f"{link.crossing.from_node} to {link.crossing.to_node}"
        yield (
            f"the delay from {ends} was off by {link.error_p99_ms:.2f} ms at p99, above {_allowed_ms(link):.2f} ms "
            f"(configured {link.configured_ms:g} ms)"
        )
    if len(off) > _NAMED:
        yield f"and so was the delay of {len(off) - _NAMED} more links' directions"


def _allowed_ms(link: "LinkDelay") -> float:
    return max(DELAY_ERROR_MS, DELAY_ERROR_SHARE * link.configured_ms)


def _log_reasons(differences: "Sequence[LogDifference]") -> Iterable[str]:
    off = [row for row in differences if _judged_ms(row) > LOG_DIFFERENCE_MS]
    if off:
        worst = max(off, key=_judged_ms)
        yield (
            f"the agents' logs and the captures differ by more than {LOG_DIFFERENCE_MS:g} ms at p99 in {len(off)} of "
            f"{len(differences)} comparisons; most, {_judged_ms(worst):.2f} ms, in {worst.instant} of {worst.device}"
        )


def _judged_ms(row: "LogDifference") -> float:
    """The 99th percentile; of instants too few to have one, the median."""
    return row.p99_ms if row.compared >= _FEWEST_FOR_P99 else row.p50_ms


def spread_ms(values_ns: Sequence[int]) -> tuple[float, float, float]:
    """p50, p99 and the largest."""
    p50, p99, largest = np.percentile(np.array(values_ns), [50, 99, 100])
    return round(float(p50) / 1e6, 4), round(float(p99) / 1e6, 4), round(float(largest) / 1e6, 4)
