"""A courier tells its recipient every decision, in order, together where they wait together."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from hosts.orchestration.audit import Audit, Delivery, Entry
from hosts.orchestration.courier import Courier, Errand
from hosts.web.http1 import Response
from meclab import planning, topology
from meclab.facts import Fact
from meclab.messages import Serving, Transaction, TransactionResult
from meclab.policy import Decision
from meclab.scenario import Scenario
from meclab.steering import Steering

OK = Response(
    200, body=TransactionResult(number=5, switches=(), rules_added=1, rules_removed=0).model_dump_json().encode()
)
Reply = Response | Exception


class Controller:
    """Answers what the test says, and remembers what it was told."""

    connected = True

    def __init__(self, reply: Callable[[int, Transaction], Reply] = lambda number, transaction: OK) -> None:
        self.told: list[Transaction] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()
        self._reply = reply

    async def send_all(self, method: str, requests: Sequence[tuple[str, bytes | None]]) -> list[Response]:
        ((target, body),) = requests
        assert (method, target) == ("POST", "/v1/transactions")
        self.told.append(Transaction.model_validate_json(body or b""))
        self.asked.set()
        await self.gate.wait()
        reply = self._reply(len(self.told), self.told[-1])
        if isinstance(reply, Exception):
            raise reply
        return [reply]


def steering(method: str) -> Steering:
    scenario = Scenario.model_validate({"scenario": "test", "methods": [method], "devices": [{"count": 200}]})
    return Steering(planning.make(scenario, topology.two_site(), scenario.methods[0], "wire"))


class Desk:
    """Decisions of one method on their way to one recipient; the clock stands at 9."""

    def __init__(self, sender: Any, method: str = "vip", recipient: str = "controller") -> None:
        self.steering = steering(method)
        self.audit = Audit()
        found = next(known for known in self.steering.recipients if known.name == recipient)
        self.courier = Courier(found, self.steering, sender, lambda: 9)
        self._sequence = count(1)

    def take(self, device: str, host: str = "mec1", ap: str | None = "ap1") -> Entry:
        """A decision, and the attach that it comes with."""
        decision = Decision(device, host, None, "attach", "", 0, ap=ap or "ap1")
        attached = self.steering.attached(device, ap, next(self._sequence)) if ap is not None else ()
        facts = (*attached, *self.steering.decided(decision))
        return self._sent(self.audit.decided(decision, 0, ap), facts)

    def locate(self, ap: str, host: str) -> Entry:
        """A location's decision."""
        decision = Decision(ap, host, None, "start", "", 0, of_location=True)
        return self._sent(self.audit.decided(decision, 0), self.steering.located(decision))

    def _sent(self, entry: Entry, facts: Sequence[Fact]) -> Entry:
        own = [fact for fact in facts if fact.recipient == self.courier.recipient.name]
        if own:
            entry.deliveries[self.courier.recipient.name] = Delivery(len(own))
            self.courier.take(Errand(entry, fact) for fact in own)
        return entry


async def settled(courier: Courier, entries: list[Entry]) -> None:
    """Runs the courier until nothing waits."""
    running = asyncio.create_task(courier.run())
    async with asyncio.timeout(10):
        while any(waiting.fate == "waiting" for waiting in entries):
            await asyncio.sleep(0)
    running.cancel()


async def settled_by(running: asyncio.Task[None], entry: Entry) -> None:
    """Waits for what a running courier does with an entry, and ends it."""
    async with asyncio.timeout(10):
        while entry.fate == "waiting":
            await asyncio.sleep(0)
    running.cancel()


def test_attach_and_service_go_in_one_transaction() -> None:
    async def run() -> None:
        controller = Controller()
        desk = Desk(controller)
        one = desk.take("ue1", "mec2", "ap2")
        await settled(desk.courier, [one])
        assert controller.told == [Transaction(attach={"ue1": "ap2"}, serve={"ue1": "mec2"})]
        assert (one.fate, one.told_ns, one.transaction) == ("told", 9, 5)

    asyncio.run(run())


def test_what_waits_while_one_is_in_flight_goes_together() -> None:
    async def run() -> None:
        controller = Controller()
        controller.gate.clear()
        desk = Desk(controller)
        entries = [desk.take("ue1")]
        running = asyncio.create_task(desk.courier.run())
        await controller.asked.wait()
        entries += [desk.take(f"ue{number}") for number in range(2, 201)]
        controller.gate.set()
        await settled(desk.courier, entries)
        running.cancel()
        assert [len(transaction.serve) for transaction in controller.told] == [1, 199]

    asyncio.run(run())


