"""MEC 040 (`/fed_enablement/v1`), over Mfm-fed, Mff-fed and Mfb-fed.

| request | scope | answer |
|---|---|---|
| `POST …/fed_resources/system_info`, a `SystemInfo` without `systemId` | register | 201, `Location` |
| `GET …/fed_resources/system_info`, filters `systemid`, `systemname`, `systemprovider` | discover | 200; 404 for none |
| `GET …/fed_resources/system_info/{systemId}` | discover | 200; 404 |
| `PATCH` of it, a `SystemInfoUpdate`; `DELETE` | register | 200; 204 |

Extensions of the lab:

| request | scope | answer |
|---|---|---|
| `PUT …/fed_resources/system_info/{systemId}` | register | 201, 200: a manager tells its broker, repeatably |
| `GET …/fed_resources/available_systems` | discover | 200: systems that a federation could be formed with |
| `POST`, `GET …/subscriptions`, `GET`, `DELETE …/subscriptions/{id}` | discover | 201, 200, 204 |

MEC 040 has the bodies of subscriptions and no path for them.

Where parties did not answer, `X-Meclab-Unreached` names them: what is listed may be a part.
"""

from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hosts.federation.core import Core
from hosts.federation.directory import AVAILABLE, RESOURCE, SUBSCRIPTIONS, Directory, Found
from hosts.federation.gate import Caller, Endpoint, Handler
from hosts.web import problems
from hosts.web.problems import Refusal
from meclab.federation.systems import (
    QUERY,
    SystemInfo,
    SystemInfoUpdate,
    SystemUpdateNotificationSubscription,
)

UNREACHED = "X-Meclab-Unreached"


def routes(core: Core, directory: Directory) -> list[Route]:
    """Of the interface."""
    api = _Api(core, directory)

    def read(handler: Handler) -> Endpoint:
        return core.gate.guard("discover", "mec", handler)

    def write(handler: Handler) -> Endpoint:
        return core.gate.guard("register", "mec", handler)

    return [
        Route(RESOURCE, read(api.find), methods=["GET"]),
        Route(RESOURCE, write(api.register), methods=["POST"]),
        Route(f"{RESOURCE}/{{system}}", read(api.get), methods=["GET"]),
        Route(f"{RESOURCE}/{{system}}", write(api.change), methods=["PATCH", "PUT", "DELETE"]),
        Route(AVAILABLE, read(api.available), methods=["GET"]),
        Route(SUBSCRIPTIONS, read(api.subscriptions), methods=["GET", "POST"]),
        Route(f"{SUBSCRIPTIONS}/{{subscription}}", read(api.subscription), methods=["GET", "DELETE"]),
    ]


class _Api:
    def __init__(self, core: Core, directory: Directory) -> None:
        self._core = core
        self._directory = directory

    async def find(self, request: Request, caller: Caller) -> Response:
        if unknown := sorted(set(request.query_params) - set(QUERY)):
            raise Refusal(400, f"query parameter {', '.join(unknown)}; expected {', '.join(QUERY)}")
        query = {name: request.query_params.getlist(name) for name in QUERY if name in request.query_params}
        return _listed(await self._directory.find(caller, query))

    async def available(self, _: Request, caller: Caller) -> Response:
        return _listed(await self._directory.available(caller))

    async def register(self, request: Request, caller: Caller) -> Response:
        made = self._directory.register(caller, await problems.read(request, SystemInfo))
        location = f"{self._core.settings.url}{RESOURCE}/{made.systemId}"
        return JSONResponse(content(made), 201, {"Location": location})

    async def get(self, request: Request, caller: Caller) -> Response:
        return JSONResponse(content(await self._directory.get(caller, request.path_params["system"])))

    async def change(self, request: Request, caller: Caller) -> Response:
        identifier = request.path_params["system"]
        if request.method == "DELETE":
            self._directory.remove(caller, identifier)
            return Response(status_code=204)
        if request.method == "PATCH":
            update = await problems.read(request, SystemInfoUpdate)
            return JSONResponse(content(self._directory.update(caller, identifier, update)))
        if not self._core.is_broker:
            raise Refusal(405, "PUT is for brokers", {"Allow": "GET, PATCH, DELETE"})
        info, change = self._directory.publish(caller, identifier, await problems.read(request, SystemInfo))
        return JSONResponse(content(info), 201 if change == "REGISTERED" else 200)

    async def subscriptions(self, request: Request, caller: Caller) -> Response:
        if request.method == "GET":
            return JSONResponse([content(known) for known in self._directory.subscriptions(caller)])
        made = self._directory.subscribe(caller, await problems.read(request, SystemUpdateNotificationSubscription))
        assert made.links is not None, "it was made"
        return JSONResponse(content(made), 201, {"Location": made.links.self.href})

    async def subscription(self, request: Request, caller: Caller) -> Response:
        identifier = request.path_params["subscription"]
        if request.method == "DELETE":
            self._directory.unsubscribe(caller, identifier)
            return Response(status_code=204)
        return JSONResponse(content(self._directory.subscription(caller, identifier)))


def content(body: BaseModel) -> Any:
    """A body as JSON, without what is left out."""
    return body.model_dump(mode="json", by_alias=True, exclude_none=True)


def _listed(found: Found) -> Response:
    headers = {UNREACHED: ", ".join(found.unreached)} if found.unreached else None
    return JSONResponse([content(info) for info in found.systems], headers=headers)
