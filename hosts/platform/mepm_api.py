"""The platform manager's HTTP interface (GS MEC 010-2, `/app_lcm/v1`).

| request | answer |
|---|---|
| `POST …/app_instances/{id}/configure_platform_for_app`, a `PlatformConfiguration` | 202, `Location` of an operation |
| `GET …/app_lcm_op_occs/{id}` | the operation: PROCESSING, then COMPLETED when every platform has it in force |
| `POST /mm5/v1/platforms`, a platform's `Registration`; the lab's own | 200 `{"again"}`: whether it has restarted |
| `GET /v1/health`, the lab's own | the lines to the platforms |

Refusals are problem details (RFC 9457). An instance is `app-` and its host's name.
"""

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hosts.platform.mepm_core import Manager, Operation
from hosts.web import problems
from hosts.web.http1 import authority
from meclab.model import SECOND
from meclab.platforms import REGISTRATION_PATH, PlatformConfiguration, Registered, Registration

PATH = "/app_lcm/v1"


def application(manager: Manager) -> Starlette:
    """The interface as ASGI."""
    api = _Api(manager)
    return Starlette(
        routes=[
            Route(f"{PATH}/app_instances/{{instance}}/configure_platform_for_app", api.configure, methods=["POST"]),
            Route(f"{PATH}/app_lcm_op_occs/{{operation}}", api.operation, methods=["GET"]),
            Route(REGISTRATION_PATH, api.register, methods=["POST"]),
            Route("/v1/health", api.health, methods=["GET"]),
        ],
        exception_handlers=problems.HANDLERS,
    )


class _Api:
    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    async def configure(self, request: Request) -> Response:
        instance = request.path_params["instance"]
        self._manager.host_of(instance)
        operation = self._manager.configure(instance, await problems.read(request, PlatformConfiguration))
        return Response(status_code=202, headers={"Location": _uri(request, f"app_lcm_op_occs/{operation.identifier}")})

    async def operation(self, request: Request) -> Response:
        return JSONResponse(_content(request, self._manager.operation(request.path_params["operation"])))

    async def register(self, request: Request) -> Response:
        again = await self._manager.register(await problems.read(request, Registration))
        return JSONResponse(Registered(again=again).model_dump())

    async def health(self, _: Request) -> Response:
        platforms = {name: line.health() for name, line in self._manager.platforms.items()}
        trouble = any(line.trouble for line in self._manager.platforms.values())
        return JSONResponse({"status": "degraded" if trouble else "ok", "platforms": platforms})


def _content(request: Request, operation: Operation) -> Mapping[str, object]:
    """An AppLcmOpOcc. Its list of operations has none for a configuration; it is part of an instantiation."""
    links = {"self": f"app_lcm_op_occs/{operation.identifier}", "appInstance": f"app_instances/{operation.instance}"}
    return {
        "id": operation.identifier,
        "lcmOperation": "INSTANTIATE",
        "operationState": operation.state,
        "startTime": _time(operation.started_ns),
        "stateEnteredTime": _time(operation.entered_ns),
        "_links": {name: {"href": _uri(request, path)} for name, path in links.items()},
    }


def _time(at_ns: int) -> dict[str, int]:
    seconds, nanoseconds = divmod(at_ns, SECOND)
    return {"seconds": seconds, "nanoSeconds": nanoseconds}


def _uri(request: Request, path: str) -> str:
    """Of a resource, at the address that the client has asked."""
    address, port = request.scope["server"]
    return f"http://{authority(address, port)}{PATH}/{path}"
