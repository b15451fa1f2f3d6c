"""The kernel's time of arrival, of datagrams and of TCP: that of the packet, not that of the call that reads it."""

import socket
import time
from collections.abc import Iterator

import pytest
from hosts_child import DEADLINE_S

from hosts.system import arrival
from hosts.system.arrival import Arrival

LATE_NS = 5_000_000
"""How much later than they came things are read here."""


@pytest.fixture(params=[socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["datagrams", "TCP"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Who sends, and who receives and has its packets stamped."""
    with socket.socket(socket.AF_INET, request.param) as one, socket.socket(socket.AF_INET, request.param) as other:
        one.bind(("127.0.0.1", 0))
        if request.param == socket.SOCK_DGRAM:
            arrival.stamp(one)
            other.connect(one.getsockname())
            yield other, one
            return
        one.listen()
        other.connect(one.getsockname())
        with one.accept()[0] as accepted:
            arrival.stamp(accepted)
            yield other, accepted


def read_late(sender: socket.socket, receiver: socket.socket, data: bytes) -> tuple[int, Arrival, int]:
    """Before it was sent, what arrived, and when it could be read; it is read `LATE_NS` after that."""
    before_ns = time.time_ns()
    sender.send(data)
    receiver.settimeout(DEADLINE_S)
    receiver.recv(1, socket.MSG_PEEK)
    readable_ns = time.time_ns()
    while time.time_ns() < readable_ns + LATE_NS:
        pass
    return before_ns, arrival.receive(receiver, 100), readable_ns


def test_what_is_read_late_has_the_time_at_which_it_came(pair: tuple[socket.socket, socket.socket]) -> None:
    """The kernel begins to stamp a moment after the first socket asks for it: earlier ones are not looked at."""
    deadline = time.monotonic() + DEADLINE_S
    while (seen := read_late(*pair, b"hello"))[1].at_ns > seen[2] and time.monotonic() < deadline:
        pass
    before_ns, came, readable_ns = seen
    assert before_ns <= came.at_ns <= readable_ns
    assert came.data == b"hello"


def test_the_end_of_a_connection_is_no_data() -> None:
    one, other = socket.socketpair()
    with one:
        one.settimeout(DEADLINE_S)
        other.close()
        assert arrival.receive(one, 100).data == b""


def test_a_datagram_s_sender_is_known() -> None:
    datagrams = socket.AF_INET, socket.SOCK_DGRAM
    with socket.socket(*datagrams) as one, socket.socket(*datagrams) as other:
        one.bind(("127.0.0.1", 0))
        one.settimeout(DEADLINE_S)
        arrival.stamp(one)
        other.bind(("127.0.0.1", 0))
        other.sendto(b"x", one.getsockname())
        assert arrival.receive(one, 100).sender == other.getsockname()
