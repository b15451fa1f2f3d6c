"""When a process may keep real-time priority."""

from topologies.realtime import WINDOW_NS, Governor


def after(governor: Governor, *loads: float) -> list[bool]:
    """Whether it is real-time after each window with that load."""
    now_ns = cpu_ns = 0
    modes = []
    for load in loads:
        now_ns += WINDOW_NS
        cpu_ns += round(load * WINDOW_NS)
        governor.update(now_ns, cpu_ns)
        modes.append(governor.realtime)
    return modes


def test_priority_is_given_back_above_half_a_core_and_taken_again_well_below() -> None:
    assert after(Governor(0, 0), 0.1, 0.6, 0.45, 0.3, 0.45, 0.55) == [True, False, False, True, True, False]


def test_update_tells_changes_only() -> None:
    governor = Governor(0, 0)
    assert not governor.update(WINDOW_NS, 0)
    assert governor.update(2 * WINDOW_NS, WINDOW_NS)
    assert governor.load == governor.peak_load == 1.0