def test_of_two_decisions_for_a_device_in_one_batch_the_later_is_told() -> None:
    async def run() -> None:
        controller = Controller()
        desk = Desk(controller)
        entries = [desk.take("ue1", "mec1", "ap1"), desk.take("ue1", "mec2", None)]
        await settled(desk.courier, entries)
        assert controller.told == [Transaction(attach={"ue1": "ap1"}, serve={"ue1": "mec2"})]
        assert [one.fate for one in entries] == ["superseded", "told"]

    asyncio.run(run())


def test_an_unreachable_or_failing_controller_is_asked_until_it_answers() -> None:
    async def run() -> None:
        replies: list[Reply] = [ConnectionRefusedError("no"), Response(503, body=b"starting"), TimeoutError(), OK]
        controller = Controller(lambda number, _: replies[number - 1])
        desk = Desk(controller)
        one = desk.take("ue1")
        await settled(desk.courier, [one])
        assert len(controller.told) == 4
        assert (one.fate, one.detail) == ("told", "")
        assert desk.courier.health()["error"] is None

    asyncio.run(run())


def test_a_retry_takes_newer_decisions_along_and_never_tells_an_older_one_after_them() -> None:
    async def run() -> None:
        controller = Controller()
        desk = Desk(controller)
        entries = [desk.take("ue1", "mec1")]

        def reply(number: int, _: Transaction) -> Reply:
            if number > 1:
                return OK
            entries.append(desk.take("ue1", "mec2"))
            return ConnectionRefusedError("no")

        controller._reply = reply
        await settled(desk.courier, entries)
        assert [transaction.serve["ue1"] for transaction in controller.told] == ["mec1", "mec2"]

    asyncio.run(run())


def test_one_refused_device_does_not_cost_the_others_their_rules() -> None:
    async def run() -> None:
        def reply(_: int, transaction: Transaction) -> Reply:
            return Response(409, body=b"ue2 is unknown") if "ue2" in transaction.attach else OK

        controller = Controller(reply)
        desk = Desk(controller)
        entries = [desk.take(name) for name in ("ue1", "ue2", "ue3")]
        await settled(desk.courier, entries)
        assert [one.fate for one in entries] == ["told", "refused", "told"]
        assert entries[1].detail == "controller: 409 ue2 is unknown"
        assert desk.courier.health()["refused"] == 1

    asyncio.run(run())


def test_a_newer_decision_never_overtakes_one_that_is_sent_device_by_device() -> None:
    async def run() -> None:
        controller = Controller()
        desk = Desk(controller)
        entries = [desk.take("ue1", "mec1"), desk.take("ue2", "mec1")]

        def reply(number: int, _: Transaction) -> Reply:
            if number == 1:
                return Response(409, body=b"not both")
            if number == 2:
                entries.append(desk.take("ue2", "mec2"))
                return ConnectionRefusedError("no")
            return OK

        controller._reply = reply
        await settled(desk.courier, entries)
        assert [transaction.serve["ue2"] for transaction in controller.told[1:] if "ue2" in transaction.serve] == [
            "mec1",
            "mec2",
        ]

    asyncio.run(run())


def test_a_method_that_carries_no_decision_tells_only_attaches() -> None:
    async def run() -> None:
        controller = Controller()
        desk = Desk(controller, "cloud")
        entries = [desk.take("ue1"), desk.take("ue2", ap=None)]
        await settled(desk.courier, entries)
        assert controller.told == [Transaction(attach={"ue1": "ap1"})]
        assert [one.fate for one in entries] == ["told", "nothing to tell"]

    asyncio.run(run())


def test_switches_that_were_not_reached_are_in_the_audit_log() -> None:
    async def run() -> None:
        result = TransactionResult(number=1, switches=("edge1",), rules_added=0, rules_removed=0, unreached=("edge1",))
        controller = Controller(lambda *_: Response(200, body=result.model_dump_json().encode()))
        desk = Desk(controller)
        one = desk.take("ue1")
        await settled(desk.courier, [one])
        assert (one.fate, one.detail) == ("told", "controller: not reached: edge1")

    asyncio.run(run())


class Host:
    """A MEC host that keeps who is served where as long as it runs; answers only while it is up."""

    def __init__(self) -> None:
        self.up = True
        self.connected = False
        self.told: list[dict[str, str]] = []
        self.serving: dict[str, str] = {}
        self.asked = 0

    async def send_all(self, method: str, requests: Sequence[tuple[str, bytes | None]]) -> list[Response]:
        ((_, body),) = requests
        self.asked += 1
        await asyncio.sleep(0)
        if not self.up:
            raise ConnectionRefusedError("no")
        self.connected = True
        self.told.append(Serving.model_validate_json(body or b"").serving)
        self.serving |= self.told[-1]
        return [Response(200)]

    def start_again(self) -> None:
        self.connected, self.serving = False, {}


