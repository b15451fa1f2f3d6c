"""The orchestrator's HTTP interface; `GET /openapi.json` describes it.

| request | answer |
|---|---|
| `POST /v1/attachments`, an `AttachEvent` | 202 `{"outcome", "host", "reason"}`; 200 where it repeats or is outdated |
| `POST /v1/preparations`, a `Preparation` | the same |
| `POST /v1/loads`, a `LoadReport` | 200 `{"changed": [devices]}` |
| `GET`, `PUT /v1/policy` | the policy in force; a change, whole or in part, decides again for every device |
| `GET /v1/pins`, `PUT`, `DELETE /v1/pins/{device}` | the operator's rule for one device |
| `GET /v1/decisions?after=N` | the audit log |
| `GET /v1/devices`, `GET /v1/locations`, `GET /v1/hosts` | what the orchestrator knows |
| `GET /v1/health` | `status` is `ok`, or `degraded` while a recipient does not take decisions |

A body that is not one is answered with 422, an unknown name with 404, a contradiction with 409.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from hosts.orchestration.bodies import Changed, Decided, Decisions, Pins, PolicyAnswer, PolicyNow, Refusal
from hosts.orchestration.core import Meo
from hosts.orchestration.standings import AttachResult, Conflict, UnknownName
from meclab.errors import PeerError
from meclab.messages import AttachEvent, LoadReport, Preparation
from meclab.operation import PinTo, PolicyChange

_MOST_DIGITS = 18
_AFTER = Query(description="A decision's number", json_schema_extra={"pattern": f"^[0-9]{{1,{_MOST_DIGITS}}}$"})
_REFUSED: dict[int | str, dict[str, Any]] = {
    404: {"model": Refusal, "description": "A name that the plan does not have"},
    422: {"model": Refusal, "description": "A body that is none; what is wrong with it"},
}
_MOVED: dict[int | str, dict[str, Any]] = _REFUSED | {
    200: {"model": Decided, "description": "It repeats, or is older than what is known; nothing changed"},
    202: {"model": Decided, "description": "Decided, or to be decided later; recipients are being told"},
    409: {"model": Refusal, "description": "It contradicts what is known"},
}


def application(meo: Meo) -> FastAPI:
    """The interface as ASGI; its pages of documentation are left out, as they load from the internet."""
    api = FastAPI(
        title="meclab orchestrator (MEO)",
        version="1",
        description="Decides which MEC host serves which device, and tells whom the method has it tell.",
        docs_url=None,
        redoc_url=None,
    )
    _events(api, meo)
    _operator(api, meo)
    _views(api, meo)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(ValidationError, _invalid)
    api.add_exception_handler(UnknownName, _unknown)
    api.add_exception_handler(Conflict, _conflict)
    api.add_exception_handler(HTTPException, _refused)
    return api


def _events(api: FastAPI, meo: Meo) -> None:
    """What the network and the hosts tell. Bodies are read here and not by FastAPI: an attach is waited for."""

    @api.post("/v1/attachments", responses=_MOVED, status_code=202, openapi_extra=_takes(AttachEvent), tags=["events"])
    async def attach(request: Request) -> Response:
        """A device has attached to an access point."""
        heard_ns = time.time_ns()
        return _decided(meo.attached(AttachEvent.model_validate_json(await request.body()), heard_ns))

    @api.post("/v1/preparations", responses=_MOVED, status_code=202, openapi_extra=_takes(Preparation), tags=["events"])
    async def prepare(request: Request) -> Response:
        """A device is about to move to an access point: the decision is made for there, before it leaves."""
        heard_ns = time.time_ns()
        return _decided(meo.prepared(Preparation.model_validate_json(await request.body()), heard_ns))

    @api.post(
        "/v1/loads", response_model=Changed, responses=_REFUSED, openapi_extra=_takes(LoadReport), tags=["events"]
    )
    async def report_load(request: Request) -> Response:
        """A MEC host's load, which is its heartbeat as well."""
        heard_ns = time.time_ns()
        decisions = meo.loaded(LoadReport.model_validate_json(await request.body()), heard_ns)
        return JSONResponse({"changed": [decision.device for decision in decisions]})


