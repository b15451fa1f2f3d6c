"""A process of the network's own that does one job and answers requests: how links and air are driven.

The parent starts `python -m MODULE`, hands it a JSON object on its standard input and one end of a socket pair as
descriptor number in `control`; requests and replies are a line of JSON each. The process ends when the parent's
end is closed, by whatever cause.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from meclab.errors import LabError, RunError

_LAST_LINES = 12
_ROOT = str(Path(__file__).resolve().parents[1])


class RefusedError(LabError):
    """A request that cannot be fulfilled, such as one for a device nobody knows; nothing has changed."""

    exit_status = 2


class Remote:
    """The parent's side; requests may come from several threads. Raises `RunError` when the process has died."""

    def __init__(self, module: str, config: dict[str, Any], fds: Sequence[int], log: Path) -> None:
        """Starts the process, which inherits `fds` under the same numbers; `ready` tells when it serves."""
        self._module, self._log = module, log
        ours, theirs = socket.socketpair()
        with theirs, log.open("ab") as output, tempfile.TemporaryFile() as stdin:
            stdin.write(json.dumps(config | {"control": theirs.fileno()}).encode())
            stdin.seek(0)
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                stdin=stdin,
                stdout=output,
                stderr=output,
                pass_fds=[*fds, theirs.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join([_ROOT, *filter(None, [os.getenv("PYTHONPATH")])])},
            )
        self._socket = ours
        self._replies: BinaryIO = ours.makefile("rb")
        self._lock = threading.Lock()
        self._is_ready = False

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status (negative for a signal); none while it runs."""
        return self._process.poll()

    def ready(self, seconds: float = 5) -> None:
        """Waits until the process serves."""
        with self._lock:
            if not self._is_ready:
                self._reply(seconds)
                self._is_ready = True

    def request(self, op: str, **arguments: Any) -> Any:
        """The result of one request; raises `RefusedError` where it cannot be fulfilled."""
        self.ready()
        with self._lock:
            try:
                self._socket.sendall(json.dumps({"op": op, **arguments}).encode() + b"\n")
            except OSError:
                raise self._died() from None
            reply = self._reply(5)
        if "error" in reply:
            raise RefusedError(reply["error"])
        return reply["result"]

    def _reply(self, seconds: float) -> dict[str, Any]:
        self._socket.settimeout(seconds)
        try:
            line = self._replies.readline()
        except TimeoutError:
            raise RunError(f"{self._module} gave no answer for {seconds:g} s{self._last_lines()}") from None
        except OSError:
            line = b""
        if not line:
            raise self._died()
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _died(self) -> RunError:
        try:
            how = f"ended with status {self._process.wait(1)}"
        except subprocess.TimeoutExpired:
            how = "closed its control, and runs on"
        return RunError(f"{self._module} {how}{self._last_lines()}")

    def _last_lines(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        return "".join(f"\n  {self._log.name}: {line}" for line in lines)

    def stop(self) -> None:
        """Ends the process: by closing its control, and if that is not heard by a kill."""
        self._replies.close()
        self._socket.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


Handler = Callable[..., Any]


def answerer(control: int, handlers: dict[str, Handler], ended: Callable[[], None]) -> Callable[[], None]:
    """The process's side: what to call when `control` can be read; tells the parent at once that it serves.

    A handler gets the request's arguments by name; `RefusedError` becomes the parent's. `ended` is called when
    the parent has gone.
    """
    sock = socket.socket(fileno=control)
    unread = b""

    def answer(line: bytes) -> dict[str, Any]:
        request = json.loads(line)
        try:
            return {"result": handlers[request.pop("op")](**request)}
        except RefusedError as error:
            return {"error": str(error)}

    def readable() -> None:
        nonlocal unread
        received = sock.recv(1 << 16)
        if not received:
            ended()
            return
        *lines, unread = (unread + received).split(b"\n")
        for line in lines:
            sock.sendall(json.dumps(answer(line)).encode() + b"\n")

    sock.sendall(b"{}\n")
    return readable
