"""The session function's HTTP interface.

| request | answer |
|---|---|
| `POST /nsmf-lab/v1/relocations`, a `Relocation` | 202 `{"outcome"}`: `accepted`, or `outdated` and nothing changes |
| `POST /nsmf-callback/v1/dns-contexts/{device}`, a `DnsContextNotification` | 204 (TS 29.556 clause 6.1.5.2) |
| `GET /nsmf-lab/v1/sessions`, `GET /nsmf-lab/v1/health` | what the session function knows |

A relocation that is none is answered with 422, unknown names with 404; a notification with problem details.
"""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hosts.core5g import problems
from hosts.core5g.neasdf import DnsContextNotification
from hosts.core5g.problems import Problem
from hosts.core5g.procedures import SessionFunction, Unknown
from hosts.web import serving
from meclab.messages import Relocation

CALLBACK = "/nsmf-callback/v1/dns-contexts"


def application(function: SessionFunction, counters: Callable[[], dict[str, Any]]) -> Starlette:
    """The interface as ASGI."""

    async def relocations(request: Request) -> Response:
        try:
            relocation = Relocation.model_validate_json(await request.body())
            outcome = function.relocate(relocation)
        except ValidationError as error:
            return JSONResponse({"error": serving.complaints(error)}, 422)
        except Unknown as error:
            return JSONResponse({"error": str(error)}, 404)
        return JSONResponse({"outcome": outcome}, 202)

    async def notification(request: Request) -> Response:
        content = await problems.body(request, "application/json")
        reports = DnsContextNotification.model_validate_json(content).eventreportList
        try:
            function.respond(request.path_params["device"], reports)
        except Unknown as error:
            raise Problem(404, "CONTEXT_NOT_FOUND", str(error)) from error
        return Response(status_code=204)

    async def sessions(_: Request) -> Response:
        return JSONResponse({"sessions": [session.listed() for _, session in sorted(function.sessions.items())]})

    async def health(_: Request) -> Response:
        found = counters()
        return JSONResponse({"status": "degraded" if found.get("error") else "ok", **found})

    return Starlette(
        routes=[
            Route("/nsmf-lab/v1/relocations", relocations, methods=["POST"]),
            Route(f"{CALLBACK}/{{device}}", notification, methods=["POST"]),
            Route("/nsmf-lab/v1/sessions", sessions, methods=["GET"]),
            Route("/nsmf-lab/v1/health", health, methods=["GET"]),
        ],
        exception_handlers=problems.HANDLERS,
    )
