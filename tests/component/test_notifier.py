"""The notifier against an HTTP server of Python's own, over loopback."""

import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from topologies.notifier import CONNECTIONS, parse_answer
from topologies.remote import Remote

WAIT_S = 10.0


class Orchestrator(ThreadingHTTPServer):
    """Notes what it is told; `behave` chooses the status of each answer."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        self.told: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self.opened: queue.Queue[Any] = queue.Queue()
        self.behave: Callable[[dict[str, Any]], int] = lambda event: 202
        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def next(self) -> dict[str, Any]:
        return self.told.get(timeout=WAIT_S)[1]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Orchestrator

    def setup(self) -> None:
        super().setup()
        self.server.opened.put(self.connection)

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.told.put((self.path, event))
        answer = b'{"detail": "no such thing"}'
        self.send_response(self.server.behave(event))
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments: object) -> None:
        pass


class Told:
    """A notifier, and the air's end of its socket."""

    def __init__(self, port: int, folder: Path) -> None:
        self.log = folder / "notifier.log"
        self.air, heard = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with heard:
            config = {"orchestrator": ["127.0.0.1", port], "events": heard.fileno()}
            self.remote = Remote("topologies.notifier", config, [heard.fileno()], self.log)
        self.remote.ready(WAIT_S)

    def event(self, device: str, sequence: int) -> dict[str, Any]:
        event = {"device": device, "ap": "ap1", "at_ns": time.time_ns(), "sequence": sequence}
        self.air.send(json.dumps(event).encode())
        return event

    def stats_once(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Its counters once they satisfy a condition."""
        deadline = time.monotonic() + WAIT_S
        while not holds(stats := self.remote.request("stats")):
            assert time.monotonic() < deadline, stats
        return dict(stats)


@pytest.fixture
def orchestrator() -> Iterator[Orchestrator]:
    server = Orchestrator()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def told(orchestrator: Orchestrator, tmp_path: Path) -> Iterator[Told]:
    notifier = Told(orchestrator.server_port, tmp_path)
    yield notifier
    notifier.remote.stop()
    notifier.air.close()


def test_an_event_reaches_the_orchestrator_as_it_was_made(orchestrator: Orchestrator, told: Told) -> None:
    event = told.event("ue1", 1)
    assert orchestrator.told.get(timeout=WAIT_S) == ("/v1/attachments", event)
    told.stats_once(lambda stats: stats.get("answered") == 1 and stats["waiting"] == 0)


def test_connections_are_open_before_the_first_event_and_kept(orchestrator: Orchestrator, told: Told) -> None:
    told.stats_once(lambda stats: stats["idle"] == CONNECTIONS)
    for sequence in range(20):
        told.event("ue1", sequence)
    assert [orchestrator.next()["sequence"] for _ in range(20)] == list(range(20))
    assert orchestrator.opened.qsize() == CONNECTIONS


def test_a_closed_connection_is_opened_again_at_once(orchestrator: Orchestrator, told: Told) -> None:
    for _ in range(CONNECTIONS):
        orchestrator.opened.get(timeout=WAIT_S).shutdown(socket.SHUT_RDWR)
    for _ in range(CONNECTIONS):
        orchestrator.opened.get(timeout=WAIT_S)
    told.event("ue1", 1)
    assert orchestrator.next()["sequence"] == 1


def test_events_of_one_device_wait_for_its_slow_answer_and_others_do_not(
    orchestrator: Orchestrator, told: Told
) -> None:
    release = threading.Event()

    def behave(event: dict[str, Any]) -> int:
        if (event["device"], event["sequence"]) == ("ue1", 1):
            release.wait(WAIT_S)
        return 202

    orchestrator.behave = behave
    told.event("ue1", 1)
    told.event("ue1", 2)
    told.event("ue2", 1)
    arrived = [orchestrator.next() for _ in range(2)]
    assert {(event["device"], event["sequence"]) for event in arrived} == {("ue1", 1), ("ue2", 1)}
    release.set()
    assert orchestrator.next()["sequence"] == 2


def test_a_failure_is_told_again_until_it_is_answered_and_order_is_kept(orchestrator: Orchestrator, told: Told) -> None:
    answers = iter([503, 500])
    orchestrator.behave = lambda event: next(answers, 202)
    told.event("ue1", 1)
    told.event("ue1", 2)
    assert [orchestrator.next()["sequence"] for _ in range(4)] == [1, 1, 1, 2]
    assert told.stats_once(lambda stats: stats["waiting"] == 0)["retries"] == 2


def test_a_refusal_is_logged_with_its_reason_and_not_repeated(orchestrator: Orchestrator, told: Told) -> None:
    orchestrator.behave = lambda event: 422 if event["sequence"] == 1 else 202
    told.event("ue1", 1)
    told.event("ue1", 2)
    assert [orchestrator.next()["sequence"] for _ in range(2)] == [1, 2]
    stats = told.stats_once(lambda stats: stats["waiting"] == 0)
    assert (stats["refused"], stats["answered"]) == (1, 1)
    assert "refused with 422" in told.log.read_text() and "no such thing" in told.log.read_text()


def test_events_wait_for_an_orchestrator_that_comes_up_later(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    notifier = Told(port, tmp_path)
    try:
        notifier.event("ue1", 1)
        assert notifier.remote.request("stats")["waiting"] == 1
        server = Orchestrator(port)
        assert server.next()["sequence"] == 1
        server.shutdown()
        server.server_close()
    finally:
        notifier.remote.stop()


def test_an_answer_is_whole_only_with_all_of_its_body() -> None:
    answer = b"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\nhello"
    assert all(parse_answer(answer[:length]) is None for length in range(len(answer)))
    assert parse_answer(answer) == (202, b"hello")
    assert parse_answer(b"HTTP/1.1 204 No Content\r\n\r\n") == (204, b"")
