"""Redirects to the host that serves a device (RFC 9110 section 15.4.8): 307, which keeps method and body.

307 and not 308, as the next decision may be another: a client may keep 308 for good, and `no-store` keeps caches from
keeping either. The Location is absolute, in the scheme and over the IP version that the request came by.
"""

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from hosts.web import http1
from hosts.web.assignments import Assignments
from meclab.packets import APP_PORT, APP_TLS_PORT
from meclab.plan import Plan

_RETRY_S = 1
_STEERED = ("/session/",)


class Locations:
    """Where hosts are, as Location has it."""

    def __init__(self, plan: Plan, ports: tuple[int, int] = (APP_PORT, APP_TLS_PORT)) -> None:
        """`ports`: that of HTTP, and that of HTTP over TLS."""
        self._by_name = plan.http.location == "name"
        self._names = {node.name: plan.host_name(node.name).removesuffix(".") for node in plan.nodes}
        self._addresses = {(node.name, ":" in str(a)): str(a) for node in plan.nodes for a in (node.ipv4, node.ipv6)}
        self._ports = {"http": ports[0], "https": ports[1]}

    def of(self, host: str, scope: Scope) -> str:
        """The URL at a host of what a request asks for, path and query as they were sent."""
        server = self._names[host] if self._by_name else self._addresses[host, ":" in scope["server"][0]]
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        target = (scope["raw_path"] + query).decode("latin-1")
        return f"{scope['scheme']}://{http1.authority(server, self._ports[scope['scheme']])}{target}"


def redirection(by: str, location: str) -> Response:
    """The answer that sends a client on; `by` is the host that gives it."""
    headers = {"Location": location, "Cache-Control": "no-store", "MEC-Host": by}
    return PlainTextResponse(f"served at {location}\n", 307, headers)


class Redirecting:
    """A serving host's application, asked by devices that another host may serve.

    What the host was not told of, it serves: somebody sent the device here.
    """

    def __init__(self, application: ASGIApp, host: str, assignments: Assignments, locations: Locations) -> None:
        self._application = application
        self._host = host
        self._assignments = assignments
        self._locations = locations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        served_by = self._served_by(scope) if scope["type"] == "http" else None
        if served_by is None or served_by == self._host:
            await self._application(scope, receive, send)
        else:
            await redirection(self._host, self._locations.of(served_by, scope))(scope, receive, send)

    def _served_by(self, scope: Scope) -> str | None:
        """None too for what the host itself is asked: its load, its health."""
        path: str = scope["path"]
        if path != "/" and not path.startswith(_STEERED):
            return None
        device = self._assignments.device(_client(scope), path)
        return None if device is None else self._assignments.host(device)


class Front:
    """The application's public entrance, which serves nothing itself."""

    def __init__(self, host: str, assignments: Assignments, locations: Locations) -> None:
        self._host = host
        self._assignments = assignments
        self._locations = locations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", "the server has neither WebSocket nor lifespan"
        await self._answer(scope)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        headers = {"Cache-Control": "no-store", "MEC-Host": self._host}
        device = self._assignments.device(_client(scope), scope["path"])
        if device is None:
            asked = f"{Headers(scope=scope).get('host', 'no host')}{scope['path']}"
            why = f"{_client(scope)} is no device of this lab, and {asked} names none; expected /session/DEVICE"
            return JSONResponse({"error": why}, 404, headers)
        host = self._assignments.host(device)
        if host is None:
            headers["Retry-After"] = str(_RETRY_S)
            return JSONResponse({"error": f"no decision yet on who serves {device}"}, 503, headers)
        return redirection(self._host, self._locations.of(host, scope))


def _client(scope: Scope) -> str:
    return scope["client"][0] if scope["client"] else ""
