"""What an operator does with its own federator (Mfm-fed, scope `operate`); the lab's own, ETSI specifies none of it.

| request | answer |
|---|---|
| `GET /v1/federations` | every agreement, each direction an entry, and the relationship with each party |
| `POST /v1/federations` `{"partner"}` | 201: uses what the partner offers from now on |
| `PUT /v1/federations/{partner}/status` `{"federationStatus"}` | 200: suspends or resumes both directions |
| `POST /v1/federations/{partner}/renewal` | 200: another term for what is used |
| `DELETE /v1/federations/{partner}` | 204: ends both directions |
| `GET`, `PUT /v1/catalogue` | the own catalogue |
| `GET /v1/catalogues/{partner}` | what a partner shows, while the agreement is in force |
| `PUT /v1/parties/{name}`, a `Party` | 200: makes a party known |
| `PUT /v1/revocations/{name}` | 200: refuses a party from now on |
| `GET /v1/audit?after=N`, `GET /v1/health` | refusals; state of the lines to others |

At a broker also `GET /v1/assurance`; and for its members `GET /v1/revocations`, scope `discover`.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hosts.federation.federator import Federator
from hosts.federation.gate import Caller, Endpoint, Handler
from hosts.federation.systems_api import content
from hosts.web import problems
from hosts.web.problems import Refusal
from meclab.federation.catalogue import Catalogue
from meclab.federation.parties import Identifier, Party
from meclab.federation.partnership import StatusChange
from meclab.messages import Body


class Formation(Body):
    """Whom to form a federation with."""

    partner: Identifier


def routes(federator: Federator) -> list[Route]:
    """Of the interface."""
    api = _Api(federator)
    gate = federator.core.gate

    def guard(handler: Handler) -> Endpoint:
        return gate.guard("operate", "mec", handler)

    common = [
        Route("/v1/federations", guard(api.federations), methods=["GET"]),
        Route("/v1/federations/{partner}/status", guard(api.status), methods=["PUT"]),
        Route("/v1/federations/{partner}", guard(api.end), methods=["DELETE"]),
        Route("/v1/parties/{name}", guard(api.party), methods=["PUT"]),
        Route("/v1/revocations/{name}", guard(api.revoke), methods=["PUT"]),
        Route("/v1/revocations", gate.guard("discover", "mec", api.revocations), methods=["GET"]),
        Route("/v1/audit", guard(api.audit), methods=["GET"]),
        Route("/v1/health", guard(api.health), methods=["GET"]),
    ]
    if federator.core.is_broker:
        return [*common, Route("/v1/assurance", guard(api.assurance), methods=["GET"])]
    return [
        *common,
        Route("/v1/federations", guard(api.form), methods=["POST"]),
        Route("/v1/federations/{partner}/renewal", guard(api.renew), methods=["POST"]),
        Route("/v1/catalogue", guard(api.catalogue), methods=["GET", "PUT"]),
        Route("/v1/catalogues/{partner}", guard(api.learned), methods=["GET"]),
    ]


class _Api:
    def __init__(self, federator: Federator) -> None:
        self._federator = federator

    async def federations(self, _: Request, __: Caller) -> Response:
        return JSONResponse(self._federator.listed())

    async def form(self, request: Request, _: Caller) -> Response:
        stated = await problems.read(request, Formation)
        return JSONResponse(await self._federator.form(stated.partner), 201)

    async def status(self, request: Request, _: Caller) -> Response:
        locked = (await problems.read(request, StatusChange)).federationStatus == "LOCKED"
        await self._federator.suspend(request.path_params["partner"], locked)
        return JSONResponse(self._federator.listed())

    async def renew(self, request: Request, _: Caller) -> Response:
        await self._federator.renew(request.path_params["partner"])
        return JSONResponse(self._federator.listed())

    async def end(self, request: Request, _: Caller) -> Response:
        self._federator.end(request.path_params["partner"])
        return Response(status_code=204)

    async def catalogue(self, request: Request, _: Caller) -> Response:
        offering = self._federator.offering
        if request.method == "PUT":
            offering.publish(await problems.read(request, Catalogue))
        return JSONResponse(content(offering.catalogue))

    async def learned(self, request: Request, _: Caller) -> Response:
        return JSONResponse(content(self._federator.using.catalogue(request.path_params["partner"])))

    async def party(self, request: Request, _: Caller) -> Response:
        stated = await problems.read(request, Party)
        if stated.name != request.path_params["name"]:
            raise Refusal(400, f"name {stated.name!r}; the resource is {request.path_params['name']}")
        self._federator.core.admit(stated)
        return JSONResponse(content(stated))

    async def revoke(self, request: Request, _: Caller) -> Response:
        self._federator.revoke(request.path_params["name"])
        return await self.revocations(request, _)

    async def revocations(self, _: Request, __: Caller) -> Response:
        return JSONResponse({"revoked": self._federator.core.members.revoked})

    async def audit(self, request: Request, _: Caller) -> Response:
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdigit() and len(after) < 19):
            raise Refusal(400, f"after={after!r}; expected the number of an entry")
        return JSONResponse({"entries": self._federator.core.audit.since(int(after))})

    async def health(self, _: Request, __: Caller) -> Response:
        return JSONResponse(self._federator.health())

    async def assurance(self, _: Request, __: Caller) -> Response:
        return JSONResponse(self._federator.assured())
