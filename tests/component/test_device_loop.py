"""The device's event loop: probes first, and nothing called back that a callback has closed."""

import socket
from collections.abc import Iterator

import pytest

from hosts.device.loop import Loop

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    made = [socket.socketpair() for _ in range(3)]
    yield made
    for pair in made:
        for end in pair:
            end.close()


def say(pairs: list[Pair]) -> None:
    for _, writer in pairs:
        writer.send(b"1")


def test_what_is_marked_comes_first_and_again_between_the_others(pairs: list[Pair]) -> None:
    called: list[str] = []
    loop = Loop(lambda: called.append("between"))
    for name, (reader, _) in zip(("a", "b"), pairs[:2], strict=True):
        loop.watch(reader, lambda name=name: called.append(name))  # type: ignore[misc]
    loop.watch(pairs[2][0], lambda: called.append("probe"), first=True)
    say(pairs)
    loop.turn(1)
    assert called[0] == "probe"
    assert called[1:] in (["a", "between", "b", "between"], ["b", "between", "a", "between"])


def test_a_source_that_another_callback_forgot_is_not_called_back(pairs: list[Pair]) -> None:
    called: list[int] = []
    loop = Loop()

    def close_the_other(number: int) -> None:
        called.append(number)
        loop.forget(pairs[1 - number][0])

    for number in (0, 1):
        loop.watch(pairs[number][0], lambda number=number: close_the_other(number))  # type: ignore[misc]
    say(pairs[:2])
    loop.turn(1)
    assert len(called) == 1


def test_a_source_watched_anew_is_called_back_as_it_was_said_last(pairs: list[Pair]) -> None:
    called: list[str] = []
    loop = Loop()
    reader, writer = pairs[0]
    loop.watch(reader, lambda: called.append("writable"), writing=True)
    loop.turn(1)
    loop.watch(reader, lambda: called.append("readable"))
    writer.send(b"1")
    loop.turn(1)
    assert called == ["writable", "readable"]


def test_a_turn_without_anything_ready_ends_with_its_timeout() -> None:
    Loop().turn(0)
