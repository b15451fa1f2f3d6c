"""System discovery (GS MEC 040 clause 5.2.2), as an orchestrator drives it; every step is timed and counted.

| step | what | reference point |
|---|---|---|
| 0 | the system is registered with the federation manager, beforehand | Mfm-fed |
| 1 | a platform is asked for a service: `GET /mec_service_mgmt/v1/services?ser_name=`; it has none | in the system |
| 2 | the manager is asked for members' systems and for those available to form a federation; it asks on | Mfm-fed |
| 3 | one is selected by policy | in the orchestrator |

Messages and bytes are the orchestrator's own. What the manager sends on in step 2, over Mff-fed and Mfb-fed, is in the
captures.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from hosts.federation.client import PeerClient, read
from hosts.federation.directory import AVAILABLE, RESOURCE
from hosts.web.client import Client
from hosts.web.http1 import Response
from meclab.errors import PeerError
from meclab.federation.selection import Candidate, Selection, SelectionPolicy, select
from meclab.federation.systems import SystemInfo

SERVICES: Final = "/mec_service_mgmt/v1/services"
_SYSTEMS: TypeAdapter[list[SystemInfo]] = TypeAdapter(list[SystemInfo])
Clock = Callable[[], int]


@dataclass(frozen=True)
class Step:
    """One step of a discovery. Times are those of the clock given, in ns."""

    number: int
    began_ns: int
    ended_ns: int
    messages: int
    """HTTP requests and responses, those for tokens included."""
    carried_bytes: int
    """Of HTTP, without TLS and what lies under it."""


@dataclass(frozen=True)
class Discovery:
    """What has come of it."""

    steps: tuple[Step, ...]
    local: bool
    """The service is in the own system: nobody else was asked."""
    selection: Selection | None
    """None where it is local."""
    unreached: tuple[str, ...] = ()
    """Federators that did not answer the manager."""


class Discoverer:
    """An orchestrator's way to systems that are not its own."""

    def __init__(self, platform: Client, manager: PeerClient, clock: Clock) -> None:
        self._platform = platform
        self._manager = manager
        self._clock = clock
        self._messages = 0

    async def register(self, info: SystemInfo) -> tuple[str, Step]:
        """Step 0: the own system's identifier, the same however often it is asked for. Raises `PeerError`, `OSError`,
        `TimeoutError`; so do the next."""
        began = self._mark()
        response = await self._manager.call("POST", RESOURCE, info)
        said = read(response)
        if response.status not in (201, 400) or "systemId" not in said:
            raise PeerError(f"the system is not registered: {response.status} {said.get('detail', '')}")
        return str(said["systemId"]), self._step(0, began)

    async def discover(self, service: str, own: str, policy: SelectionPolicy) -> Discovery:
        """Steps 1 to 3, for a service by its name; `own` is the own system's identifier."""
        began = self._mark()
        local = await self._local(service)
        steps = [self._step(1, began)]
        if local:
            return Discovery(tuple(steps), True, None)
        began = self._mark()
        members, available = [await self._manager.call("GET", target) for target in (RESOURCE, AVAILABLE)]
        steps.append(self._step(2, began))
        began = self._mark()
        candidates = [Candidate(info, "member") for info in _systems(members) if info.systemId != own]
        candidates += [Candidate(info, "available") for info in _systems(available)]
        selection = select(candidates, policy)
        steps.append(self._step(3, began))
        return Discovery(tuple(steps), False, selection, _unreached(members, available))

    async def _local(self, service: str) -> bool:
        """Whether the platform has the service; GS MEC 011 has 404 as well as an empty list for none."""
        self._messages += 1
        response = await self._platform.send("GET", f"{SERVICES}?ser_name={quote(service, safe='')}")
        self._messages += 1
        if response.status == 404:
            return False
        if response.status != 200:
            raise PeerError(f"the platform does not say which services it has: {response.status}")
        try:
            return bool(json.loads(response.body))
        except ValueError as error:
            raise PeerError(f"the platform's answer is no JSON: {response.body[:60]!r}") from error

    def _mark(self) -> tuple[int, int, int]:
        carried = self._manager.carried + self._platform.sent_bytes + self._platform.received_bytes
        return self._clock(), self._manager.messages + self._messages, carried

    def _step(self, number: int, began: tuple[int, int, int]) -> Step:
        ended = self._mark()
        return Step(number, began[0], ended[0], ended[1] - began[1], ended[2] - began[2])


def _systems(response: Response) -> list[SystemInfo]:
    """Raises `PeerError` for what is no list of systems; that nobody is to be found is one."""
    if response.status == 404:
        return []
    if response.status != 200:
        raise PeerError(f"the federation manager does not list systems: {response.status}")
    try:
        return _SYSTEMS.validate_json(response.body)
    except ValidationError as error:
        raise PeerError(f"no list of systems: {error}") from error


def _unreached(*responses: Response) -> tuple[str, ...]:
    named = [response.headers.get("x-meclab-unreached", "") for response in responses]
    return tuple(sorted({name for names in named for name in names.split(", ") if name}))
