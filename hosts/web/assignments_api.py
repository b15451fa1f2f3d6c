"""The HTTP interface by which the orchestrator tells a host who serves whom (`packets.SERVING_PORT`).

| request | answer |
|---|---|
| `POST /v1/serving`, a `Serving` | 200 `{"update", "changed"}`: the highest update told, and how many hosts changed |
| `GET /v1/serving` | `{"update", "serving": {device: host}}` |
| `GET /v1/health` | `{"status": "ok", "host"}` |

A body that is none is answered with 422, an unknown device or host with 404; then nothing has changed.
"""

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hosts.web import serving
from hosts.web.assignments import Assignments, UnknownNames
from meclab.messages import Serving


def application(host: str, assignments: Assignments) -> Starlette:
    """The interface as ASGI."""

    async def post_serving(request: Request) -> Response:
        try:
            changed = assignments.take(Serving.model_validate_json(await request.body()))
        except ValidationError as error:
            return JSONResponse({"error": serving.complaints(error)}, 422)
        except UnknownNames as error:
            return JSONResponse({"error": error.reasons}, 404)
        return JSONResponse({"update": assignments.update, "changed": changed})

    async def get_serving(_: Request) -> Response:
        return JSONResponse({"update": assignments.update, "serving": assignments.serving})

    async def get_health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "host": host})

    return Starlette(
        routes=[
            Route("/v1/serving", post_serving, methods=["POST"]),
            Route("/v1/serving", get_serving, methods=["GET"]),
            Route("/v1/health", get_health, methods=["GET"]),
        ]
    )
