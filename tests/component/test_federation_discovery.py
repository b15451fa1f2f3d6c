"""System discovery with the lab's own client, step by step, over HTTPS."""

import asyncio
import random
import time
from pathlib import Path

import pytest
from federation_lab import TERMS, Lab
from mec_lab import free_port, taker

from hosts.federation.client import PeerClient
from hosts.federation.discovery import Discoverer, Discovery
from hosts.web.client import Client
from meclab.federation.parties import Terms
from meclab.federation.selection import SelectionPolicy
from meclab.federation.systems import SystemInfo


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def orchestrator(lab: Lab, name: str, platform: int, tries: int = 3) -> tuple[Discoverer, PeerClient]:
    party = lab.party(name, "manager")
    peer = PeerClient(lab.identity(f"{name}-meo"), party, time.time_ns, random.Random(1), tries=tries)
    return Discoverer(Client("127.0.0.1", platform, 2.0), peer, time.time_ns), peer


async def discovered(lab: Lab, platform: int, form: str | None) -> tuple[str, Discovery, Discovery]:
    """The identifier of mno2's system, and mno1's discoveries before and after a federation is formed."""
    one, to_one = orchestrator(lab, "mno1", platform)
    two, to_two = orchestrator(lab, "mno2", platform)
    own, step = await one.register(SystemInfo(systemName="one", systemProvider="mno1"))
    assert (step.number, step.messages) == (0, 4), "a token, and the registration"
    assert (await one.register(SystemInfo(systemName="one", systemProvider="mno1")))[0] == own
    other, _ = await two.register(SystemInfo(systemName="two", systemProvider="mno2"))
    before = await one.discover("v2x", own, SelectionPolicy())
    if form is not None:
        response = await to_one.call("POST", "/v1/federations", {"partner": form})
        assert response.status == 201, response.body
    after = await one.discover("v2x", own, SelectionPolicy())
    to_one.close()
    to_two.close()
    return other, before, after


def test_a_service_that_is_not_local_leads_to_a_system_to_federate_with_and_then_to_a_member(lab: Lab) -> None:
    platform = free_port()
    one = lab.settings("mno1", {"mno2": "manager"}, terms={"mno2": TERMS})
    two = lab.settings("mno2", {"mno1": "manager"}, terms={"mno1": TERMS})
    with lab.federator(one), lab.federator(two), taker(platform, answer=list):
        other, before, after = asyncio.run(discovered(lab, platform, "mno2"))
    for discovery, standing in ((before, "available"), (after, "member")):
        assert [step.number for step in discovery.steps] == [1, 2, 3]
        assert [step.messages for step in discovery.steps] == [2, 4, 0]
        assert all(step.ended_ns >= step.began_ns for step in discovery.steps)
        assert discovery.steps[1].carried_bytes > discovery.steps[0].carried_bytes > 0
        assert discovery.selection is not None and discovery.selection.candidate is not None
        assert discovery.selection.candidate.info.systemId == other
        assert discovery.selection.candidate.standing == standing


def test_a_service_that_is_local_is_looked_for_nowhere_else(lab: Lab) -> None:
    platform = free_port()
    one = lab.settings("mno1", {"mno2": "manager"}, terms={"mno2": Terms()})
    two = lab.settings("mno2", {"mno1": "manager"}, terms={"mno1": Terms()})
    with lab.federator(one), lab.federator(two), taker(platform, answer=lambda: [{"serName": "v2x"}]):
        _, before, _ = asyncio.run(discovered(lab, platform, None))
    assert before.local and before.selection is None and [step.number for step in before.steps] == [1]


def test_a_federator_that_does_not_answer_is_named(lab: Lab) -> None:
    platform = free_port()
    one = lab.settings("mno1", {"mno2": "manager"})
    with lab.federator(one), taker(platform, answer=list):
        discoverer, _ = orchestrator(lab, "mno1", platform)
        lab.party("mno2", "manager")

        async def run() -> Discovery:
            own, _ = await discoverer.register(SystemInfo(systemName="one", systemProvider="mno1"))
            return await discoverer.discover("v2x", own, SelectionPolicy())

        found = asyncio.run(run())
    assert found.unreached == ("mno2",)
    assert found.selection is not None and found.selection.candidate is None


def test_a_client_asks_for_a_new_token_when_the_federator_has_been_restarted(lab: Lab) -> None:
    settings = lab.settings("mno1", {})
    party = lab.party("mno1", "manager")
    peer = PeerClient(lab.identity("mno1-meo"), party, time.time_ns, random.Random(1))

    async def twice() -> list[int]:
        loop = asyncio.get_running_loop()
        statuses = []
        for _ in range(2):
            process = lab.federator(settings)
            await loop.run_in_executor(None, process.__enter__)
            statuses.append((await peer.call("GET", "/v1/health")).status)
            await loop.run_in_executor(None, process.__exit__, None, None, None)
        return statuses

    assert asyncio.run(twice()) == [200, 200]
    assert peer.messages == 2 + 2 + 2 + 2 + 2, "two tokens, two answers, and one 401 between"


def test_a_client_that_is_no_member_is_told_so_and_does_not_try_again(lab: Lab) -> None:
    with lab.federator(lab.settings("mno1", {})):
        party = lab.party("mno1", "manager")
        peer = PeerClient(lab.identity("outsider"), party, time.time_ns, random.Random(1))
        response = asyncio.run(peer.call("GET", "/v1/health"))
    assert response.status == 401 and peer.messages == 2
