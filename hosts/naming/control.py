"""The HTTP interface by which platforms tell a DNS server its rules.

| request | answer |
|---|---|
| `POST /v1/rules`, a `DnsUpdate` | 200 `DnsUpdated`, at once in force; repeated and old ones too |
| `GET /v1/rules` | every rule, with the update that brought it |
| `GET /v1/health` | what it serves, and how it has answered |

A body that is none, and a rule for a name outside the zones, are answered with 422 and change nothing.
"""

from collections.abc import Callable

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hosts.naming.authority import Authority
from hosts.naming.names import text
from hosts.web import serving
from meclab.errors import PeerError
from meclab.messages import DnsUpdate, DnsUpdated


def application(host: str, authority: Authority, counters: Callable[[], dict[str, int]]) -> Starlette:
    """The interface of a host's server as ASGI."""

    async def post_rules(request: Request) -> Response:
        try:
            update = DnsUpdate.model_validate_json(await request.body())
            authority.apply(update)
        except ValidationError as error:
            return JSONResponse({"error": serving.complaints(error)}, 422)
        except PeerError as error:
            return JSONResponse({"error": str(error).split("; ")}, 422)
        rules = authority.rules
        answer = DnsUpdated(update=update.update, rules=len(rules.by_id), newer=tuple(rules.newer(update)))
        return Response(answer.model_dump_json(exclude_defaults=True), media_type="application/json")

    async def get_rules(_: Request) -> Response:
        listed = [
            {**rule.stated.model_dump(mode="json", exclude_none=True), "update": rule.update}
            for _, rule in sorted(authority.rules.by_id.items())
        ]
        return JSONResponse({"update": authority.rules.update, "rules": listed})

    async def get_health(_: Request) -> Response:
        content = {
            "status": "ok",
            "host": host,
            "zones": [text(zone.origin) for zone in authority.zones],
            "update": authority.rules.update,
            "rules": len(authority.rules.by_id),
            "answers": counters(),
        }
        return JSONResponse(content)

    return Starlette(
        routes=[
            Route("/v1/rules", post_rules, methods=["POST"]),
            Route("/v1/rules", get_rules, methods=["GET"]),
            Route("/v1/health", get_health, methods=["GET"]),
        ]
    )
