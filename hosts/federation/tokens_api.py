"""The token endpoint (RFC 6749 section 4.4, RFC 8705 section 2.1): the certificate authenticates the client.

| request | answer |
|---|---|
| `POST /oauth2/token`: `grant_type=client_credentials`, `client_id`, `scope` | 200; 400, 401 `{"error"}` |

`client_id` and `scope` can be left out; all that the client may have is given then. A token lives for `expires_in` s.
"""

from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hosts.federation.core import Core
from hosts.federation.gate import TOKEN_PATH, Caller
from hosts.web import problems
from meclab.federation.denials import Denied
from meclab.model import SECOND

_NO_STORE = {"Cache-Control": "no-store"}


def routes(core: Core) -> list[Route]:
    """Of the token endpoint."""

    async def token(request: Request) -> Response:
        caller: Caller = request.state.caller
        form = _form(await problems.body(request))
        if form is None:
            return _error(request, 400, "invalid_request")
        if form.get("client_id", caller.name) != caller.name:
            return _error(request, 401, "invalid_client")
        if form.get("grant_type") != "client_credentials":
            return _error(request, 400, "unsupported_grant_type" if "grant_type" in form else "invalid_request")
        wanted = frozenset(form["scope"].split()) if "scope" in form else None
        try:
            issued, scopes = core.gate.issue(caller, wanted, core.identifier())
        except Denied:
            return _error(request, 400, "invalid_scope")
        content = {
            "access_token": issued,
            "token_type": "Bearer",
            "expires_in": core.settings.token_lifetime_ns // SECOND,
            "scope": " ".join(sorted(scopes)),
        }
        return JSONResponse(content, headers=_NO_STORE)

    return [Route(TOKEN_PATH, token, methods=["POST"])]


def _form(body: bytes) -> dict[str, str] | None:
    """The form's fields; none where it is no form or a field is there twice."""
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    except ValueError:
        return None
    if any(len(values) > 1 for values in fields.values()):
        return None
    return {name: values[0] for name, values in fields.items()}


def _error(request: Request, status: int, code: str) -> Response:
    """RFC 6749 section 5.2."""
    request.state.rule = code.upper(), "no token"
    return JSONResponse({"error": code}, status, _NO_STORE)
