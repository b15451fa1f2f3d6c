"""The UALCMP's HTTP interface.

For device applications, GS MEC 016 (`/dev_app/v1`); a device is known by its source address:

| request | answer |
|---|---|
| `GET …/app_list` | the applications; filters `appname`, `appprovider`, `appsoftversion`, `servicecont`, `vendorid` |
| `POST …/app_contexts`, an `AppContext` | 201, `Location`, and the context with where the application is |
| `PUT …/app_contexts/{id}`, an `AppContext` | 204; changes `callbackReference` and `appLocation` |
| `DELETE …/app_contexts/{id}` | 204 |

For the orchestrator, the lab's own: `POST /v1/serving`, a `Serving`, 200 `{"update", "changed"}`; `GET /v1/health`.

Refusals are problem details (RFC 9457).
"""

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hosts.platform.ualcmp_core import Caller, Proxy
from hosts.web import problems
from hosts.web.http1 import authority
from hosts.web.problems import Refusal
from meclab import devapp
from meclab.devapp import AppContext
from meclab.messages import Serving

_APPLICATION: dict[str, object] = {
    "appDId": devapp.APP_DESCRIPTOR,
    "appName": devapp.APP_NAME,
    "appProvider": devapp.APP_PROVIDER,
    "appSoftVersion": devapp.APP_VERSION,
    "appDVersion": devapp.APP_VERSION,
    "appDescription": "The lab's application, one instance on every MEC host",
    "appCharcs": {"serviceCont": 1},
}
_FILTERS = {"appname": "appName", "appprovider": "appProvider", "appsoftversion": "appSoftVersion"}
_CONTINUITY, _VENDOR = "servicecont", "vendorid"


def application(proxy: Proxy) -> Starlette:
    """The interface as ASGI."""
    api = _Api(proxy)
    return Starlette(
        routes=[
            Route(f"{devapp.PATH}/app_list", api.applications, methods=["GET"]),
            Route(f"{devapp.PATH}/app_contexts", api.create, methods=["POST"]),
            Route(f"{devapp.PATH}/app_contexts/{{context}}", api.one, methods=["PUT", "DELETE"]),
            Route("/v1/serving", api.serving, methods=["POST"]),
            Route("/v1/health", api.health, methods=["GET"]),
        ],
        exception_handlers=problems.HANDLERS,
    )


class _Api:
    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    async def applications(self, request: Request) -> Response:
        self._caller(request)
        found = [{"appInfo": _APPLICATION}] if _fits(request.query_params) else []
        return JSONResponse({"appList": found})

    async def create(self, request: Request) -> Response:
        caller = self._caller(request)
        context = await self._proxy.create(caller, await problems.read(request, AppContext))
        address, port = request.scope["server"]
        location = f"http://{authority(address, port)}{devapp.PATH}/app_contexts/{context.contextId}"
        return JSONResponse(context.model_dump(mode="json", exclude_none=True), 201, {"Location": location})

    async def one(self, request: Request) -> Response:
        caller, identifier = self._caller(request), request.path_params["context"]
        self._proxy.contexts.get(identifier, caller.name)
        if request.method == "DELETE":
            self._proxy.delete(caller, identifier)
        else:
            self._proxy.update(caller, identifier, await problems.read(request, AppContext))
        return Response(status_code=204)

    async def serving(self, request: Request) -> Response:
        serving = await problems.read(request, Serving, 422)
        return JSONResponse({"update": serving.update, "changed": self._proxy.serve(serving)})

    async def health(self, _: Request) -> Response:
        return JSONResponse(self._proxy.health())

    def _caller(self, request: Request) -> Caller:
        assert request.client is not None, "served over TCP"
        return self._proxy.caller(request.client.host)


def _fits(query: QueryParams) -> bool:
    """Whether the application passes the filters: of several values of one name any fits. Raises `Refusal`."""
    known = {*_FILTERS, _CONTINUITY, _VENDOR}
    if unknown := [name for name in query if name not in known]:
        raise Refusal(400, f"query parameter {', '.join(unknown)}; expected {', '.join(sorted(known))}")
    continuity = query.getlist(_CONTINUITY)
    if any(value not in ("0", "1") for value in continuity):
        raise Refusal(400, f"servicecont={', '.join(continuity)}; expected 0 or 1")
    fits = [_APPLICATION[name] in query.getlist(key) for key, name in _FILTERS.items() if key in query]
    return all(fits) and "0" not in continuity and _VENDOR not in query
