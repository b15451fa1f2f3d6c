"""Breakouts brought to the controller: what is wanted and what is there come together."""

import asyncio
import json

from hosts.core5g.userplane import UserPlane
from hosts.web.http1 import Response
from meclab.messages import BreakoutIntent, Transaction

OK = Response(200, body=b"{}")


def intent(site, device="ue1"):
    return BreakoutIntent(edge=f"edge{site}", prefix=f"10.1.{site}.10/32", device=device)


class Controller:
    """Answers what the test says, and remembers what it was told."""

    def __init__(self, reply=lambda number, transaction: OK):
        self.told = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._reply = reply

    async def send(self, method, target, body=None):
        assert (method, target) == ("POST", "/v1/transactions")
        self.told.append(Transaction.model_validate_json(body))
        number = len(self.told)
        await self.gate.wait()
        reply = self._reply(number, self.told[number - 1])
        if isinstance(reply, Exception):
            raise reply
        return reply


def refusal(status, words="no"):
    return Response(status, body=json.dumps({"detail": words}).encode())


def run(controller, *steps):
    """Carries steps out while the user plane works; what they return."""

    async def working():
        plane = UserPlane(controller)
        task = asyncio.create_task(plane.run())
        try:
            async with asyncio.timeout(10):
                return plane, [await step(plane) for step in steps]
        finally:
            task.cancel()

    return asyncio.run(working())


def test_a_change_returns_when_the_controller_has_confirmed_it():
    controller = Controller()
    plane, results = run(controller, lambda p: p.change([intent(1)]), lambda p: p.change([intent(2)], [intent(1)]))
    assert results == [True, True]
    assert controller.told == [
        Transaction(breakout=(intent(1),)),
        Transaction(breakout=(intent(2),), remove_breakout=(intent(1),)),
    ]
    assert plane.present == {intent(2)}


def test_what_is_there_already_is_not_told_again():
    controller = Controller()
    _, results = run(controller, lambda p: p.change([intent(1)]), lambda p: p.change([intent(1)], [intent(2)]))
    assert results == [True, True]
    assert len(controller.told) == 1


def test_what_is_wanted_while_a_transaction_is_under_way_goes_together():
    controller = Controller()
    controller.gate.clear()

    async def many(plane):
        first = asyncio.create_task(plane.change([intent(1, "ue0")]))
        while not controller.told:
            await asyncio.sleep(0)
        rest = [asyncio.create_task(plane.change([intent(1, f"ue{n}")])) for n in range(1, 200)]
        await asyncio.sleep(0)
        controller.gate.set()
        return await asyncio.gather(first, *rest)

    _, (results,) = run(controller, many)
    assert all(results)
    assert [len(transaction.breakout) for transaction in controller.told] == [1, 199]


def test_a_controller_that_is_down_or_fails_is_asked_until_it_answers():
    replies = [ConnectionRefusedError(), refusal(503), TimeoutError(), OK]
    controller = Controller(lambda number, _: replies[number - 1])
    plane, results = run(controller, lambda p: p.change([intent(1)]))
    assert results == [True]
    assert len(controller.told) == 4
    assert plane.error is None


def test_one_that_is_refused_does_not_cost_the_others_theirs():
    def reply(_, transaction):
        return refusal(422) if intent(9) in transaction.breakout else OK

    async def both(plane):
        return await asyncio.gather(plane.change([intent(9)]), plane.change([intent(1)]))

    plane, (results,) = run(Controller(reply), both)
    assert results == [False, True]
    assert plane.present == {intent(1)}
    assert plane.refused == 1


def test_a_breakout_that_the_controller_does_not_know_is_gone():
    def reply(_, transaction):
        return refusal(404) if transaction.remove_breakout else OK

    plane, results = run(Controller(reply), lambda p: p.change([intent(1)]), lambda p: p.change(remove=[intent(1)]))
    assert results == [True, True]
    assert not plane.present
