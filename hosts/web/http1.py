"""HTTP/1.1 without sockets: messages as bytes, and bytes to messages (RFC 9112).

The parser is httptools' (llhttp): a device parses a response every few milliseconds on a shared processor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import httptools

from meclab.errors import PeerError


@dataclass
class Response:
    """One complete response; header names in lower case."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    keeps_alive: bool = True


@dataclass
class Request:
    """One complete request."""

    method: str = ""
    target: str = ""
    body: bytes = b""
    keeps_alive: bool = True


JSON = "application/json"


def request(
    method: str,
    target: str,
    host: str,
    body: bytes | None = None,
    content_type: str = JSON,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """A request in one piece, with a body or none; `host` is the Host field's value, `headers` are further fields."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + (body or b"")


def response(status: int) -> bytes:
    """A response without content."""
    content = [] if status == HTTPStatus.NO_CONTENT else ["Content-Length: 0"]
    return "\r\n".join([f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *content, "", ""]).encode("ascii")


def authority(address: str, port: int) -> str:
    """An address and port as they stand in a URL: IPv6 in brackets (RFC 3986 section 3.2.2)."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class ResponseReader:
    """Reads the responses of one connection."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._current = Response()
        self._body: list[bytes] = []
        self._complete: list[Response] = []

    def feed(self, data: bytes) -> list[Response]:
        """The responses that these bytes complete. Raises `PeerError` for what is not HTTP."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise PeerError(f"not an HTTP response: {data[:60]!r}: {error}") from error
        complete, self._complete = self._complete, []
        return complete

    def on_message_begin(self) -> None:
        """Called by the parser, as those below."""
        self._current, self._body = Response(), []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._current.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        response = self._current
        response.status = self._parser.get_status_code()
        response.keeps_alive = self._parser.should_keep_alive()
        response.body = b"".join(self._body)
        self._complete.append(response)


class RequestReader:
    """Reads the requests of one connection."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._current = Request()
        self._body: list[bytes] = []
        self._complete: list[Request] = []

    def feed(self, data: bytes) -> list[Request]:
        """The requests that these bytes complete. Raises `PeerError` for what is not HTTP."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise PeerError(f"not an HTTP request: {data[:60]!r}: {error}") from error
        complete, self._complete = self._complete, []
        return complete

    def on_message_begin(self) -> None:
        """Called by the parser, as those below."""
        self._current, self._body = Request(), []

    def on_url(self, url: bytes) -> None:
        self._current.target += url.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        request = self._current
        request.method = self._parser.get_method().decode("ascii")
        request.keeps_alive = self._parser.should_keep_alive()
        request.body = b"".join(self._body)
        self._complete.append(request)
