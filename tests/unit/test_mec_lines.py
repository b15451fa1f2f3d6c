"""A line to one recipient: order, repetition, refusals, and what a newer item makes superfluous."""

import asyncio
import json
from collections.abc import Callable, Sequence

from mec_plans import dns_rule

from hosts.platform.lines import Line
from hosts.platform.mep_core import outdates
from hosts.web.http1 import Response
from meclab.messages import DnsUpdate

Reply = Response | Exception
OK, BAD, BUSY = Response(200), Response(422, body=b"no"), Response(503, body=b"later")


class Recipient:
    """Answers what the test says, and remembers what it was told."""

    def __init__(self, reply: Callable[[int, list[str]], Reply]) -> None:
        self.told: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._reply = reply

    async def send(self, method: str, target: str, body: bytes | None = None) -> Response:
        assert (method, target) == ("POST", "/x")
        self.told.append(json.loads(body or b""))
        number, items = len(self.told), self.told[-1]
        await self.gate.wait()
        reply = self._reply(number, items)
        if isinstance(reply, Exception):
            raise reply
        return reply


def packed(items: Sequence[str]) -> bytes:
    return json.dumps(list(items)).encode()


def told(
    items: Sequence[str],
    reply: Callable[[int, list[str]], Reply],
    most: int = 1,
    outdating: Callable[[str, str], bool] = lambda newer, older: False,
) -> tuple[list[list[str]], list[int], dict[str, object]]:
    """What a recipient was told of items put together, the answers' statuses, and the line's health."""

    async def run() -> tuple[list[list[str]], list[int], dict[str, object]]:
        recipient = Recipient(reply)
        line = Line("it", recipient, "/x", packed, most, outdating)
        answers = [line.put(item) for item in items]
        running = asyncio.create_task(line.run())
        async with asyncio.timeout(10):
            responses = await asyncio.gather(*answers)
        running.cancel()
        return recipient.told, [response.status for response in responses], line.health()

    return asyncio.run(run())


def test_items_go_one_by_one_in_order() -> None:
    sent, statuses, health = told("abc", lambda number, items: OK)
    assert (sent, statuses) == ([["a"], ["b"], ["c"]], [200, 200, 200])
    assert (health["delivered"], health["waiting"], health["trouble"]) == (3, 0, None)


def test_what_waits_goes_together_where_the_recipient_takes_several() -> None:
    sent, _, _ = told("abc", lambda number, items: OK, most=2)
    assert sent == [["a", "b"], ["c"]]


def test_a_recipient_that_does_not_answer_is_told_again_and_in_order() -> None:
    replies: list[Reply] = [OSError("gone"), BUSY, TimeoutError()]
    sent, statuses, _ = told("ab", lambda number, items: replies[number - 1] if number <= len(replies) else OK)
    assert sent == [["a"], ["a"], ["a"], ["a"], ["b"]]
    assert statuses == [200, 200]


def test_of_several_refused_together_only_the_bad_one_is_lost() -> None:
    sent, statuses, health = told("abcd", lambda number, items: BAD if "b" in items else OK, most=3)
    assert sent == [["a", "b", "c"], ["a"], ["b"], ["c"], ["d"]]
    assert statuses == [200, 422, 200, 200]
    assert (health["delivered"], health["refused"]) == (3, 1)


def test_an_item_that_a_newer_one_outdates_is_left_out_and_answered_with_it() -> None:
    def outdating(newer: str, older: str) -> bool:
        return newer[0] == older[0]

    sent, statuses, _ = told(["a1", "b1", "a2"], lambda number, items: OK, outdating=outdating)
    assert sent == [["b1"], ["a2"]]
    assert statuses == [200, 200, 200]


def test_what_is_on_its_way_is_not_sent_again_once_it_is_outdated() -> None:
    async def run() -> None:
        recipient = Recipient(lambda number, items: BUSY if number == 1 else OK)
        line = Line("it", recipient, "/x", packed, outdates=lambda newer, older: True)
        running = asyncio.create_task(line.run())
        recipient.gate.clear()
        first = line.put("a")
        async with asyncio.timeout(10):
            while not recipient.told:
                await asyncio.sleep(0)
            second = line.put("b")
            recipient.gate.set()
            assert (await first) is (await second)
        running.cancel()
        assert recipient.told == [["a"], ["b"]]

    asyncio.run(run())


def test_an_update_outdates_an_older_one_whose_rules_it_all_has() -> None:
    def update(number: int, *names: str, change: int = 0) -> DnsUpdate:
        rules = tuple(dns_rule(name) for name in names)
        return DnsUpdate(update=number, change=change, source="mec1", rules=rules)

    assert outdates(update(2, "a", "b"), update(1, "a"))
    assert not outdates(update(2, "a"), update(1, "a", "b"))
    assert outdates(update(1, "a", change=1), update(1, "a"))
    assert not outdates(update(1, "a", "b"), update(1, "a", change=1))
