"""Whether a run's results are as the scenario's `expect:` says."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meclab.methods import Method
from meclab.scenario import Expectation

Handover = Mapping[str, Any]
"""The metrics of one handover by name, as in the public JSON."""


@dataclass(frozen=True)
class Verdict:
    """What became of one expectation for one method."""

    statement: str
    """`vip-pinned: max of resets at most 0`."""
    holds: bool
    found: str


def value(handover: Handover, metric: str) -> float | None:
    """A metric of a handover, derived ones included (`meclab.scenario.Metric`); none where it was not measured."""
    match metric:
        case "steer_beyond_rtt_ms":
            return _difference(handover["steer_ms"], handover["rtt_after_ms"])
        case "gap_beyond_radio_ms":
            return _difference(handover["gap_ms"], handover["radio_gap_ms"])
        case "served_by_decided":
            return float(handover["served_by"] is not None and handover["served_by"] == handover["to_host"])
        case _:
            found = handover[metric]
            return None if found is None else float(found)


def _difference(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else left - right


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie, between neighbours in proportion; `values` not empty."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def _statistics(of: str, values: Sequence[float]) -> Sequence[float]:
    match of:
        case "median":
            return [statistics.median(values)]
        case "p95":
            return [percentile(values, 0.95)]
        case "max":
            return [max(values)]
        case "sum":
            return [sum(values)]
        case _:
            return values


def judge(expectations: Sequence[Expectation], method: Method, handovers: Sequence[Handover]) -> list[Verdict]:
    """A verdict for each expectation that speaks of the method; a metric that is missing anywhere does not hold."""
    return [_judge(e, method, handovers) for e in expectations if e.method is None or e.method == method]


def _judge(expectation: Expectation, method: Method, handovers: Sequence[Handover]) -> Verdict:
    bounds = [("at most", expectation.at_most), ("at least", expectation.at_least)]
    bound_text = " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)
    scope = "every" if expectation.of == "all" else f"{expectation.of} of"
    statement = f"{method.label}: {scope} {expectation.metric} {bound_text}"
    values = [value(handover, expectation.metric) for handover in handovers]
    measured = [found for found in values if found is not None]
    if not measured or len(measured) < len(values):
        missing = f"not measured in {len(values) - len(measured)} of {len(values)} handovers"
        return Verdict(statement, False, missing if values else "no handover")
    found = _statistics(expectation.of, measured)
    low, high = min(found), max(found)
    holds = (expectation.at_most is None or high <= expectation.at_most) and (
        expectation.at_least is None or low >= expectation.at_least
    )
    return Verdict(statement, holds, f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}")