def test_a_dead_host_does_not_keep_a_decision_from_the_others() -> None:
    async def run() -> None:
        living, dead = Host(), Host()
        dead.up = False
        desks = [Desk(living, "http-redirect", "mec1"), Desk(dead, "http-redirect", "mec2")]
        running = [asyncio.create_task(desk.courier.run()) for desk in desks]
        entries = [desk.take("ue1", "mec1") for desk in desks]
        async with asyncio.timeout(10):
            while entries[0].fate == "waiting" or dead.asked < 2:
                await asyncio.sleep(0)
        assert (entries[0].fate, entries[1].fate) == ("told", "waiting")
        assert entries[1].detail == "mec2: trying again: ConnectionRefusedError: no"
        for task in running:
            task.cancel()

    asyncio.run(run())


def test_a_host_that_has_started_again_is_told_everything() -> None:
    async def run() -> None:
        host = Host()
        desk = Desk(host, "http-redirect", "mec1")
        await settled(desk.courier, [desk.take("ue1", "mec1"), desk.take("ue2", "mec2")])
        await settled(desk.courier, [desk.take("ue3", "mec1")])
        host.start_again()
        await settled(desk.courier, [desk.take("ue1", "mec2")])
        assert host.told[1] == {"ue3": "mec1"}
        assert host.serving == {"ue1": "mec2", "ue2": "mec2", "ue3": "mec1"}

    asyncio.run(run())


class Silent:
    """A host that answers nothing for an hour, and then whatever it is asked."""

    connected = True

    def __init__(self) -> None:
        self.asked = 0
        self.silent = True

    async def send_all(self, method: str, requests: Sequence[tuple[str, bytes | None]]) -> list[Response]:
        self.asked += 1
        if self.asked == 1:
            raise TimeoutError
        if self.silent:
            await asyncio.sleep(3600)
        return [Response(200)]


def test_a_host_that_is_known_to_be_back_is_asked_again_at_once() -> None:
    async def run() -> None:
        host = Silent()
        desk = Desk(host, "http-redirect", "mec1")
        running = asyncio.create_task(desk.courier.run())
        entry = desk.take("ue1", "mec1")
        async with asyncio.timeout(10):
            while host.asked < 2:
                await asyncio.sleep(0)
        host.silent = False
        desk.courier.hurry()
        await settled_by(running, entry)
        assert (entry.fate, host.asked) == ("told", 3)

    asyncio.run(run())


def test_a_courier_that_is_in_no_trouble_does_not_hurry() -> None:
    async def run() -> None:
        controller = Controller()
        controller.gate.clear()
        desk = Desk(controller)
        running = asyncio.create_task(desk.courier.run())
        entry = desk.take("ue1")
        await controller.asked.wait()
        desk.courier.hurry()
        controller.gate.set()
        await settled_by(running, entry)
        assert len(controller.told) == 1

    asyncio.run(run())


class PlatformManager:
    """Takes what is for one host's platform and refuses the other's."""

    connected = True

    def __init__(self) -> None:
        self.targets: list[list[str]] = []

    async def send_all(self, method: str, requests: Sequence[tuple[str, bytes | None]]) -> list[Response]:
        self.targets.append([target.split("/")[4] for target, _ in requests])
        return [Response(202) if "mec1" in target else Response(404, body=b"no app-mec2") for target, _ in requests]


def test_requests_for_several_platforms_go_at_once_and_fail_apart() -> None:
    async def run() -> None:
        manager = PlatformManager()
        desk = Desk(manager, "edge-dns", "mepm")
        entries = [desk.locate("ap1", "mec1"), desk.locate("ap2", "mec2")]
        await settled(desk.courier, entries)
        assert manager.targets == [["app-mec1", "app-mec2"]]
        assert [one.fate for one in entries] == ["told", "refused"]

    asyncio.run(run())


def test_what_was_refused_is_told_again_when_it_is_decided_again() -> None:
    async def run() -> None:
        controller = Controller(lambda number, _: Response(409, body=b"no") if number == 1 else OK)
        desk = Desk(controller)
        await settled(desk.courier, [desk.take("ue1", "mec1")])
        await settled(desk.courier, [desk.take("ue1", "mec1")])
        assert controller.told[1].serve == {"ue1": "mec1"}

    asyncio.run(run())
