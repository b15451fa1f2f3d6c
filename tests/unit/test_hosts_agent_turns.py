"""Devices that send at one interval do not send at one instant."""

from hypothesis import given
from hypothesis import strategies as st

from hosts.agent import in_turn


@given(st.integers(0, 10**15), st.integers(1_000_000, 10**9), st.integers(1, 300))
def test_turns_are_spread_evenly_over_the_interval(earliest_ns: int, interval_ns: int, count: int) -> None:
    starts = [in_turn(earliest_ns, interval_ns, index, count) for index in range(count)]
    assert all(earliest_ns <= start < earliest_ns + interval_ns for start in starts)
    phases = sorted(start % interval_ns for start in starts)
    gaps = [later - earlier for earlier, later in zip(phases, [*phases[1:], phases[0] + interval_ns], strict=True)]
    assert max(gaps) - min(gaps) <= 1


def test_a_start_keeps_its_phase_whenever_it_begins() -> None:
    assert in_turn(1_000, 100, 3, 10) == 1_030
    assert in_turn(1_031, 100, 3, 10) == 1_130
