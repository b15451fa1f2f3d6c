"""A link's shape as netem's netlink attributes."""

import struct
from typing import Any

import pytest

from meclab.scenario import LinkShape
from topologies.netem import message, options, refusal, seeded


def attributes(shape: LinkShape) -> dict[str, Any]:
    return dict(options(shape, 7)["attrs"])


def wire_attributes(data: bytes) -> dict[int, bytes]:
    """Attributes by number, read by another hand than the one that wrote them."""
    found = {}
    while data:
        length, kind = struct.unpack_from("HH", data)
        found[kind] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


def test_the_message_carries_what_the_kernel_reads() -> None:
    shape = LinkShape(delay="5ms", jitter="1ms", loss="1%", rate="50Gbit")
    data = message(3, options(shape, 7))
    length, kind = struct.unpack_from("IH", data)
    assert (length, kind) == (len(data), 36)  # RTM_NEWQDISC
    index, parent = struct.unpack_from("4xi4xI", data, 16)
    assert (index, parent) == (3, 0xFFFFFFFF)
    outer = wire_attributes(data[36:])
    assert outer[1] == b"netem\0"
    _, limit, loss, _, _, _ = struct.unpack_from("6I", outer[2])
    assert loss == pytest.approx(0.01 * 2**32, abs=2)
    assert limit > 20_000
    inner = wire_attributes(outer[2][24:])
    assert struct.unpack("q", inner[10]) == (5_000_000,)
    assert struct.unpack("q", inner[11]) == (1_000_000,)
    assert struct.unpack("Q", inner[14]) == (7,)
    assert struct.unpack("Q", inner[8]) == (6_250_000_000,)
    assert struct.unpack_from("I", inner[6]) == (0xFFFFFFFF,)


def test_jitter_gets_a_rate_that_keeps_order_unless_reordering_is_asked_for() -> None:
    assert attributes(LinkShape(delay="5ms", jitter="1ms"))["TCA_NETEM_RATE64"] >= 10**10
    assert "TCA_NETEM_RATE" not in attributes(LinkShape(delay="5ms", jitter="1ms", reorder=True))
    assert "TCA_NETEM_RATE" not in attributes(LinkShape(delay="5ms"))


def test_reordering_with_a_rate_is_refused() -> None:
    assert refusal("a-b", LinkShape(jitter="1ms", reorder=True)) is None
    problem = refusal("a-b", LinkShape(jitter="1ms", reorder=True, rate="1Mbit"))
    assert problem is not None and problem.path == "links.a-b.reorder"


def test_the_limit_holds_the_queue_and_what_travels() -> None:
    without = options(LinkShape(rate="12112kbit", queue="151400B"), 1)["limit"]
    travelling = options(LinkShape(rate="12112kbit", queue="151400B", delay="50ms"), 1)["limit"]
    assert (without, travelling) == (100, 150)


def test_total_loss_drops_everything() -> None:
    assert options(LinkShape(loss=1.0), 1)["loss"] == 0xFFFFFFFF


@pytest.mark.parametrize(("release", "answer"), [("6.1.0-56-amd64", False), ("6.6.1", True), ("6.18.44-x", True)])
def test_the_seed_needs_linux_6_6(release: str, answer: bool) -> None:
    assert seeded(release) is answer
