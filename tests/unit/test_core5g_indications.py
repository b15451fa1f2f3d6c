"""Rediscovery indications: said again until confirmed, and by what is configured."""

import asyncio
from ipaddress import ip_network

import pytest

from hosts.core5g.indications import WAITS_S, Indications
from meclab.messages import NoticeAck, RediscoveryNotice
from meclab.settings import Easdf

NAME = "app.edge.example."
OLD = (ip_network("10.1.1.10/32"), ip_network("2001:db8:1:1::10/128"))
OLDER = (ip_network("10.1.3.10/32"),)


class Device:
    """Hears every datagram; time passes only when the test says so."""

    def __init__(self, rediscovery="name"):
        self.heard = []
        self.waits = []
        self._turns = asyncio.Semaphore(0)
        self.indications = Indications(Easdf(rediscovery=rediscovery), NAME, self._hear, self._pause)

    def _hear(self, device, datagram):
        self.heard.append((device, RediscoveryNotice.model_validate_json(datagram)))

    async def _pause(self, wait_s):
        self.waits.append(wait_s)
        await self._turns.acquire()

    async def later(self, turns=1):
        for _ in range(turns):
            self._turns.release()
            for _ in range(5):
                await asyncio.sleep(0)

    def confirm(self, sequence, device="ue1"):
        self.indications.received(NoticeAck(device=device, sequence=sequence).model_dump_json().encode())


def test_an_indication_is_repeated_ever_slower_and_then_given_up():
    async def run():
        device = Device()
        device.indications.tell("ue1", OLD)
        await device.later(20)
        assert device.waits == list(WAITS_S) == sorted(WAITS_S)
        assert WAITS_S[0] == 0.05
        assert len({notice.sequence for _, notice in device.heard}) == 1
        assert (device.indications.confirmed, device.indications.given_up) == (0, 1)

    asyncio.run(run())


def test_a_confirmation_ends_the_repetitions_and_any_other_does_not():
    async def run():
        device = Device()
        notice = device.indications.tell("ue1", OLD)
        await device.later()
        device.confirm(notice.sequence - 1)
        device.confirm(notice.sequence, "ue2")
        device.indications.received(b"garbage")
        await device.later()
        assert len(device.heard) == 3
        device.confirm(notice.sequence)
        device.confirm(notice.sequence)
        await device.later(5)
        assert len(device.heard) == 3
        assert (device.indications.confirmed, device.indications.given_up) == (1, 0)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("rediscovery", "prefixes", "names"), [("all", (), ()), ("addresses", OLD, ()), ("name", (), (NAME,))]
)
def test_an_indication_says_what_is_configured(rediscovery, prefixes, names):
    async def run():
        device = Device(rediscovery)
        device.indications.tell("ue1", OLD)
        await device.later()
        (who, notice), *_ = device.heard
        assert (who, notice.impact, notice.prefixes, notice.names) == ("ue1", rediscovery, prefixes, names)

    asyncio.run(run())


def test_with_none_the_device_is_told_nothing():
    async def run():
        device = Device("none")
        assert device.indications.tell("ue1", OLD) is None
        await device.later(3)
        assert not device.heard

    asyncio.run(run())


def test_a_newer_indication_says_what_the_unconfirmed_one_said_too():
    async def run():
        device = Device("addresses")
        first = device.indications.tell("ue1", OLDER)
        await device.later()
        second = device.indications.tell("ue1", OLD)
        device.heard.clear()
        await device.later(2)
        assert {notice.sequence for _, notice in device.heard} == {second.sequence}
        assert second.sequence > first.sequence
        assert second.prefixes == OLDER + OLD
        device.confirm(second.sequence)
        assert device.indications.tell("ue1", OLDER).prefixes == OLDER

    asyncio.run(run())
