"""The courier tells the controller every decision, in order, together where they wait together."""

import asyncio
from collections.abc import Callable

from hosts.audit import Audit, Entry
from hosts.courier import Courier
from hosts.http1 import Response
from meclab.messages import Transaction, TransactionResult
from meclab.methods import Method
from meclab.policy import Decision

VIP, CLOUD = Method(name="vip", variant="immediate"), Method(name="cloud")
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

    async def send(self, method: str, target: str, body: bytes | None = None) -> Response:
        assert (method, target) == ("POST", "/v1/transactions")
        self.told.append(Transaction.model_validate_json(body or b""))
        self.asked.set()
        await self.gate.wait()
        reply = self._reply(len(self.told), self.told[-1])
        if isinstance(reply, Exception):
            raise reply
        return reply


def entry(audit: Audit, device: str, host: str = "mec1", ap: str | None = "ap1") -> Entry:
    return audit.add(device, 0, Decision(device, host, None, "attach", "", 0), ap)


async def settled(courier: Courier, entries: list[Entry]) -> None:
    """Runs the courier until nothing waits."""
    running = asyncio.create_task(courier.run())
    async with asyncio.timeout(10):
        while any(waiting.fate == "waiting" for waiting in entries):
            await asyncio.sleep(0)
    running.cancel()


def test_attach_and_service_go_in_one_transaction() -> None:
    async def run() -> None:
        controller = Controller()
        courier = Courier(VIP, controller, lambda: 9)
        one = entry(Audit(), "ue1", "mec2", "ap2")
        courier.take([one])
        await settled(courier, [one])
        assert controller.told == [Transaction(attach={"ue1": "ap2"}, serve={"ue1": "mec2"})]
        assert (one.fate, one.told_ns, one.transaction) == ("told", 9, 5)

    asyncio.run(run())


def test_what_waits_while_one_is_in_flight_goes_together() -> None:
    async def run() -> None:
        controller, audit = Controller(), Audit()
        controller.gate.clear()
        courier = Courier(VIP, controller, lambda: 9)
        entries = [entry(audit, f"ue{number}") for number in range(1, 201)]
        running = asyncio.create_task(courier.run())
        courier.take(entries[:1])
        await controller.asked.wait()
        for later in entries[1:]:
            courier.take([later])
        controller.gate.set()
        await settled(courier, entries)
        running.cancel()
        assert [len(transaction.serve) for transaction in controller.told] == [1, 199]

    asyncio.run(run())


def test_of_two_decisions_for_a_device_in_one_batch_the_later_is_told() -> None:
    async def run() -> None:
        controller, audit = Controller(), Audit()
        courier = Courier(VIP, controller, lambda: 9)
        entries = [entry(audit, "ue1", "mec1", "ap1"), entry(audit, "ue1", "mec2", None)]
        courier.take(entries)
        await settled(courier, entries)
        assert controller.told == [Transaction(attach={"ue1": "ap1"}, serve={"ue1": "mec2"})]
        assert [one.fate for one in entries] == ["superseded", "told"]

    asyncio.run(run())


def test_an_unreachable_or_failing_controller_is_asked_until_it_answers() -> None:
    async def run() -> None:
        replies: list[Reply] = [ConnectionRefusedError("no"), Response(503, body=b"starting"), TimeoutError(), OK]
        controller = Controller(lambda number, _: replies[number - 1])
        courier = Courier(VIP, controller, lambda: 9)
        one = entry(Audit(), "ue1")
        courier.take([one])
        await settled(courier, [one])
        assert len(controller.told) == 4
        assert (one.fate, one.detail) == ("told", "")
        assert courier.health()["error"] is None

    asyncio.run(run())


def test_a_retry_takes_newer_decisions_along_and_never_tells_an_older_one_after_them() -> None:
    async def run() -> None:
        controller, audit = Controller(), Audit()
        courier = Courier(VIP, controller, lambda: 9)
        entries = [entry(audit, "ue1", "mec1")]

        def reply(number: int, _: Transaction) -> Reply:
            if number > 1:
                return OK
            entries.append(entry(audit, "ue1", "mec2"))
            courier.take(entries[1:])
            return ConnectionRefusedError("no")

        controller._reply = reply
        courier.take(entries[:1])
        await settled(courier, entries)
        assert [transaction.serve["ue1"] for transaction in controller.told] == ["mec1", "mec2"]

    asyncio.run(run())


def test_one_refused_device_does_not_cost_the_others_their_rules() -> None:
    async def run() -> None:
        def reply(_: int, transaction: Transaction) -> Reply:
            return Response(409, body=b"ue2 is unknown") if "ue2" in transaction.attach else OK

        controller, audit = Controller(reply), Audit()
        courier = Courier(VIP, controller, lambda: 9)
        entries = [entry(audit, name) for name in ("ue1", "ue2", "ue3")]
        courier.take(entries)
        await settled(courier, entries)
        assert [one.fate for one in entries] == ["told", "refused", "told"]
        assert entries[1].detail == "409 ue2 is unknown"
        assert courier.health()["refused"] == 1

    asyncio.run(run())


def test_a_newer_decision_never_overtakes_one_that_is_sent_device_by_device() -> None:
    async def run() -> None:
        controller, audit = Controller(), Audit()
        courier = Courier(VIP, controller, lambda: 9)
        entries = [entry(audit, "ue1", "mec1"), entry(audit, "ue2", "mec1")]

        def reply(number: int, _: Transaction) -> Reply:
            if number == 1:
                return Response(409, body=b"not both")
            if number == 2:
                entries.append(entry(audit, "ue2", "mec2"))
                courier.take(entries[2:])
                return ConnectionRefusedError("no")
            return OK

        controller._reply = reply
        courier.take(entries[:2])
        await settled(courier, entries)
        assert [transaction.serve["ue2"] for transaction in controller.told[1:] if "ue2" in transaction.serve] == [
            "mec1",
            "mec2",
        ]

    asyncio.run(run())


def test_a_method_that_carries_no_decision_tells_only_attaches() -> None:
    async def run() -> None:
        controller, audit = Controller(), Audit()
        courier = Courier(CLOUD, controller, lambda: 9)
        entries = [entry(audit, "ue1"), entry(audit, "ue2", ap=None)]
        courier.take(entries)
        await settled(courier, entries)
        assert controller.told == [Transaction(attach={"ue1": "ap1"})]
        assert [one.fate for one in entries] == ["told", "nothing to tell"]

    asyncio.run(run())


def test_switches_that_were_not_reached_are_in_the_audit_log() -> None:
    async def run() -> None:
        result = TransactionResult(number=1, switches=("edge1",), rules_added=0, rules_removed=0, unreached=("edge1",))
        controller = Controller(lambda *_: Response(200, body=result.model_dump_json().encode()))
        courier = Courier(VIP, controller, lambda: 9)
        one = entry(Audit(), "ue1")
        courier.take([one])
        await settled(courier, [one])
        assert (one.fate, one.detail) == ("told", "not reached: edge1")

    asyncio.run(run())
