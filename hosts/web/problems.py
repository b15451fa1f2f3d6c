"""Refusals as RFC 9457 problem details, as MEC interfaces have them, and bodies read with a limit."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ExceptionHandler

from hosts.web import serving
from meclab.errors import PeerError

LARGEST_BODY = 1 << 24
_M = TypeVar("_M", bound=BaseModel)


class Refusal(PeerError):
    """A request that is not granted: HTTP status, reason, and what else the answer says."""

    def __init__(
        self,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers
        self.more = more or {}


async def body(request: Request) -> bytes:
    """A request's body; raises `Refusal` where it is longer than `LARGEST_BODY`."""
    parts, length = [], 0
    async for part in request.stream():
        length += len(part)
        if length > LARGEST_BODY:
            raise Refusal(413, f"a body of more than {LARGEST_BODY} bytes")
        parts.append(part)
    return b"".join(parts)


async def read(request: Request, model: type[_M], status: int = 400) -> _M:
    """A body of a kind, types as they stand: no number from a string. Raises `Refusal` with `status`."""
    try:
        return model.model_validate_json(await body(request), strict=True)
    except ValidationError as error:
        raise Refusal(status, "; ".join(serving.complaints(error))) from error


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, more: Mapping[str, object] | None = None
) -> Response:
    """An answer `application/problem+json`; what cannot be written in UTF-8 is replaced."""
    printable = detail.encode("utf-8", "replace").decode()
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": printable}
    return JSONResponse({**content, **(more or {})}, status, headers, media_type="application/problem+json")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal), "registered for it"
    return problem(error.status, str(error), error.headers, error.more)


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "registered for it"
    allowed = (error.headers or {}).get("Allow")
    methods = f"; it has {allowed}" if allowed else ""
    return problem(error.status_code, f"{request.method} {request.url.path}: {error.detail}{methods}", error.headers)


HANDLERS: dict[int | type[Exception], ExceptionHandler] = {Refusal: _refused, HTTPException: _unknown}
"""For `Starlette(exception_handlers=…)`."""
