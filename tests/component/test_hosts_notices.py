"""The orchestrator hands devices their resolver by datagram, on loopback, to a device that loses some."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hosts.orchestration.audit import Audit, Delivery, Entry
from hosts.orchestration.courier import Errand
from hosts.orchestration.notices import Notices
from meclab import planning, topology
from meclab.plan import Plan
from meclab.scenario import Scenario
from meclab.steering import Steering

DEADLINE_S = 10
ADDRESSES = {"ipv4": "127.0.0.77", "ipv6": "::1"}


def make_plan(family: str) -> Plan:
    device = {"name": "ue1", **ADDRESSES}
    content = {"scenario": "test", "methods": ["edge-dns"], "devices": [device], "probes": {"family": family}}
    scenario = Scenario.model_validate(content)
    return planning.make(scenario, topology.two_site(), scenario.methods[0], "wire")


@contextmanager
def device(family: str) -> Iterator[socket.socket]:
    """The device's side of the air."""
    kind = socket.AF_INET if family == "ipv4" else socket.AF_INET6
    with socket.socket(kind, socket.SOCK_DGRAM) as found:
        found.bind((ADDRESSES[family], 0))
        found.setblocking(False)
        yield found


class Network:
    """The orchestrator's side, for one device."""

    def __init__(self, plan: Plan, port: int, **options: Any) -> None:
        self.notices = Notices(plan, lambda: 9, port=port, **options)
        self._steering = Steering(plan)
        self._audit = Audit()
        self._sequence = 0

    def attach(self, ap: str) -> Entry:
        self._sequence += 1
        entry = self._audit.undecided("ue1", "attach", "", 0, ap)
        (fact,) = (fact for fact in self._steering.attached("ue1", ap, self._sequence) if fact.recipient == "ue1")
        entry.deliveries["ue1"] = Delivery(1)
        self.notices.take([Errand(entry, fact)])
        return entry


async def heard(ue: socket.socket) -> tuple[dict[str, Any], Any]:
    payload, sender = await asyncio.get_running_loop().sock_recvfrom(ue, 2048)
    return json.loads(payload), sender


async def acknowledge(ue: socket.socket, sequence: int, sender: Any) -> None:
    body = json.dumps({"kind": "ack", "device": "ue1", "sequence": sequence})
    await asyncio.get_running_loop().sock_sendto(ue, body.encode(), sender)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def within_the_deadline(scene: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await scene()

    asyncio.run(run())


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_notice_is_repeated_until_the_device_says_it_has_it(family: str) -> None:
    async def scene() -> None:
        plan = make_plan(family)
        with device(family) as ue:
            network = Network(plan, ue.getsockname()[1])
            await network.notices.open()
            entry = network.attach("ap2")
            first, _ = await heard(ue)
            again, sender = await heard(ue)
            assert (
                first
                == again
                == {
                    "kind": "resolver",
                    "sequence": 1,
                    "ipv4": str(plan.node("mec2").ipv4),
                    "ipv6": str(plan.node("mec2").ipv6),
                }
            )
            assert entry.fate == "waiting"
            await acknowledge(ue, 1, sender)
            await until(lambda: entry.fate == "told")
            assert entry.told_ns == 9

    within_the_deadline(scene)


def test_a_newer_resolver_takes_the_place_of_one_that_was_not_acknowledged() -> None:
    async def scene() -> None:
        with device("ipv4") as ue:
            network = Network(make_plan("ipv4"), ue.getsockname()[1])
            await network.notices.open()
            older, newer = network.attach("ap1"), network.attach("ap2")
            sequences = [(await heard(ue))[0]["sequence"] for _ in range(3)]
            assert sequences == [1, 2, 2]
            _, sender = await heard(ue)
            await acknowledge(ue, 1, sender)
            await until(lambda: network.notices.counters["late"] == 1)
            assert (older.fate, newer.fate) == ("superseded", "waiting")
            await acknowledge(ue, 2, sender)
            await until(lambda: newer.fate == "told")

    within_the_deadline(scene)


def test_a_device_that_never_answers_is_given_up_and_the_entry_says_so() -> None:
    async def scene() -> None:
        with device("ipv4") as ue:
            network = Network(make_plan("ipv4"), ue.getsockname()[1], give_up_s=0.12)
            await network.notices.open()
            entry = network.attach("ap1")
            await until(lambda: entry.fate == "given up")
            assert entry.detail.startswith("ue1: no acknowledgement of ")
            health = network.notices.health()
            assert (health["waiting"], health["given_up"]) == (0, 1)

    within_the_deadline(scene)


def test_what_is_no_acknowledgement_is_counted_and_changes_nothing() -> None:
    async def scene() -> None:
        with device("ipv4") as ue:
            network = Network(make_plan("ipv4"), ue.getsockname()[1])
            await network.notices.open()
            entry = network.attach("ap1")
            _, sender = await heard(ue)
            await asyncio.get_running_loop().sock_sendto(ue, b"\xff{", sender)
            await until(lambda: network.notices.counters["garbage"] == 1)
            assert entry.fate == "waiting"

    within_the_deadline(scene)
