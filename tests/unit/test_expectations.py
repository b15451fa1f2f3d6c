"""Expectations decide the exit status."""

import pytest

from meclab.expectations import judge, percentile
from meclab.methods import Method
from meclab.scenario import Expectation

VIP = Method(name="vip", variant="immediate")


def handover(**metrics: object) -> dict[str, object]:
    base = {"steer_ms": 12.0, "rtt_after_ms": 8.0, "gap_ms": 40.0, "radio_gap_ms": 30.0, "resets": 0}
    return base | {"served_by": "mec2", "to_host": "mec2"} | metrics


def verdict(expectation: dict[str, object], *handovers: dict[str, object]) -> bool:
    (found,) = judge([Expectation.model_validate(expectation)], VIP, handovers)
    return found.holds


def test_all_asks_it_of_each_handover() -> None:
    assert verdict({"metric": "steer_ms", "at_most": 20}, handover(), handover(steer_ms=20.0))
    assert not verdict({"metric": "steer_ms", "at_most": 20}, handover(), handover(steer_ms=21.0))


@pytest.mark.parametrize(("of", "bound", "holds"), [("median", 12, True), ("max", 29, False), ("sum", 54, True)])
def test_a_statistic_is_asked_once(of: str, bound: float, holds: bool) -> None:
    runs = [handover(), handover(), handover(steer_ms=30.0)]
    assert verdict({"metric": "steer_ms", "of": of, "at_most": bound}, *runs) is holds


def test_derived_metrics_are_differences() -> None:
    assert verdict({"metric": "steer_beyond_rtt_ms", "at_least": 4, "at_most": 4}, handover())
    assert verdict({"metric": "gap_beyond_radio_ms", "at_least": 10, "at_most": 10}, handover())


def test_a_metric_that_was_not_measured_does_not_hold() -> None:
    assert not verdict({"metric": "steer_ms", "at_most": 1000}, handover(), handover(steer_ms=None))
    assert not verdict({"metric": "steer_ms", "at_most": 1000})


def test_served_by_the_decided_host_is_one_or_nothing() -> None:
    assert verdict({"metric": "served_by_decided", "at_least": 1}, handover())
    assert not verdict({"metric": "served_by_decided", "at_least": 1}, handover(served_by="mec1"))
    assert not verdict({"metric": "served_by_decided", "at_least": 1}, handover(served_by=None, to_host=None))


def test_an_expectation_of_another_method_is_left_out() -> None:
    other = Expectation.model_validate({"metric": "resets", "at_most": 0, "method": "vip:pinned"})
    assert judge([other], VIP, [handover()]) == []


def test_percentiles_lie_between_neighbours() -> None:
    assert percentile([1, 2, 3, 4], 0.5) == 2.5
    assert percentile([7], 0.95) == 7
