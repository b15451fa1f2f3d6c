"""GSMA's East/West-bound interface (`/operatorplatform/federation/v1`), scope `federate` or `catalogue`.

| request | answer |
|---|---|
| `POST /partner`, a `FederationRequestData` | 200, `Location`; 409 with the context where there is one |
| `GET`, `PATCH`, `DELETE /{context}/partner` | 200 |
| `POST /{context}/zones`; `GET`, `DELETE /{context}/zones/{zone}` | 200 |

Extensions of the lab:

| request | answer |
|---|---|
| `POST /{context}/renewal` | 200, `FederationDetails`: another term |
| `PUT /{context}/status`, a `StatusChange` | 200: the originating operator suspends (LOCKED) or resumes |
| `GET /{context}/catalogue` | 200, a `Catalogue`, as far as the agreement shows it |
| `POST /{context}/catalogue/subscriptions`; `DELETE …/{id}` | 201; 204 |

A refusal by agreement is 422 with a `cause`: this interface knows no 403.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hosts.federation.core import Core
from hosts.federation.gate import Caller, Endpoint, Handler
from hosts.federation.offering import Offering
from hosts.federation.systems_api import content
from hosts.web import problems
from meclab.federation.catalogue import CatalogueSubscription
from meclab.federation.parties import Scope
from meclab.federation.partnership import (
    PATH,
    FederationRequestData,
    FederationUpdate,
    StatusChange,
    ZoneRegistrationRequestData,
    ZoneRegistrationResponseData,
)


def routes(core: Core, offering: Offering) -> list[Route]:
    """Of the interface; a broker has no zones and no catalogue of its own."""
    api = _Api(core, offering)

    def guard(handler: Handler, scope: Scope = "federate") -> Endpoint:
        return core.gate.guard(scope, "gsma", handler)

    context = f"{PATH}/{{context}}"
    partnership = [
        Route(f"{PATH}/partner", guard(api.create), methods=["POST"]),
        Route(f"{context}/partner", guard(api.one), methods=["GET", "PATCH", "DELETE"]),
        Route(f"{context}/renewal", guard(api.renew), methods=["POST"]),
        Route(f"{context}/status", guard(api.status), methods=["PUT"]),
    ]
    if core.is_broker:
        return partnership
    return [
        *partnership,
        Route(f"{context}/zones", guard(api.zones, "catalogue"), methods=["POST"]),
        Route(f"{context}/zones/{{zone}}", guard(api.zone, "catalogue"), methods=["GET", "DELETE"]),
        Route(f"{context}/catalogue", guard(api.catalogue, "catalogue"), methods=["GET"]),
        Route(f"{context}/catalogue/subscriptions", guard(api.watch, "catalogue"), methods=["POST"]),
        Route(f"{context}/catalogue/subscriptions/{{id}}", guard(api.unwatch, "catalogue"), methods=["DELETE"]),
    ]


class _Api:
    def __init__(self, core: Core, offering: Offering) -> None:
        self._core = core
        self._offering = offering

    async def create(self, request: Request, caller: Caller) -> Response:
        made = self._offering.accept(caller, await problems.read(request, FederationRequestData))
        location = f"{self._core.settings.url}{PATH}/partner/{made.federationContextId}"
        return JSONResponse(content(made), headers={"Location": location})

    async def one(self, request: Request, caller: Caller) -> Response:
        context = request.path_params["context"]
        if request.method == "DELETE":
            self._offering.end(caller, context)
            return Response()
        if request.method == "PATCH":
            update = await problems.read(request, FederationUpdate)
            return JSONResponse(content(self._offering.update(caller, context, update)))
        return JSONResponse(content(self._offering.details(caller, context)))

    async def renew(self, request: Request, caller: Caller) -> Response:
        return JSONResponse(content(self._offering.renew(caller, request.path_params["context"])))

    async def status(self, request: Request, caller: Caller) -> Response:
        locked = (await problems.read(request, StatusChange)).federationStatus == "LOCKED"
        return JSONResponse(content(self._offering.set_status(caller, request.path_params["context"], locked)))

    async def zones(self, request: Request, caller: Caller) -> Response:
        stated = await problems.read(request, ZoneRegistrationRequestData)
        accepted = self._offering.accept_zones(caller, request.path_params["context"], stated)
        return JSONResponse(content(ZoneRegistrationResponseData(acceptedZoneResourceInfo=accepted)))

    async def zone(self, request: Request, caller: Caller) -> Response:
        context, zone = request.path_params["context"], request.path_params["zone"]
        if request.method == "DELETE":
            self._offering.leave_zone(caller, context, zone)
            return Response()
        return JSONResponse(content(self._offering.zone(caller, context, zone)))

    async def catalogue(self, request: Request, caller: Caller) -> Response:
        return JSONResponse(content(self._offering.view(caller, request.path_params["context"])))

    async def watch(self, request: Request, caller: Caller) -> Response:
        context = request.path_params["context"]
        made = self._offering.watch(caller, context, await problems.read(request, CatalogueSubscription))
        href = f"{self._core.settings.url}{PATH}/{context}/catalogue/subscriptions/{made.identifier}"
        return JSONResponse({"subscriptionId": made.identifier, "href": href}, 201, {"Location": href})

    async def unwatch(self, request: Request, caller: Caller) -> Response:
        self._offering.unwatch(caller, request.path_params["context"], request.path_params["id"])
        return Response(status_code=204)
