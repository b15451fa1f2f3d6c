"""Refusals as the 5G core words them: problem details (RFC 9457, TS 29.571 clause 5.2.4.1, TS 29.500 clause 5.2.7)."""

import json
from collections.abc import Awaitable, Callable

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from meclab.errors import PeerError

_TITLES = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
}
_LARGEST_BODY = 262_144
Handler = Callable[[Request, Exception], Awaitable[Response]]


class Problem(PeerError):
    """A request that is refused."""

    def __init__(
        self,
        status: int,
        cause: str,
        detail: str,
        invalid: tuple[tuple[str, str], ...] = (),
        instance: str | None = None,
    ) -> None:
        """`cause` is a protocol or application error of TS 29.500; `invalid` are (parameter, reason)."""
        super().__init__(detail)
        self.status = status
        self.cause = cause
        self.invalid = invalid
        self.instance = instance

    def response(self) -> Response:
        """As `application/problem+json`."""
        content: dict[str, object] = {
            "title": _TITLES.get(self.status, "Refused"),
            "status": self.status,
            "detail": str(self),
            "cause": self.cause,
        }
        if self.instance is not None:
            content["instance"] = self.instance
        if self.invalid:
            content["invalidParams"] = [{"param": param, "reason": reason} for param, reason in self.invalid]
        return Response(json.dumps(content), self.status, media_type="application/problem+json")


def misfit(error: ValidationError) -> Problem:
    """The refusal of a body that is none: parameters as JSON pointers, the innermost that are wrong."""
    errors = error.errors()
    if errors[0]["type"] == "json_invalid":
        return Problem(400, "INVALID_MSG_FORMAT", f"the body is not JSON: {errors[0]['msg']}")
    places = [one["loc"] for one in errors]
    found = tuple(
        ("/" + "/".join(str(step).replace("~", "~0").replace("/", "~1") for step in one["loc"]), one["msg"])
        for one in errors
        if not any(one["loc"] == inner[: len(one["loc"])] and one["loc"] != inner for inner in places)
    )
    missing = all(one["type"] == "missing" for one in errors)
    cause = "MANDATORY_IE_MISSING" if missing else "MANDATORY_IE_INCORRECT"
    return Problem(400, cause, "; ".join(f"{param}: {reason}" for param, reason in found), found)


async def body(request: Request, media_type: str) -> bytes:
    """The body of a request. Raises `Problem` for another type and for too much."""
    found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if found != media_type:
        raise Problem(415, "INVALID_MSG_FORMAT", f"a body of type {found or 'none'}; expected {media_type}")
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > _LARGEST_BODY:
            raise Problem(413, "INVALID_MSG_FORMAT", f"a body of more than {_LARGEST_BODY} octets")
    return bytes(content)


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem), "registered for it"
    return error.response()


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError), "registered for it"
    return misfit(error).response()


async def _unroutable(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "registered for it"
    if error.status_code == 404:
        return Problem(404, "RESOURCE_URI_STRUCTURE_NOT_FOUND", f"no resource {request.url.path}").response()
    detail = f"{request.method} {request.url.path}: {error.detail}"
    response = Problem(error.status_code, "METHOD_NOT_ALLOWED", detail).response()
    response.headers.update(error.headers or {})
    return response


HANDLERS: dict[int | type[Exception], Handler] = {
    Problem: _problem,
    ValidationError: _invalid,
    HTTPException: _unroutable,
}
"""For a Starlette application."""
