"""The EASDF's HTTP interface: `Neasdf_DNSContext` (TS 29.556 clause 6.1), and what people may look at.

| request | answer |
|---|---|
| `POST …/dns-contexts`, a `DnsContextCreateData` | 201 with Location, `DnsContextCreatedData` |
| `PUT …/dns-contexts/{id}`, a `DnsContextCreateData` | 204 |
| `PATCH …/dns-contexts/{id}`, `application/json-patch+json` | 204 |
| `DELETE …/dns-contexts/{id}` | 204 |
| `GET /easdf-lab/v1/contexts`, `GET /easdf-lab/v1/health` | the lab's own |

An update that releases a message which is held no more is answered with 200 and a `PatchResult` that says so.
Refusals are problem details: 400 for a body that is none, 403 for a device that has a context (`hosts.core5g.contexts`
says why not 409), 404 for an unknown context or resource, 405, 413, 415.
"""

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hosts.core5g import problems
from hosts.core5g.commondata import PatchItem, PatchResult, ReportItem
from hosts.core5g.contexts import RESOURCE, Contexts
from hosts.core5g.handling import Release
from hosts.core5g.holding import Holding
from hosts.core5g.neasdf import DnsContextCreateData, DnsContextCreatedData

JSON_PATCH = "application/json-patch+json"
_PATCH = TypeAdapter(list[PatchItem])


def application(
    contexts: Contexts, holding: Holding, created: DnsContextCreatedData, counters: Callable[[], dict[str, Any]]
) -> Starlette:
    """The interface as ASGI; `created` is what a session function is told of the EASDF."""
    api = _Api(contexts, holding, created, counters)
    return Starlette(
        routes=[
            Route(RESOURCE, api.create, methods=["POST"]),
            Route(f"{RESOURCE}/{{identifier}}", api.replace, methods=["PUT"]),
            Route(f"{RESOURCE}/{{identifier}}", api.update, methods=["PATCH"]),
            Route(f"{RESOURCE}/{{identifier}}", api.delete, methods=["DELETE"]),
            Route("/easdf-lab/v1/contexts", api.listed, methods=["GET"]),
            Route("/easdf-lab/v1/health", api.health, methods=["GET"]),
        ],
        exception_handlers=problems.HANDLERS,
    )


class _Api:
    def __init__(
        self,
        contexts: Contexts,
        holding: Holding,
        created: DnsContextCreatedData,
        counters: Callable[[], dict[str, Any]],
    ) -> None:
        self._contexts = contexts
        self._holding = holding
        self._created = created.model_dump(mode="json", exclude_none=True)
        self._counters = counters

    async def create(self, request: Request) -> Response:
        content = await problems.body(request, "application/json")
        context = self._contexts.create(DnsContextCreateData.model_validate_json(content))
        location = str(request.url.replace(path=f"{RESOURCE}/{context.identifier}", query=""))
        return JSONResponse(self._created, 201, {"Location": location})

    async def replace(self, request: Request) -> Response:
        content = await problems.body(request, "application/json")
        data = DnsContextCreateData.model_validate_json(content)
        return self._released(self._contexts.replace(request.path_params["identifier"], data))

    async def update(self, request: Request) -> Response:
        items = _PATCH.validate_json(await problems.body(request, JSON_PATCH))
        return self._released(self._contexts.patch(request.path_params["identifier"], items))

    def _released(self, releases: Sequence[Release]) -> Response:
        late = tuple(
            ReportItem(path=release.path, reason=f"message {release.message} is not held back")
            for release in releases
            if not self._holding.release(release)
        )
        if late:
            return JSONResponse(PatchResult(report=late).model_dump(mode="json"))
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        self._contexts.delete(request.path_params["identifier"])
        return Response(status_code=204)

    async def listed(self, _: Request) -> Response:
        contexts = [
            {"dnsContextId": context.identifier, **context.data.model_dump(mode="json", exclude_none=True)}
            for context in self._contexts
        ]
        return JSONResponse({"contexts": contexts})

    async def health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok", "held": len(self._holding), **self._counters()})
