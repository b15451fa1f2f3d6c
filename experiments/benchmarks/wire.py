"""The user-space link measured from outside: accuracy, order, throughput, rate and loss.

Each function takes a folder for the process's log, builds one link between two namespaces of its own and returns
rows; nothing outside these namespaces is touched.
"""

import random
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from experiments.benchmarks.sites import Site, iperf3, pings, received
from meclab.model import MILLISECOND
from meclab.scenario import LinkShape
from topologies import tap
from topologies.wire import WireEnds, WireProcess

Row = dict[str, Any]
LINK, INTERFACE = "a-b", "x"
ADDRESSES = "10.0.0.1", "10.0.0.2"
_FRAME_BYTES, _PAYLOAD_BYTES = 1514, 1472
_ETHERTYPE = 0x88B5
_INTERVAL_S = 0.0073


@contextmanager
def link(shape: LinkShape, folder: Path, seed: int = 1) -> Iterator[tuple[Site, Site, WireProcess]]:
    """Two sites with one link between them, addresses set, neighbours known."""
    with Site() as a, Site() as b:
        for site in (a, b):  # the kernel's own frames would take part in every random choice
            site.run("sysctl", "-q", "-w", "net.ipv6.conf.default.disable_ipv6=1")
        ends = WireEnds(LINK, tap.open_tap(INTERFACE, a.pid), tap.open_tap(INTERFACE, b.pid), shape)
        wire = WireProcess([ends], seed, folder / "wire.log")
        try:
            for site, address in zip((a, b), ADDRESSES, strict=True):
                site.address(INTERFACE, f"{address}/24")
            wire.ready()
            yield a, b, wire
        finally:
            wire.stop()


def accuracy(folder: Path, delays_ms: Sequence[int] = (1, 5, 20, 50), count: int = 300) -> list[Row]:
    """RTT less twice the delay, over `count` echo requests; replies that overtook another.

    The requests' interval is no divisor of any delay, so that replies do not fall together with requests.
    """
    rows = []
    with link(LinkShape(), folder) as (a, _, wire):
        for delay_ms in delays_ms:
            wire.change(LINK, LinkShape(delay=delay_ms * MILLISECOND))
            pings(a, INTERFACE, ADDRESSES[1], 40, _INTERVAL_S)
            replies = pings(a, INTERFACE, ADDRESSES[1], count, _INTERVAL_S)
            errors_ms = sorted(abs(rtt_ns / 1e6 - 2 * delay_ms) for _, rtt_ns in replies)
            numbers = [number for number, _ in replies]
            rows.append(
                {
                    "delay_ms": delay_ms,
                    "replies": len(replies),
                    "rtt_p50_ms": round(statistics.median(rtt_ns / 1e6 for _, rtt_ns in replies), 3),
                    "rtt_error_p50_ms": round(statistics.median(errors_ms), 3),
                    "rtt_error_p99_ms": round(errors_ms[int(0.99 * (len(errors_ms) - 1))], 3),
                    "reordered": sum(later < earlier for earlier, later in pairwise(numbers)),
                    "scheduling": wire.stats()["process"]["scheduling"],
                }
            )
    return rows


def throughput(folder: Path, delay_ms: int = 5, seconds: int = 3) -> list[Row]:
    """One TCP connection through one link with no rate limit."""
    with link(LinkShape(delay=delay_ms * MILLISECOND), folder) as (a, b, wire):
        end = iperf3(a, b, ADDRESSES[1], f"-t{seconds}", "-O1", "-w4M")["end"]
        return [
            {
                "delay_ms": delay_ms,
                "tcp_mbps": round(end["sum_received"]["bits_per_second"] / 1e6, 1),
                "retransmits": end["sum_sent"]["retransmits"],
                "peak_load": wire.stats()["process"]["peak_load"],
            }
        ]


def rates(folder: Path, rates_mbps: Sequence[int] = (1, 10, 50, 200), seconds: int = 2) -> list[Row]:
    """Frames' bit rate at the far end of a link offered 1.3 times what it is configured to carry."""
    rows = []
    with link(LinkShape(), folder) as (a, b, wire):
        for mbps in rates_mbps:
            wire.change(LINK, LinkShape(delay=MILLISECOND, rate=mbps * 1_000_000, queue=max(100_000, 5000 * mbps)))
            options = ("-u", f"-l{_PAYLOAD_BYTES}", f"-b{1.3 * mbps}M", f"-t{seconds}")
            end = iperf3(a, b, ADDRESSES[1], *options)["end"]
            offered, bits = (_frame_bps(end[key]) for key in ("sum_sent", "sum_received"))
            rows.append(
                {
                    "rate_mbps": mbps,
                    "offered_mbps": round(offered / 1e6, 3),
                    "measured_mbps": round(bits / 1e6, 3),
                    "error_percent": round(100 * (bits / 1e6 / mbps - 1), 2),
                }
            )
    return rows


def _frame_bps(transfer: dict[str, Any]) -> float:
    """Bit rate of the frames that carry iperf3's payloads."""
    return float(transfer["bits_per_second"]) * _FRAME_BYTES / _PAYLOAD_BYTES


def loss(folder: Path, shares: Sequence[float] = (0.001, 0.01, 0.1), count: int = 20_000) -> list[Row]:
    """Frames that do not arrive of `count`, in standard deviations of the binomial distribution from the mean."""
    rows = []
    with link(LinkShape(), folder, seed=random.randrange(1 << 31)) as (a, b, wire):
        for share in shares:
            wire.change(LINK, LinkShape(loss=share))
            lost = count - len(_arrived(a, b, count))
            deviation = (count * share * (1 - share)) ** 0.5
            rows.append(
                {
                    "loss": share,
                    "frames": count,
                    "lost": lost,
                    "sigmas": round((lost - count * share) / deviation, 2),
                }
            )
    return rows


def survivors(folder: Path, seed: int, count: int = 2_000) -> list[int]:
    """Numbers of the frames that a link with 5 % loss lets through, of `count`."""
    with link(LinkShape(loss=0.05), folder, seed) as (a, b, _):
        return _arrived(a, b, count)


def _arrived(a: Site, b: Site, count: int) -> list[int]:
    """Numbers of the frames that arrive, of `count` sent; further ones are sent until one of them comes through."""
    head = b"\xff" * 6 + b"\x02" + bytes(5) + _ETHERTYPE.to_bytes(2, "big")
    last = head + b"\xff" * 46
    seen: list[bytes] = []
    with a.sniffer(INTERFACE, _ETHERTYPE) as sender, b.sniffer(INTERFACE, _ETHERTYPE) as receiver:
        for number in range(count):
            sender.send(head + number.to_bytes(4, "big") + bytes(42))
            if number % 50 == 49:
                time.sleep(0.001)
                seen += [frame for _, frame in received(receiver)]
        deadline = time.monotonic() + 2
        while last not in seen and time.monotonic() < deadline:
            sender.send(last)
            time.sleep(0.01)
            seen += [frame for _, frame in received(receiver)]
    return [int.from_bytes(frame[14:18], "big") for frame in seen if frame != last]
