"""The orchestrator's HTTP interface.

| request | answer |
|---|---|
| `POST /v1/attachments`, an `AttachEvent` | 202 `{"outcome", "host", "reason"}`; 200 where it repeats or is outdated |
| `POST /v1/loads`, a `LoadReport` | 200 `{"changed": [devices]}` |
| `GET /v1/decisions?after=N` | the audit log |
| `GET /v1/devices`, `GET /v1/hosts` | what the orchestrator knows |
| `GET /v1/health` | `status` is `ok`, or `degraded` while the controller does not take decisions |

A body that is not one is answered with 422, an unknown name with 404, a contradiction with 409.
"""

import time
from dataclasses import asdict

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hosts import serving
from hosts.meo_core import Meo
from hosts.orchestrator import Conflict, UnknownName
from meclab.errors import PeerError
from meclab.messages import AttachEvent, LoadReport


def application(meo: Meo) -> Starlette:
    """The interface as ASGI."""
    api = _Api(meo)
    return Starlette(
        routes=[
            Route("/v1/attachments", api.attachments, methods=["POST"]),
            Route("/v1/loads", api.loads, methods=["POST"]),
            Route("/v1/decisions", api.decisions, methods=["GET"]),
            Route("/v1/devices", api.devices, methods=["GET"]),
            Route("/v1/hosts", api.hosts, methods=["GET"]),
            Route("/v1/health", api.health, methods=["GET"]),
        ],
        exception_handlers={ValidationError: _invalid, UnknownName: _unknown, Conflict: _conflict},
    )


class _Api:
    def __init__(self, meo: Meo) -> None:
        self._meo = meo

    async def attachments(self, request: Request) -> Response:
        heard_ns = time.time_ns()
        result = self._meo.attached(AttachEvent.model_validate_json(await request.body()), heard_ns)
        decision = result.decision
        content = {
            "outcome": result.outcome,
            "host": decision.host if decision else None,
            "reason": decision.reason if decision else "no MEC host is alive",
        }
        return JSONResponse(content, 202 if result.outcome == "decided" else 200)

    async def loads(self, request: Request) -> Response:
        heard_ns = time.time_ns()
        decisions = self._meo.loaded(LoadReport.model_validate_json(await request.body()), heard_ns)
        return JSONResponse({"changed": [decision.device for decision in decisions]})

    async def decisions(self, request: Request) -> Response:
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdigit()):
            return JSONResponse({"error": f"after={after!r}; expected a decision's number"}, 400)
        return JSONResponse({"decisions": self._meo.audit.since(int(after))})

    async def devices(self, _: Request) -> Response:
        known = self._meo.state.devices.items()
        listed = [{"device": name, **asdict(attachment)} for name, attachment in sorted(known)]
        return JSONResponse({"devices": listed})

    async def hosts(self, _: Request) -> Response:
        served_by = [attachment.host for attachment in self._meo.state.devices.values()]
        listed = [
            {
                "host": name,
                "load": record.state.load,
                "alive": record.state.alive,
                "heard_ns": record.heard_ns,
                "devices": served_by.count(name),
            }
            for name, record in sorted(self._meo.state.hosts.items())
        ]
        return JSONResponse({"hosts": listed})

    async def health(self, _: Request) -> Response:
        controller = self._meo.courier.health()
        trouble = controller["error"] or controller["refused"]
        return JSONResponse({"status": "degraded" if trouble else "ok", "controller": controller})


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError), "registered for it"
    return JSONResponse({"error": serving.complaints(error)}, 422)


async def _unknown(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": _words(error)}, 404)


async def _conflict(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": _words(error)}, 409)


def _words(error: Exception) -> str:
    assert isinstance(error, PeerError), "registered for it"
    return str(error)
