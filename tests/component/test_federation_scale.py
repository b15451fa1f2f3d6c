"""A hundred systems through a broker and in full mesh: relationships, messages and bytes, counted in one process.

The federators are the real ones behind their real interfaces, with certificates and tokens; only TLS, TCP and the
client's kept connections are left out. An HTTP message is counted with the bytes that it would have as HTTP/1.1.
"""

import asyncio
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import pytest
from starlette.types import ASGIApp

from hosts.federation import interface
from hosts.federation.audit import Audit
from hosts.federation.client import packed
from hosts.federation.core import Means, Peer
from hosts.federation.federator import Federator
from hosts.web import http1
from hosts.web.http1 import Response
from hosts.web.serving import PEER
from meclab.federation.parties import Party, Settings, Terms
from meclab.federation.systems import PATH
from meclab.messages import Body
from meclab.model import SECOND

SYSTEMS = 100
INFO = f"{PATH}/fed_resources/system_info"
NOW_NS = 1_800_000_000 * SECOND


class Certificate:
    """The application's view of a TLS connection; see `ssl.SSLObject.getpeercert`."""

    def __init__(self, name: str) -> None:
        self._described = {
            "subject": ((("commonName", name),),),
            "notBefore": "Jan  1 00:00:00 2020 GMT",
            "notAfter": "Jan  1 00:00:00 2040 GMT",
        }
        self._name = name

    def getpeercert(self, binary: bool = False) -> Any:
        return self._name.encode() if binary else self._described


@dataclass
class Count:
    """HTTP requests and responses between federators."""

    messages: int = 0
    carried_bytes: int = 0

    def __sub__(self, other: "Count") -> "Count":
        return Count(self.messages - other.messages, self.carried_bytes - other.carried_bytes)


class World:
    """Federators in one process that call each other's interfaces."""

    def __init__(self) -> None:
        self.count = Count()
        self.federators: dict[str, Federator] = {}
        self._applications: dict[str, ASGIApp] = {}

    def add(self, settings: Settings) -> Federator:
        def reach(party: Party) -> Peer:
            return Direct(self, settings.name, party)

        means = Means(lambda: NOW_NS, random.Random(settings.name), b"x" * 32, reach, Audit(lambda: NOW_NS))
        made = self.federators[settings.name] = Federator(settings, means)
        self._applications[settings.name] = interface.application(made)
        return made

    async def exchange(
        self, client: str, server: str, method: str, target: str, body: bytes | None, headers: dict[str, str]
    ) -> Response:
        """One request and its response, counted unless an orchestrator has asked."""
        request = http1.request(method, target, server, body, headers=headers)
        path, _, query = target.partition("?")
        scope = {
            **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path},
            **{"query_string": query.encode(), "root_path": "", "scheme": "https", "client": ("127.0.0.1", 1)},
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "state": {},
            "extensions": {PEER: {"tls": Certificate(client)}},
        }
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body or b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._applications[server](scope, receive, send)
        start, content = sent[0], b"".join(message.get("body", b"") for message in sent[1:])
        fields = {name.decode(): value.decode() for name, value in start["headers"]}
        if not client.endswith("-meo"):
            head = f"HTTP/1.1 {start['status']} {HTTPStatus(start['status']).phrase}\r\n"
            head += "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            self.count.messages += 2
            self.count.carried_bytes += len(request) + len(head) + 2 + len(content)
        return Response(start["status"], fields, content)

    async def settled(self) -> None:
        """Returns when no federator has anything left to tell."""
        while any(line["waiting"] for made in self.federators.values() for line in made.core.outbox.health().values()):
            await asyncio.sleep(0)


class Direct:
    """`PeerClient` without the network."""

    def __init__(self, world: World, own: str, party: Party) -> None:
        self._world = world
        self._own = own
        self._party = party
        self._token = ""

    async def call(self, method: str, target: str, content: Body | dict[str, Any] | None = None) -> Response:
        if not self._token:
            form = f"grant_type=client_credentials&client_id={self._own}".encode()
            answer = await self._world.exchange(self._own, self._party.name, "POST", "/oauth2/token", form, {})
            self._token = json.loads(answer.body)["access_token"]
        body = None if content is None else packed(content)
        headers = {"Authorization": f"Bearer {self._token}"}
        return await self._world.exchange(self._own, self._party.name, method, target, body, headers)

    async def call_unauthorised(self, method: str, target: str, content: Body) -> Response:
        return await self._world.exchange(self._own, self._party.name, method, target, packed(content), {})

    def close(self) -> None:
        pass