def _operator(api: FastAPI, meo: Meo) -> None:
    """What the operator may change."""

    @api.get("/v1/policy", tags=["operator"])
    async def policy() -> PolicyNow:
        """The policy in force."""
        return _policy(meo)

    @api.put("/v1/policy", responses={422: _REFUSED[422]}, tags=["operator"])
    async def change_policy(change: PolicyChange) -> PolicyAnswer:
        """Changes what is given, and decides again for every device."""
        decisions = meo.ruled(change.applied(meo.state.policy), time.time_ns())
        return PolicyAnswer(policy=_policy(meo), changed=[decision.device for decision in decisions])

    @api.get("/v1/pins", tags=["operator"])
    async def pins() -> Pins:
        """Every pin."""
        return Pins(pins=meo.state.policy.pins)

    @api.put("/v1/pins/{device}", responses=_REFUSED, tags=["operator"])
    async def pin(device: str, body: PinTo) -> Changed:
        """Pins a device to a MEC host: it wins over the policy while the host lives."""
        return Changed(changed=[decision.device for decision in meo.pinned(device, body.host, time.time_ns())])

    @api.delete("/v1/pins/{device}", responses=_REFUSED, tags=["operator"])
    async def unpin(device: str) -> Changed:
        """Ends a device's pin; one that has none stays as it is."""
        return Changed(changed=[decision.device for decision in meo.pinned(device, None, time.time_ns())])


def _views(api: FastAPI, meo: Meo) -> None:
    """What the orchestrator knows."""

    @api.get("/v1/decisions", response_model=Decisions, responses={400: {"model": Refusal}}, tags=["views"])
    async def decisions(after: Annotated[str, _AFTER] = "0") -> Response:
        """The audit log after a number: every decision with its reason, and what became of it."""
        if not (after.isascii() and after.isdigit() and len(after) <= _MOST_DIGITS):
            return JSONResponse({"error": f"after={after!r}; expected a decision's number"}, 400)
        return JSONResponse({"decisions": meo.audit.since(int(after))})

    @api.get("/v1/devices", tags=["views"])
    async def devices() -> dict[str, list[dict[str, Any]]]:
        """Where each device is, and what was decided for it last."""
        return {"devices": [{"device": name, **asdict(known)} for name, known in sorted(meo.state.devices.items())]}

    @api.get("/v1/locations", tags=["views"])
    async def locations() -> dict[str, list[dict[str, Any]]]:
        """What is decided for whoever is at an access point, where answers go by location."""
        return {"locations": [{"ap": name, **asdict(known)} for name, known in meo.state.locations.items()]}

    @api.get("/v1/hosts", tags=["views"])
    async def hosts() -> dict[str, list[dict[str, Any]]]:
        """Every MEC host: load, life, and how many devices it serves."""
        served_by = [known.host for known in meo.state.devices.values()]
        listed = [
            {
                "host": name,
                "load": record.state.load,
                "alive": record.state.alive,
                "heard_ns": record.heard_ns,
                "devices": served_by.count(name),
            }
            for name, record in sorted(meo.state.hosts.items())
        ]
        return {"hosts": listed}

    @api.get("/v1/health", tags=["views"])
    async def health() -> dict[str, Any]:
        """State of the line to each recipient."""
        return meo.messengers.health()


def _takes(body: type[BaseModel]) -> dict[str, Any]:
    """The description of a body that the handler reads itself."""
    schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _decided(result: AttachResult) -> Response:
    decision = result.decision
    reason = decision.reason if decision else "no MEC host is alive"
    if result.outcome == "delayed":
        reason = "is decided later"
    content = {"outcome": result.outcome, "host": decision.host if decision else None, "reason": reason}
    return JSONResponse(content, 202 if result.outcome in ("decided", "delayed") else 200)


def _policy(meo: Meo) -> PolicyNow:
    return PolicyNow.model_validate(meo.state.policy.model_dump(mode="json", include=set(PolicyChange.model_fields)))


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError | RequestValidationError), "registered for it"
    return JSONResponse({"error": [_complaint(details) for details in error.errors()]}, 422)


def _complaint(details: Mapping[str, Any]) -> str:
    """`hysteresis: found '2': a number of at least 0 with a unit (…), such as 30ms`."""
    where = ".".join(str(step) for step in details["loc"] if step != "body") or "body"
    words = details["msg"].removeprefix("Value error, ")
    if details["type"] in ("missing", "extra_forbidden"):
        return f"{where}: {'missing' if details['type'] == 'missing' else 'an unknown key'}"
    return f"{where}: found {details['input']!r}: {words}"


async def _unknown(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": _words(error)}, 404)


async def _conflict(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": _words(error)}, 409)


async def _refused(_: Request, error: Exception) -> Response:
    """Unknown requests, in the same form as every other refusal; 400 is FastAPI's for a body that is no text."""
    assert isinstance(error, HTTPException), "registered for it"
    return JSONResponse({"error": error.detail}, 422 if error.status_code == 400 else error.status_code, error.headers)


def _words(error: Exception) -> str:
    assert isinstance(error, PeerError), "registered for it"
    return str(error)
