"""Links in user space, over real interfaces in namespaces of their own."""

import os
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from experiments.benchmarks import wire as bench
from experiments.benchmarks.sites import Site, pings, received
from meclab.errors import RunError
from meclab.scenario import LinkShape
from topologies import tap
from topologies.remote import RefusedError
from topologies.wire import WireEnds, WireProcess

pytestmark = pytest.mark.net

ETHERTYPE = 0x88B5
WAIT_S = 10.0


def until(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_S
    while not (found := holds()):
        assert time.monotonic() < deadline, "not in time"
    return found


def blast(a: Site, b: Site, wire: WireProcess, count: int) -> list[int]:
    """Numbers of the frames that arrive at `b` of `count` sent at `a`, once the link is empty."""
    before = passed(wire)
    with a.sniffer(bench.INTERFACE, ETHERTYPE) as sender, b.sniffer(bench.INTERFACE, ETHERTYPE) as receiver:
        for number in range(count):
            sender.send(b"\xff" * 6 + bytes(6) + ETHERTYPE.to_bytes(2, "big") + number.to_bytes(4, "big") + bytes(50))
        until(lambda: passed(wire) - before >= count)
        return [int.from_bytes(frame[14:18], "big") for _, frame in received(receiver)]


def passed(wire: WireProcess) -> int:
    """Frames that have left the direction from a to b, one way or the other."""
    stats = wire.stats()["links"][bench.LINK]["ab"]
    return int(stats["frames"] + stats["dropped_loss"] + stats["dropped_queue"] + stats["dropped_down"])


def test_the_delay_is_there_and_order_is_kept(tmp_path: Path) -> None:
    with bench.link(LinkShape(delay="20ms"), tmp_path) as (a, _, _wire):
        replies = pings(a, bench.INTERFACE, bench.ADDRESSES[1], 20, 0.005)
    assert [number for number, _ in replies] == list(range(1, 21))
    middle_ns = sorted(rtt_ns for _, rtt_ns in replies)[10]
    assert 38_000_000 < middle_ns < 60_000_000


def test_jitter_keeps_order_unless_reordering_is_asked_for(tmp_path: Path) -> None:
    with bench.link(LinkShape(delay="20ms", jitter="15ms"), tmp_path) as (a, b, wire):
        kept = blast(a, b, wire, 300)
        wire.change(bench.LINK, LinkShape(delay="20ms", jitter="15ms", reorder=True))
        loose = blast(a, b, wire, 300)
    assert kept == list(range(300))
    assert sorted(loose) == kept and any(later < earlier for earlier, later in pairwise(loose))


def test_the_same_seed_loses_the_same_frames(tmp_path: Path) -> None:
    def survivors(seed: int) -> list[int]:
        with Site() as a, Site() as b:
            fds = [tap.open_tap(bench.INTERFACE, site.pid) for site in (a, b)]
            for site in (a, b):
                site.run("sysctl", "-qw", f"net.ipv6.conf.{bench.INTERFACE}.disable_ipv6=1")
                site.run("ip", "link", "set", bench.INTERFACE, "up")
            wire = WireProcess([WireEnds(bench.LINK, *fds, LinkShape(loss=0.2))], seed, tmp_path / "wire.log")
            try:
                return blast(a, b, wire, 300)
            finally:
                wire.stop()

    first = survivors(5)
    assert 200 < len(first) < 280
    assert survivors(5) == first != survivors(6)


def test_a_link_that_is_down_carries_nothing_and_keeps_its_carrier(tmp_path: Path) -> None:
    with bench.link(LinkShape(), tmp_path) as (a, b, wire):
        wire.down(bench.LINK)
        assert blast(a, b, wire, 50) == []
        assert "LOWER_UP" in a.run("ip", "link", "show", bench.INTERFACE)
        wire.up(bench.LINK)
        assert blast(a, b, wire, 50) == list(range(50))


def test_the_configured_rate_is_held(tmp_path: Path) -> None:
    rows = bench.rates(tmp_path, rates_mbps=(10,), seconds=1)
    assert abs(rows[0]["error_percent"]) < 10


def test_what_a_link_did_and_how_it_was_scheduled_is_told(tmp_path: Path) -> None:
    with bench.link(LinkShape(delay="1ms"), tmp_path) as (a, b, wire):
        blast(a, b, wire, 100)
        stats = wire.stats()
    assert stats["process"]["scheduling"] in ("realtime", "normal", "refused")
    assert stats["process"]["departure_ns"] > 0
    assert stats["links"][bench.LINK]["ab"]["frames"] >= 100
    assert stats["links"][bench.LINK]["ab"]["bytes"] >= 100 * 68
    assert stats["links"][bench.LINK]["ab"]["late_p99_us"] >= stats["links"][bench.LINK]["ab"]["late_p50_us"]


def test_an_unknown_link_is_refused_by_name(tmp_path: Path) -> None:
    with bench.link(LinkShape(), tmp_path) as (_, _, wire), pytest.raises(RefusedError, match=r"no link x-y; .* a-b"):
        wire.change("x-y", LinkShape())


def test_a_process_that_died_is_an_error_with_its_status(tmp_path: Path) -> None:
    with bench.link(LinkShape(), tmp_path) as (_, _, wire):
        os.kill(wire.pid, 9)
        with pytest.raises(RunError, match="status -9"):
            until(lambda: wire.stats() and None)
        assert wire.status == -9


def test_the_interfaces_go_with_the_process(tmp_path: Path) -> None:
    with Site() as a, Site() as b:
        fds = tap.open_tap("x", a.pid), tap.open_tap("x", b.pid, "02:00:00:00:00:09")
        assert "02:00:00:00:00:09" in b.run("ip", "link", "show", "x")
        wire = WireProcess([WireEnds("a-b", *fds, LinkShape())], 1, tmp_path / "wire.log")
        wire.ready()
        wire.stop()
        until(lambda: "x" not in a.run("ip", "-br", "link"))


def test_a_tap_with_a_bad_name_is_refused() -> None:
    with pytest.raises(ValueError, match="1 to 15 characters"):
        tap.open_tap("a-name-of-20-letters")
