"""The application server: HTTP/1.1 sessions of devices, and the host's load.

| request | answer |
|---|---|
| `GET /session/DEVICE?n=N` | `{"host", "device", "n", "count"}`; counts the device's requests here |
| `POST /session/DEVICE?n=N` | the same, and `"received"`: the octets of its body |
| `GET /` | a line that names the host, for people with `curl` |
| `GET /state` | every session of this host |
| `GET /load`, `PUT /load` | the host's load, `{"value": 0.9}`, which it reports to the orchestrator |
| `GET /health` | whether it serves and reports |

Every answer carries the header `MEC-Host`. With the method `http-redirect`, a device that another host serves is
answered 307 instead (`hosts.web.redirects`) on `/` and `/session/…`.
"""

import json
import logging
import re
import time

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from hosts.program import Context
from hosts.web import assignments_api, serving, sites
from hosts.web.assignments import Assignments
from hosts.web.load import LoadReporter
from hosts.web.redirects import Locations, Redirecting
from hosts.web.serving import Site
from hosts.web.sessions import Sessions
from meclab.model import NAME_PATTERN
from meclab.packets import ORCHESTRATOR_PORT, SERVING_PORT
from meclab.quantity import Fraction

log = logging.getLogger(__name__)
_DEVICE = re.compile(NAME_PATTERN)


class LoadValue(BaseModel):
    """The body of `PUT /load`."""

    model_config = ConfigDict(extra="forbid")

    value: Fraction


def main(context: Context) -> int:
    """Serves on every address of the host until SIGTERM; MEC hosts report their load."""
    node = context.plan.node(context.node)
    operations = context.plan.by_role("ops")[0]
    reporter = LoadReporter(node.name, str(operations.ipv4), ORCHESTRATOR_PORT)
    application = App(node.name, reporter)
    tasks = (reporter.run,) if node.role == "mec" else ()
    status = serving.serve_all(_sites(context, application.routes()), context.ready, tasks)
    log.info("sessions: %s", json.dumps(application.sessions.listed()))
    return status


def _sites(context: Context, application: ASGIApp) -> list[Site]:
    """MEC hosts send devices on that they are told another one serves, where that is the method."""
    plan, host = context.plan, context.node
    if plan.method.name != "http-redirect" or plan.node(host).role != "mec":
        return sites.of_application(context, application)
    assignments = Assignments(plan)
    redirecting = Redirecting(application, host, assignments, Locations(plan))
    interface = assignments_api.application(host, assignments)
    return [*sites.of_application(context, redirecting), Site(interface, serving.listen(SERVING_PORT))]


class App:
    """The application of one host."""

    def __init__(self, host: str, reporter: LoadReporter) -> None:
        self.sessions = Sessions()
        self._reporter = reporter
        self._host = host
        self._headers = {"MEC-Host": host}

    def routes(self) -> Starlette:
        """The application as ASGI."""
        return Starlette(
            routes=[
                Route("/session/{device}", self._session, methods=["GET", "POST"]),
                Route("/", self._page, methods=["GET"]),
                Route("/state", self._state, methods=["GET"]),
                Route("/load", self._load, methods=["GET", "PUT"]),
                Route("/health", self._health, methods=["GET"]),
            ]
        )

    def _answer(self, content: object, status: int = 200) -> Response:
        return JSONResponse(content, status, self._headers)

    async def _session(self, request: Request) -> Response:
        device, number = request.path_params["device"], request.query_params.get("n", "")
        if not _DEVICE.fullmatch(device):
            return self._answer({"error": f"device {device!r}; expected a name matching {NAME_PATTERN}"}, 404)
        if not (number.isascii() and number.isdigit() and len(number) <= 18):
            return self._answer({"error": f"n={number!r}; expected the request's number"}, 400)
        received = {"received": len(await request.body())} if request.method == "POST" else {}
        session = self.sessions.hit(device, int(number), time.time_ns())
        answer = {"host": self._host, "device": device, "n": session.last_n, "count": session.count}
        return self._answer(answer | received)

    async def _page(self, request: Request) -> Response:
        client = request.client.host if request.client else "?"
        server = request.scope["server"][0]
        text = f"{self._host} serves {client}, asked at {server}; {len(self.sessions)} sessions here\n"
        return PlainTextResponse(text, headers=self._headers)

    async def _state(self, _: Request) -> Response:
        return self._answer({"host": self._host, "sessions": self.sessions.listed()})

    async def _load(self, request: Request) -> Response:
        if request.method == "PUT":
            try:
                self._reporter.set(LoadValue.model_validate_json(await request.body()).value)
            except ValidationError as error:
                return self._answer({"error": serving.complaints(error)}, 422)
        return self._answer({"value": self._reporter.load})

    async def _health(self, _: Request) -> Response:
        return self._answer({"status": "ok", "host": self._host, "reports": self._reporter.error or "arrive"})
