"""Quantities with units."""

import pytest
from pydantic import TypeAdapter

from meclab import quantity


@pytest.mark.parametrize(
    ("text", "ns"), [("30ms", 30_000_000), ("1.5s", 1_500_000_000), ("200us", 200_000), ("2 min", 120_000_000_000)]
)
def test_a_duration_is_read_in_its_unit(text: str, ns: int) -> None:
    assert quantity.duration_ns(text) == ns


@pytest.mark.parametrize("text", ["30", "-1ms", "ms", "30 parsecs", None, 1.5, True, "", -1])
def test_a_duration_without_a_proper_unit_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="such as 30ms"):
        quantity.duration_ns(text)


def test_rates_use_powers_of_ten_and_refuse_nothing_at_all() -> None:
    assert quantity.rate_bps("100Mbit") == 100_000_000
    with pytest.raises(ValueError, match="above 0"):
        quantity.rate_bps("0Mbit")


def test_sizes_know_both_kinds_of_thousand() -> None:
    assert (quantity.size_bytes("64KiB"), quantity.size_bytes("64kB")) == (65_536, 64_000)


@pytest.mark.parametrize(("value", "share"), [("0.5%", 0.005), (0.25, 0.25), (1, 1.0)])
def test_a_share_may_be_a_percentage(value: object, share: float) -> None:
    assert quantity.fraction(value) == share


@pytest.mark.parametrize("value", ["101%", 1.1, -0.1, "half", True])
def test_a_share_outside_0_to_1_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="share from 0 to 1"):
        quantity.fraction(value)


@pytest.mark.parametrize("ns", [0, 1, 999, 1_500_000, 30_000_000, 2_000_000_000])
def test_a_duration_survives_being_written_and_read(ns: int) -> None:
    adapter = TypeAdapter(quantity.Duration)
    assert adapter.validate_json(adapter.dump_json(ns)) == ns
