"""One direction of a user-space link: delay, jitter, loss, rate, queue, order."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topologies.delayline import DelayLine, Shape, sources

MS = 1_000_000
FAR = 1 << 60


def line(seed: int = 1, **shape: object) -> DelayLine:
    return DelayLine(Shape(**shape), *sources(seed, "a-b", "ab"))  # type: ignore[arg-type]


def frames(count: int, size: int = 1000) -> list[bytes]:
    return [number.to_bytes(4, "big") + bytes(size - 4) for number in range(count)]


def fates(one: DelayLine, sent: list[bytes], apart_ns: int = MS) -> list[tuple[int, bytes]]:
    """(time out, frame) of frames that go in one by one."""
    for number, frame in enumerate(sent):
        one.put([frame], number * apart_ns)
    out = []
    while (due_ns := one.next_ns) is not None:
        out += [(due_ns, frame) for frame in one.take(due_ns)]
    return out


def test_a_frame_comes_out_after_the_delay_and_not_before() -> None:
    one = line(delay_ns=5 * MS)
    one.put([b"frame"], 100)
    assert one.next_ns == 5 * MS + 100
    assert one.take(5 * MS + 99) == []
    assert one.take(5 * MS + 100) == [b"frame"]
    assert one.next_ns is None


def test_the_same_seed_gives_the_same_fates_and_another_gives_others() -> None:
    shape = {"delay_ns": 5 * MS, "jitter_ns": 2 * MS, "loss": 0.2}
    sent = frames(500)
    assert fates(line(1, **shape), sent) == fates(line(1, **shape), sent)
    assert fates(line(1, **shape), sent) != fates(line(2, **shape), sent)


def test_loss_does_not_depend_on_jitter_or_on_when_frames_come() -> None:
    sent = frames(500)
    plain = [frame for _, frame in fates(line(loss=0.2), sent)]
    shaken = [frame for _, frame in fates(line(loss=0.2, jitter_ns=MS), sent, apart_ns=3)]
    assert plain == shaken


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_loss_is_within_three_standard_deviations(share: float) -> None:
    one = line(loss=share)
    one.put(frames(20_000, 60), 0)
    assert abs(one.counters.dropped_loss - 20_000 * share) < 3 * (20_000 * share * (1 - share)) ** 0.5
    assert len(one.take(FAR)) == 20_000 - one.counters.dropped_loss


def test_jitter_spreads_the_delay_evenly_about_its_middle() -> None:
    out = fates(line(delay_ns=10 * MS, jitter_ns=4 * MS), frames(2000), apart_ns=20 * MS)
    delays = [at_ns - number * 20 * MS for number, (at_ns, _) in enumerate(out)]
    assert min(delays) >= 6 * MS and max(delays) <= 14 * MS
    assert abs(sum(delays) / len(delays) - 10 * MS) < MS // 4
    assert sum(delay < 8 * MS for delay in delays) in range(400, 600)


def test_jitter_keeps_order_unless_reordering_is_asked_for() -> None:
    shape = {"delay_ns": 10 * MS, "jitter_ns": 8 * MS}
    sent = frames(200)
    assert [frame for _, frame in fates(line(**shape), sent)] == sent
    loose = [frame for _, frame in fates(line(**shape, reorder=True), sent)]
    assert loose != sent and sorted(loose) == sent


@pytest.mark.parametrize("mbps", [1, 10, 200])
def test_the_rate_is_exact_over_many_frames(mbps: int) -> None:
    one = line(rate_bps=mbps * 1_000_000, queue_bytes=10_000_000)
    one.put(frames(1000, 1514), 0)
    one.take(1000 * 1514 * 8000 // mbps - 1000)
    assert one.counters.frames == 999
    one.take(1000 * 1514 * 8000 // mbps + 1000)
    assert one.counters.frames == 1000


def test_an_idle_line_does_not_save_up_rate() -> None:
    one = line(rate_bps=8_000_000)
    one.put(frames(1), 0)
    one.take(FAR)
    one.put(frames(2), 1000 * MS)
    assert one.next_ns == 1001 * MS
    assert len(one.take(1001 * MS)) == 1
    assert one.next_ns == 1002 * MS


def test_what_does_not_fit_the_queue_is_dropped_at_the_tail() -> None:
    one = line(rate_bps=8_000_000, queue_bytes=10_000)
    one.put(frames(15), 0)
    assert one.take(FAR) == frames(10)
    assert one.counters.dropped_queue == 5
    assert 8_000 <= one.counters.max_queue_bytes <= 10_000


def test_a_frame_larger_than_the_queue_passes_an_idle_line() -> None:
    one = line(rate_bps=8_000_000, queue_bytes=10)
    one.put(frames(1), 0)
    assert len(one.take(FAR)) == 1


@given(
    st.lists(st.tuples(st.integers(0, 3 * MS), st.integers(0, 20), st.integers(0, 5), st.booleans()), max_size=60),
)
def test_changes_never_let_a_frame_overtake_or_vanish(steps: list[tuple[int, int, int, bool]]) -> None:
    """Each step: time since the last, then the delay and jitter (ms) and whether there is a rate from then on."""
    one = line()
    now_ns, sent, out = 0, frames(len(steps)), []
    for frame, (after_ns, delay_ms, jitter_ms, limited) in zip(sent, steps, strict=True):
        now_ns += after_ns
        out += one.take(now_ns)
        one.change(Shape(delay_ms * MS, jitter_ms * MS, rate_bps=10_000_000 if limited else None))
        one.put([frame], now_ns)
    assert out + one.take(FAR) == sent


def test_frames_on_the_way_keep_their_time_when_the_shape_changes() -> None:
    one = line(delay_ns=20 * MS)
    one.put([b"early"], 0)
    one.change(Shape(delay_ns=MS))
    one.put([b"late"], MS)
    assert one.take(20 * MS - 1) == []
    assert one.take(20 * MS) == [b"early", b"late"]


@pytest.mark.parametrize("reorder", [False, True])
def test_frames_survive_a_change_of_the_order_rule(reorder: bool) -> None:
    one = line(delay_ns=10 * MS, jitter_ns=5 * MS, reorder=reorder)
    one.put(frames(50), 0)
    one.change(Shape(delay_ns=10 * MS, jitter_ns=5 * MS, reorder=not reorder))
    assert sorted(one.take(FAR)) == frames(50)


def test_a_line_that_is_down_loses_what_is_on_the_way_and_what_comes() -> None:
    one = line(delay_ns=MS)
    one.put([b"on the way"], 0)
    one.down()
    one.put([b"comes"], 1)
    assert one.next_ns is None and one.counters.dropped_down == 2
    one.up()
    one.put([b"again"], 2)
    assert one.take(FAR) == [b"again"]


def test_each_direction_of_each_link_has_sources_of_its_own() -> None:
    def drawn(name: str, direction: str) -> list[float]:
        return [source.random() for source in sources(1, name, direction)]

    values = drawn("a-b", "ab") + drawn("a-b", "ba") + drawn("a-c", "ab")
    assert len(set(values)) == 6
    assert isinstance(sources(1, "a-b", "ab")[0], Random)
