"""Where other federators tell this one what has changed (scope `notify`); 204, or 404 for what is not known here.

| request | body |
|---|---|
| `POST /callbacks/systems` | MEC 040's `SystemUpdateNotification` |
| `POST /callbacks/status` | GSMA's partner status event |
| `POST /callbacks/zones` | GSMA's zone resource event |
| `POST /callbacks/catalogue` | the lab's `CatalogueEvent` |
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hosts.federation.core import Core
from hosts.federation.directory import CALLBACK, Directory
from hosts.federation.gate import Caller, Handler, Interface
from hosts.federation.using import CATALOGUE_CALLBACK, STATUS_CALLBACK, ZONE_CALLBACK, Using
from hosts.web import problems
from meclab.federation.catalogue import CatalogueEvent
from meclab.federation.partnership import PartnerStatusEvent, ZoneResourceEvent
from meclab.federation.systems import SystemUpdateNotification


def routes(core: Core, directory: Directory, using: Using) -> list[Route]:
    """Of the callbacks."""

    async def systems(request: Request, caller: Caller) -> Response:
        directory.heard(caller, await problems.read(request, SystemUpdateNotification))
        return Response(status_code=204)

    async def status(request: Request, caller: Caller) -> Response:
        await using.status_changed(caller.name, await problems.read(request, PartnerStatusEvent))
        return Response(status_code=204)

    async def zones(request: Request, caller: Caller) -> Response:
        using.zone_changed(caller.name, await problems.read(request, ZoneResourceEvent))
        return Response(status_code=200)

    async def catalogue(request: Request, caller: Caller) -> Response:
        using.catalogue_changed(caller.name, await problems.read(request, CatalogueEvent))
        return Response(status_code=204)

    def guard(path: str, handler: Handler, interface: Interface) -> Route:
        return Route(path, core.gate.guard("notify", interface, handler), methods=["POST"])

    return [
        guard(CALLBACK, systems, "mec"),
        guard(STATUS_CALLBACK, status, "gsma"),
        guard(ZONE_CALLBACK, zones, "gsma"),
        guard(CATALOGUE_CALLBACK, catalogue, "gsma"),
    ]
