"""The platform's HTTP interface.

For applications, GS MEC 011 (`/mec_app_support/v1/applications/{appInstanceId}`):

| request | answer |
|---|---|
| `GET …/dns_rules`, `GET …/traffic_rules` | every rule |
| `GET …/dns_rules/{id}`, `GET …/traffic_rules/{id}` | one, with its entity tag |
| `PUT` of one, the rule or `{"state"}` | 200, the rule; 412 where `If-Match` is not its tag, 403 for other changes |

For the platform manager, the lab's own (Mm5 is not specified):

| request | answer |
|---|---|
| `POST /mm5/v1/configurations`, `Configurations` | 200 `{"taken"}` when all is in force; 503 while not |
| `GET /mm5/v1/health` | the lines to DNS server, controller and manager |

Refusals are problem details (RFC 9457).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hosts.platform.lines import Line, text
from hosts.platform.mep_core import HOLD_S, Platform, is_refusal
from hosts.platform.rulebook import Held, Rulebook
from hosts.web import problems
from hosts.web.problems import Refusal
from meclab.messages import DnsRule
from meclab.platforms import PLATFORM_PATH, Configurations, TrafficRule

APPLICATIONS = "/mec_app_support/v1/applications/{instance}"

Rules = Rulebook[DnsRule] | Rulebook[TrafficRule]
AnyHeld = Held[DnsRule] | Held[TrafficRule]
Switch = Callable[[str, bytes, str | None], Awaitable[AnyHeld]]


def application(platform: Platform) -> Starlette:
    """The interface as ASGI."""
    manager = _Manager(platform)
    dns = _Resource(platform, platform.dns_rules, platform.switch_dns)
    traffic = _Resource(platform, platform.traffic_rules, platform.switch_traffic)
    return Starlette(
        routes=[
            Route(f"{APPLICATIONS}/dns_rules", dns.list, methods=["GET"]),
            Route(f"{APPLICATIONS}/dns_rules/{{rule}}", dns.one, methods=["GET", "PUT"]),
            Route(f"{APPLICATIONS}/traffic_rules", traffic.list, methods=["GET"]),
            Route(f"{APPLICATIONS}/traffic_rules/{{rule}}", traffic.one, methods=["GET", "PUT"]),
            Route(PLATFORM_PATH, manager.configurations, methods=["POST"]),
            Route("/mm5/v1/health", manager.health, methods=["GET"]),
        ],
        exception_handlers=problems.HANDLERS,
    )


class _Resource:
    """The rules of one kind."""

    def __init__(self, platform: Platform, rules: Rules, switch: Switch) -> None:
        self._platform = platform
        self._rules = rules
        self._switch = switch

    async def list(self, request: Request) -> Response:
        self._known(request)
        return JSONResponse([_content(held) for held in self._rules.listed()])

    async def one(self, request: Request) -> Response:
        self._known(request)
        identifier = request.path_params["rule"]
        held: AnyHeld
        if request.method == "PUT":
            held = await self._switch(identifier, await problems.body(request), request.headers.get("If-Match"))
        else:
            held = self._rules.get(identifier)
        return JSONResponse(_content(held), headers={"ETag": held.etag})

    def _known(self, request: Request) -> None:
        if (instance := request.path_params["instance"]) != self._platform.instance:
            raise Refusal(404, f"no application {instance!r} here; there is {self._platform.instance}")


class _Manager:
    """What the platform manager is answered."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def configurations(self, request: Request) -> Response:
        stated = await problems.read(request, Configurations, 422)
        answers = self._platform.configure(stated.configurations)
        if answers:
            await asyncio.wait(answers, timeout=HOLD_S)
        if not all(answer.done() for answer in answers):
            troubles = [f"{line.name}: {line.trouble}" for line in self._lines() if line.trouble]
            raise Refusal(503, "; ".join(troubles) or f"not told within {HOLD_S:g} s", {"Retry-After": "1"})
        if refusals := [text(answer.result()) for answer in answers if is_refusal(answer.result())]:
            raise Refusal(422, "; ".join(refusals))
        return JSONResponse({"taken": len(stated.configurations)})

    async def health(self, _: Request) -> Response:
        lines = {line.name: line.health() for line in self._lines()}
        trouble = any(line.trouble for line in self._lines())
        return JSONResponse({"status": "degraded" if trouble else "ok", "host": self._platform.host, "lines": lines})

    def _lines(self) -> list[Line[Any]]:
        lines: tuple[Line[Any] | None, ...] = (self._platform.dns, self._platform.controller, self._platform.manager)
        return [line for line in lines if line is not None]


def _content(held: AnyHeld) -> dict[str, object]:
    return held.rule.model_dump(mode="json", exclude_none=True)
