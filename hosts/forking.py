"""The process that starts every host program: it has imported the libraries once and forks children.

It reads `Start` and `Stop` (JSON, one a packet, told apart by their keys) from a SOCK_SEQPACKET socket and
answers `ProgramEvent`: `started` when the child exists, `ready` when the child says that it serves, `exited`
when it has ended. A request that cannot be carried out is answered by `exited` with pid 0 and status 2, and
the reason on standard error. When the socket's other end closes, the children are ended and it ends.

It has one thread and never makes another: only then does `fork` copy a consistent process. Children share its
memory until somebody writes; `gc.freeze` keeps the collector from writing to all of it.
"""

import contextlib
import gc
import logging
import os
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from hosts import child
from hosts.program import Context
from meclab.messages import ProgramEvent, Start, Stop
from meclab.plan import Plan

log = logging.getLogger(__name__)
Main = Callable[[Context], int]
_REQUEST: TypeAdapter[Start | Stop] = TypeAdapter(Start | Stop)
_LARGEST_REQUEST = 65_536
_NEVER_STARTED = 2
_GRACE_S = 3.0
"""Time that children get to write their logs when the forker ends."""


@dataclass
class _Child:
    node: str
    program: str
    pid: int
    pidfd: int
    ready: int | None
    """Read end of the pipe on which it says that it serves; none once it has."""

    def event(self, event: str, status: int | None = None) -> ProgramEvent:
        return ProgramEvent.model_validate(
            {"event": event, "node": self.node, "program": self.program, "pid": self.pid, "status": status}
        )


class Forker:
    """Starts, watches and ends the programs of one run."""

    def __init__(
        self,
        plan: Plan,
        run_dir: Path,
        control: socket.socket,
        markers: socket.socket | None,
        programs: Mapping[str, Main],
    ) -> None:
        self._plan = plan
        self._run_dir = run_dir
        self._control = control
        self._markers = markers
        self._programs = programs
        self._children: dict[tuple[str, str], _Child] = {}
        self._outgoing: deque[bytes] = deque()
        self._selector = selectors.DefaultSelector()
        self._open = True

    def serve(self) -> None:
        """Until the control socket closes or SIGTERM comes; then ends what is left."""
        gc.collect()
        gc.freeze()
        gc.disable()
        self._control.setblocking(False)
        self._selector.register(self._control, selectors.EVENT_READ, self._control_event)
        with _signals() as wakeup:
            self._selector.register(wakeup, selectors.EVENT_READ, self._close)
            while self._open:
                self._turn(None)
            self._end_children()

    def _turn(self, timeout_s: float | None) -> None:
        for key, events in self._selector.select(timeout_s):
            key.data(events)

    def _close(self, _events: int = 0) -> None:
        if self._open:
            self._open = False
            self._selector.unregister(self._control)

    def _control_event(self, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._flush()
        if not events & selectors.EVENT_READ:
            return
        try:
            packet = self._control.recv(_LARGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if packet:
            self._request(packet)
        else:
            self._close()

    def _request(self, packet: bytes) -> None:
        try:
            request = _REQUEST.validate_json(packet)
        except ValidationError as error:
            log.error("not a request: %r: %s", packet[:200], error)
            return
        if isinstance(request, Start):
            self._start(request)
        else:
            self._stop(request)

    def _start(self, request: Start) -> None:
        key = (request.node, request.program)
        main = self._programs.get(request.program)
        if main is None or key in self._children:
            self._refuse(request, "no such program" if main is None else "it runs already")
            return
        try:
            born = self._fork(request, main)
        except OSError as error:
            self._refuse(request, str(error))
            return
        self._children[key] = born
        assert born.ready is not None, "nobody has read the pipe yet"
        self._selector.register(born.pidfd, selectors.EVENT_READ, lambda _: self._exited(born))
        self._selector.register(born.ready, selectors.EVENT_READ, lambda _: self._told(born))
        self._send(born.event("started"))

    def _fork(self, request: Start, main: Main) -> _Child:
        receiver, sender = os.pipe()
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, child.ENDING)
        try:
            pid = os.fork()
        except OSError:
            os.close(receiver)
            os.close(sender)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, child.ENDING)
            raise
        if pid == 0:
            context = Context(self._plan, request.node, self._run_dir, self._markers, child.teller(sender))
            child.become(request, context, main, parent, keep=(sender,))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, child.ENDING)
        os.close(sender)
        return _Child(request.node, request.program, pid, os.pidfd_open(pid), receiver)

    def _refuse(self, request: Start, why: str) -> None:
        log.error("%s not started on %s: %s", request.program, request.node, why)
        never = _Child(request.node, request.program, 0, -1, None)
        self._send(never.event("exited", _NEVER_STARTED))

    def _stop(self, request: Stop) -> None:
        found = self._children.get((request.node, request.program))
        if found is None:
            log.warning("%s on %s is not running", request.program, request.node)
            return
        signal.pidfd_send_signal(found.pidfd, signal.Signals[request.signal])

    def _told(self, born: _Child) -> None:
        """The child serves, or its end of the pipe is closed."""
        if born.ready is None:
            return
        serves = os.read(born.ready, 1) != b""
        self._selector.unregister(born.ready)
        os.close(born.ready)
        born.ready = None
        if serves:
            self._send(born.event("ready"))

    def _exited(self, born: _Child) -> None:
        self._told(born)
        _, status = os.waitpid(born.pid, 0)
        self._selector.unregister(born.pidfd)
        os.close(born.pidfd)
        del self._children[born.node, born.program]
        self._send(born.event("exited", os.waitstatus_to_exitcode(status)))

    def _send(self, event: ProgramEvent) -> None:
        self._outgoing.append(event.model_dump_json().encode())
        self._flush()

    def _flush(self) -> None:
        """Never waits for the reader: it may be waiting for this process to read its requests."""
        with contextlib.suppress(BlockingIOError):
            try:
                while self._outgoing:
                    self._control.send(self._outgoing[0])
                    self._outgoing.popleft()
            except (BrokenPipeError, ConnectionResetError):
                self._outgoing.clear()
        if self._open:
            writing = selectors.EVENT_WRITE if self._outgoing else 0
            self._selector.modify(self._control, selectors.EVENT_READ | writing, self._control_event)

    def _end_children(self) -> None:
        for last in (signal.SIGTERM, signal.SIGKILL):
            for found in self._children.values():
                signal.pidfd_send_signal(found.pidfd, last)
            deadline = time.monotonic() + _GRACE_S
            while self._children and (left := deadline - time.monotonic()) > 0:
                self._turn(left)


@contextlib.contextmanager
def _signals() -> Iterator[socket.socket]:
    """A socket that becomes readable at SIGTERM or SIGINT."""
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    signal.set_wakeup_fd(sender.fileno())
    for number in child.ENDING:
        signal.signal(number, lambda *_: None)
    with receiver, sender:
        yield receiver
        signal.set_wakeup_fd(-1)
