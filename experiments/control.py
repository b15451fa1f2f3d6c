"""The control socket of a running lab: requests from other terminals, one JSON object each way.

The socket lies in the run folder, which is the only thing that the lab and the machine share. Its path may
be longer than a socket's address can be, so both sides reach it through a descriptor of the folder.
"""

import json
import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from meclab.errors import LabError, RunError

SOCKET_NAME = "control.sock"
_MESSAGE_BYTES = 1 << 16

Handler = Callable[[dict[str, Any]], Any]
"""Takes a request's fields; what it returns is the answer's `result`."""


def _address(folder: int) -> str:
    return f"/proc/self/fd/{folder}/{SOCKET_NAME}"


class ControlServer:
    """Serves requests by name, each on a thread of its own; errors become answers."""

    def __init__(self, run_dir: Path, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        folder = os.open(run_dir, os.O_PATH | os.O_DIRECTORY)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        (run_dir / SOCKET_NAME).unlink(missing_ok=True)
        self._listener.bind(_address(folder))
        self._listener.listen(16)
        os.close(folder)
        threading.Thread(target=self._accept, name="control", daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                request = json.loads(connection.recv(_MESSAGE_BYTES))
                answer = {"result": self._handlers[request.pop("do")](request)}
            except LabError as error:
                answer = {"error": str(error), "status": error.exit_status}
            except (KeyError, TypeError, ValueError) as error:
                answer = {"error": f"not a request of the lab: {error!r}", "status": 2}
            connection.sendall(json.dumps(answer).encode())


class Refused(LabError):
    """The lab refused a request; carries the exit status that the lab named."""

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


def request(run_dir: Path, do: str, **fields: Any) -> Any:
    """Sends one request to the lab of a run folder and returns its result; raises `Refused` or `RunError`."""
    folder = os.open(run_dir, os.O_PATH | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(_address(folder))
            connection.sendall(json.dumps({"do": do, **fields}).encode())
            answer = json.loads(b"".join(iter(lambda: connection.recv(_MESSAGE_BYTES), b"")))
    except (OSError, ValueError) as error:
        raise RunError(f"the lab in {run_dir} does not answer: {error}") from error
    finally:
        os.close(folder)
    if "error" in answer:
        raise Refused(answer["error"], answer["status"])
    return answer["result"]
