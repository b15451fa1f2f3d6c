"""The northbound interface's HTTP/1.1 server: one thread for each connection, JSON both ways."""

import json
import logging
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from controller.intents import IntentError
from controller.northbound import Northbound

log = logging.getLogger(__name__)
_BODY_BYTES = 1 << 20


class _Handler(BaseHTTPRequestHandler):
    """Connections are kept alive; an answer is one segment."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    northbound: Northbound

    def _serve(self) -> None:
        content: Any
        try:
            status, content = 200, self.northbound.answer(self.command, self.path, self._body())
        except IntentError as error:
            status, content = error.status, {"detail": str(error)}
        except Exception as error:
            log.exception("%s %s", self.command, self.path)
            status, content = 500, {"detail": f"{type(error).__name__}: {error}"}
        self._answer(status, content)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _serve

    def _answer(self, status: int, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data if self.command != "HEAD" else b"")
        self.wfile.flush()

    def _body(self) -> Any:
        """The request's body. After one that is refused unread the connection ends."""
        length = self.headers.get("Content-Length", "0")
        refusal = None
        if "Transfer-Encoding" in self.headers:
            refusal = IntentError(411, "a body without its length; expected Content-Length")
        elif not (length.isascii() and length.isdigit()):
            refusal = IntentError(400, f"Content-Length {length!r}; expected a number of bytes")
        elif int(length) > _BODY_BYTES:
            refusal = IntentError(413, f"a body of {length} bytes; at most {_BODY_BYTES}")
        if refusal is not None:
            self.close_connection = True
            raise refusal
        data = self.rfile.read(int(length))
        try:
            return json.loads(data) if data else None
        except (ValueError, RecursionError) as error:
            raise IntentError(400, f"the body is not JSON: {error}") from error

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What `http.server` itself refuses: a request that is no HTTP, an unknown method."""
        self.close_connection = True
        self.request_version = self.protocol_version
        self._answer(code, {"detail": message or explain or ""})

    def log_message(self, format: str, *args: Any) -> None:
        log.info("%s " + format, self.address_string(), *args)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    address_family = socket.AF_INET


def listen(northbound: Northbound, address: str, port: int) -> ThreadingHTTPServer:
    """A server of the interface, bound and listening; `serve_forever` serves."""
    handler = type("Handler", (_Handler,), {"northbound": northbound})
    return _Server((address, port), handler)
