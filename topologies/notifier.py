"""Tells the orchestrator of each attach: `meclab.messages.AttachEvent` over HTTP/1.1 on connections kept open.

A process of its own beside the air (`python -m topologies.notifier`); the air hands it events through a socket and
never waits. An event is told again until it is answered with 2xx, or 4xx, which is logged. Events of one device keep
their order; those of others take the other connections meanwhile.
"""

import asyncio
import json
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from topologies.realtime import Realtime
from topologies.remote import answerer

CONNECTIONS = 4
ANSWER_S = 2.0
"""Silence after which a connection counts as broken."""
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.02, 1.0
GIVE_UP_S = 30.0
"""Age at which an event that was never answered is dropped."""
_PATH = "/v1/attachments"


@dataclass
class Event:
    """An attach to be told."""

    device: str
    body: bytes
    since_s: float
    backoff_s: float = FIRST_BACKOFF_S


class Connection(asyncio.Protocol):
    """A kept-alive connection with at most one request under way; tells `answered` and `lost` what happens."""

    def __init__(
        self, host: str, answered: "Callable[[Connection, int, bytes], None]", lost: "Callable[[Connection], None]"
    ) -> None:
        self.event: Event | None = None
        self._host, self._answered, self._lost = host, answered, lost
        self._transport: asyncio.Transport | None = None
        self._timeout: asyncio.TimerHandle | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, event: Event) -> None:
        """Sends the event's request, in one segment."""
        assert self._transport is not None and self.event is None
        self.event = event
        head = f"POST {_PATH} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        self._transport.write(f"{head}Content-Length: {len(event.body)}\r\n\r\n".encode() + event.body)
        self._timeout = asyncio.get_running_loop().call_later(ANSWER_S, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        self._received += data
        answer = parse_answer(self._received)
        if answer is None:
            return
        if self._timeout is not None:
            self._timeout.cancel()
        self._received = b""
        self._answered(self, *answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
        self._lost(self)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()


def parse_answer(received: bytes) -> tuple[int, bytes] | None:
    """Status and body of an answer with a Content-Length (RFC 9112 section 6), or none where it is not all here.

    Without one the body is taken as empty: an orchestrator that answers in chunks is not one of this lab's.
    """
    head, end, rest = received.partition(b"\r\n\r\n")
    if not end:
        return None
    lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    length = int(fields.get("content-length", "0"))
    return (int(lines[0].split(" ", 2)[1]), rest[:length]) if len(rest) >= length else None


class Notifier:
    """Events that wait, and the connections that take them."""

    def __init__(self, host: str, port: int) -> None:
        self.counters: Counter[str] = Counter()
        self._host, self._port = host, port
        self._idle: list[Connection] = []
        self._waiting: deque[Event] = deque()
        self._under_way: set[str] = set()
        self._opening: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Opens the connections, before the first event."""
        for _ in range(CONNECTIONS):
            self._open()

    def tell(self, body: bytes) -> None:
        """An event to tell, as the JSON that the orchestrator gets."""
        self.counters["events"] += 1
        self._waiting.append(Event(json.loads(body)["device"], body, time.monotonic()))
        self._go_on()

    def stats(self) -> dict[str, int]:
        """Events, answers by class (`answered`, `refused`), `retries`, `given_up`, and how many still wait."""
        return dict(self.counters) | {"waiting": len(self._waiting) + len(self._under_way), "idle": len(self._idle)}

    def _go_on(self) -> None:
        """Gives each idle connection the oldest event whose device has none under way."""
        passed: list[Event] = []
        while self._idle and self._waiting:
            event = self._waiting.popleft()
            if event.device in self._under_way:
                passed.append(event)
                continue
            self._under_way.add(event.device)
            self._idle.pop().post(event)
        self._waiting.extendleft(reversed(passed))

    def _open(self) -> None:
        task = asyncio.get_running_loop().create_task(self._opened())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _opened(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        loop = asyncio.get_running_loop()
        host = f"{self._host}:{self._port}"
        while True:
            try:
                attempt = loop.create_connection(
                    lambda: Connection(host, self._answered, self._lost), self._host, self._port
                )
                _, connection = await asyncio.wait_for(attempt, ANSWER_S)
            except (OSError, TimeoutError):
                self._drop_old()
                await asyncio.sleep(backoff_s)
                backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)
            else:
                self._idle.append(connection)
                self._go_on()
                return

    def _answered(self, connection: Connection, status: int, body: bytes) -> None:
        event, connection.event = connection.event, None
        if event is None:
            log(f"an answer to nothing: {status} {body!r}")
            connection.close()
            return
        self._idle.append(connection)
        if status >= 500:
            self._again(event, f"answered {status} {body.decode(errors='replace')}")
        else:
            self._under_way.discard(event.device)
            self.counters["answered" if status < 400 else "refused"] += 1
            if status >= 400:
                log(f"refused with {status}: {event.body.decode()}: {body.decode(errors='replace')}")
        self._go_on()

    def _lost(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        if connection.event is not None:
            self._again(connection.event, "connection lost without an answer")
        self._open()

    def _again(self, event: Event, why: str) -> None:
        """The event goes first in line after a pause; its device's later events wait for it."""
        if time.monotonic() - event.since_s > GIVE_UP_S:
            self._under_way.discard(event.device)
            self._give_up(event, why)
            return
        self.counters["retries"] += 1
        log(f"told again in {event.backoff_s:g} s, {why}: {event.body.decode()}")
        asyncio.get_running_loop().call_later(event.backoff_s, self._retry, event)
        event.backoff_s = min(2 * event.backoff_s, LONGEST_BACKOFF_S)

    def _retry(self, event: Event) -> None:
        self._under_way.discard(event.device)
        self._waiting.appendleft(event)
        self._go_on()

    def _drop_old(self) -> None:
        while self._waiting and time.monotonic() - self._waiting[0].since_s > GIVE_UP_S:
            self._give_up(self._waiting.popleft(), "nobody listens")

    def _give_up(self, event: Event, why: str) -> None:
        self.counters["given_up"] += 1
        log(f"given up after {GIVE_UP_S:g} s, {why}: {event.body.decode()}")


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def serve(config: dict[str, Any]) -> None:
    """Until the parent or the air has gone."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    realtime = Realtime()
    notifier = Notifier(*config["orchestrator"])
    notifier.start()
    events = socket.socket(fileno=config["events"])

    def heard() -> None:
        body = events.recv(1 << 12)
        if body:
            notifier.tell(body)
        else:
            loop.remove_reader(events)

    loop.add_reader(events, heard)
    handlers = {"stats": lambda: notifier.stats() | realtime.stats()}
    loop.add_reader(config["control"], answerer(config["control"], handlers, ended.set))
    while not ended.is_set():
        try:
            await asyncio.wait_for(ended.wait(), 0.5)
        except TimeoutError:
            realtime.check(time.monotonic_ns())


if __name__ == "__main__":
    asyncio.run(serve(json.load(sys.stdin)))