def party(name: str, role: str) -> Party:
    url = "" if role == "orchestrator" else f"https://{name}:8100"
    return Party.model_validate({"name": name, "role": role, "url": url})


def settings(name: str, role: str, others: Iterable[Party]) -> Settings:
    known = (party(f"{name}-meo", "orchestrator"), *(other for other in others if other.name != name))
    terms = {other.name: Terms() for other in known[1:] if other.role == "manager"}
    return Settings.model_validate(
        {"name": name, "role": role, "url": f"https://{name}:8100", "parties": known, "terms": terms}
    )


@dataclass(frozen=True)
class Findings:
    relationships: int
    """Pairs of federators with an agreement."""
    forming: Count
    update: Count
    """One system's change, until all know it."""
    discovery: Count
    """One orchestrator's question for all members."""
    found: int


async def measured(count: int, through_broker: bool) -> Findings:
    """Forms the federation, changes one system, and looks for all."""
    world = World()
    managers = [party(f"mno{number}", "manager") for number in range(count)]
    hub = party("hub", "broker")
    if through_broker:
        world.add(settings("hub", "broker", managers))
    others = [hub] if through_broker else managers
    operators = {manager.name: Direct(world, f"{manager.name}-meo", manager) for manager in managers}
    for manager in managers:
        world.add(settings(manager.name, "manager", others))
        body = {"systemName": f"{manager.name}-system", "systemProvider": manager.name}
        assert (await operators[manager.name].call("POST", INFO, body)).status == 201
    for manager in managers:
        for partner in others:
            if partner.name != manager.name:
                made = await operators[manager.name].call("POST", "/v1/federations", {"partner": partner.name})
                assert made.status == 201, made.body
    await world.settled()
    formed = world.count - Count()
    (info,) = [
        info
        for info in json.loads((await operators["mno0"].call("GET", INFO)).body)
        if info["systemProvider"] == "mno0"
    ]
    await operators["mno0"].call("PATCH", f"{INFO}/{info['systemId']}", {"systemName": "old"})
    await world.settled()  # whoever joined last has not been told anything before, which takes a token
    before = world.count - Count()
    changed = await operators["mno0"].call("PATCH", f"{INFO}/{info['systemId']}", {"systemName": "new"})
    assert changed.status == 200
    await world.settled()
    updated = world.count - Count()
    found = json.loads((await operators["mno1"].call("GET", INFO)).body)
    assert "new" in {info["systemName"] for info in found}
    pairs = {
        frozenset((known.originating, known.partner))
        for made in world.federators.values()
        for known in made.core.agreements.listed()
    }
    return Findings(len(pairs), formed, updated - before, world.count - updated, len(found))


@pytest.fixture(scope="module")
def findings() -> dict[str, Findings]:
    return {"broker": asyncio.run(measured(SYSTEMS, True)), "mesh": asyncio.run(measured(SYSTEMS, False))}


def test_both_find_every_system(findings: dict[str, Findings]) -> None:
    assert findings["broker"].found == findings["mesh"].found == SYSTEMS


def test_a_broker_needs_a_relationship_each_and_a_mesh_one_for_every_pair(findings: dict[str, Findings]) -> None:
    assert findings["broker"].relationships == SYSTEMS
    assert findings["mesh"].relationships == SYSTEMS * (SYSTEMS - 1) // 2


def test_an_update_takes_one_message_more_through_a_broker_and_is_sent_on_by_it(findings: dict[str, Findings]) -> None:
    assert findings["mesh"].update.messages == 2 * (SYSTEMS - 1)
    assert findings["broker"].update.messages == 2 * SYSTEMS


def test_a_discovery_takes_one_exchange_through_a_broker_and_one_with_every_other_in_a_mesh(
    findings: dict[str, Findings],
) -> None:
    assert findings["broker"].discovery.messages == 2
    assert findings["mesh"].discovery.messages == 2 * (SYSTEMS - 1)
    assert findings["broker"].discovery.carried_bytes < findings["mesh"].discovery.carried_bytes
