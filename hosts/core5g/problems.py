"""Refusals as the 5G core words them: problem details with a cause (TS 29.571 clause 5.2.4.1, TS 29.500 clause
5.2.7)."""

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from hosts.web import problems
from hosts.web.problems import Refusal


class Problem(Refusal):
    """A request that is refused."""

    def __init__(
        self,
        status: int,
        cause: str,
        detail: str,
        invalid: tuple[tuple[str, str], ...] = (),
        instance: str | None = None,
    ) -> None:
        """`cause` is a protocol or application error; `invalid` are (parameter, reason); `instance` is a URI."""
        more: dict[str, object] = {"cause": cause}
        if instance is not None:
            more["instance"] = instance
        if invalid:
            more["invalidParams"] = [{"param": param, "reason": reason} for param, reason in invalid]
        super().__init__(status, detail, more=more)


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
    """The body of a request. Raises `Refusal` for another type and for too much."""
    found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if found != media_type:
        raise Problem(415, "INVALID_MSG_FORMAT", f"a body of type {found or 'none'}; expected {media_type}")
    return await problems.body(request)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError), "registered for it"
    found = misfit(error)
    return problems.problem(found.status, str(found), more=found.more)


async def _unroutable(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "registered for it"
    known = error.status_code != 404
    cause = "METHOD_NOT_ALLOWED" if known else "RESOURCE_URI_STRUCTURE_NOT_FOUND"
    detail = f"{request.method} {request.url.path}: {error.detail}"
    return problems.problem(error.status_code, detail, error.headers, {"cause": cause})


HANDLERS: dict[int | type[Exception], ExceptionHandler] = {
    **problems.HANDLERS,
    ValidationError: _invalid,
    HTTPException: _unroutable,
}
"""For `Starlette(exception_handlers=…)`."""
