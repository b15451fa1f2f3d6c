"""The device agent on loopback against an echo server and a scripted session server."""

import contextlib
import csv
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue

import pytest
from hosts_child import DEADLINE_S, running

from hosts import agent
from hosts.echo import Echo
from hosts.program import Context
from meclab import plan, planning, topology
from meclab.packets import APP_PORT
from meclab.scenario import Scenario

SERVER = "127.88.3.1"
"""Where the device's plan says its server is: loopback, so that the lab's ports are free there."""
Behaviour = Callable[[socket.socket], None]


def lab(interval: str = "5ms", timeout: str = "200ms") -> plan.Plan:
    scenario = Scenario.model_validate(
        {
            "scenario": "test",
            "methods": ["cloud"],
            "addresses": {"cloud_ipv4": SERVER},
            "probes": {"interval": interval},
            "session": {"interval": "10ms", "timeout": timeout},
        }
    )
    return planning.make(scenario, topology.two_site(), scenario.methods[0], "wire")


@contextlib.contextmanager
def device(folder: Path, run: plan.Plan) -> Iterator[None]:
    """An agent that runs for the time of the block; its logs are complete after it."""
    (folder / "logs").mkdir()
    with running(lambda ready: agent.main(Context(run, "ue1", folder, None, ready))):
        yield


@contextlib.contextmanager
def echoing() -> Iterator[Echo]:
    echo = Echo("cloud", (SERVER,))
    thread = threading.Thread(target=echo.serve)
    thread.start()
    try:
        yield echo
    finally:
        echo.stop()
        thread.join(DEADLINE_S)


class SessionServer:
    """Gives each connection in turn to a behaviour; says when the last one is at work."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.reached: Queue[int] = Queue()
        """Number of each connection whose behaviour has ended."""
        self.ends: Queue[str] = Queue()
        """How the device ended a connection it was left alone with: `fin` or `reset`."""
        self._behaviours = behaviours
        self._listener = socket.create_server((SERVER, APP_PORT))
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "SessionServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE_S)
        for open_socket in (self._listener, *self._connections):
            open_socket.close()

    def _serve(self) -> None:
        for number, behaviour in enumerate(self._behaviours, 1):
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            behaviour(connection)
            self.reached.put(number)

    def wait(self, number: int) -> None:
        """Until the n-th connection's behaviour has ended."""
        while self.reached.get(timeout=DEADLINE_S) < number:
            pass


def answer(connection: socket.socket, times: int, host: str) -> None:
    for _ in range(times):
        assert connection.recv(4096).startswith(b"GET /session/ue1?n=")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nMEC-Host: " + host.encode() + b"\r\n\r\n{}")


def answers(times: int, host: str) -> Behaviour:
    return lambda connection: answer(connection, times, host)


def answers_then_resets(connection: socket.socket) -> None:
    answer(connection, 3, "mec1")
    connection.recv(4096)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def answers_then_closes(connection: socket.socket) -> None:
    answer(connection, 3, "mec1")
    connection.recv(4096)
    connection.shutdown(socket.SHUT_WR)


def ending(ends: Queue[str]) -> Behaviour:
    """Answers three requests, then takes bytes until the device ends the connection, and notes how it did."""

    def behave(connection: socket.socket) -> None:
        answer(connection, 3, "mec1")
        threading.Thread(target=watch, args=(connection,), daemon=True).start()

    def watch(connection: socket.socket) -> None:
        try:
            while connection.recv(4096):
                pass
            ends.put("fin")
        except ConnectionResetError:
            ends.put("reset")

    return behave


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_every_probe_is_in_the_log_with_its_reply(tmp_path: Path) -> None:
    with echoing() as echo:
        with device(tmp_path, lab()):
            while echo.answered["ue1"] < 100:
                threading.Event().wait(0.01)
        count = echo.answered["ue1"]
    rows = table(tmp_path / "logs" / "ue1-probes.csv")
    assert [int(row["sequence"]) for row in rows] == list(range(count))
    assert {row["host"] for row in rows} == {"cloud"}
    assert all(int(row["sent_ns"]) < int(row["received_ns"]) for row in rows)
    span_ns = int(rows[-1]["sent_ns"]) - int(rows[0]["sent_ns"])
    assert 0.5 < span_ns / ((count - 1) * 5_000_000) < 2


def test_without_an_echo_server_the_probes_are_logged_as_lost(tmp_path: Path) -> None:
    with SessionServer(answers(5, "mec1"), answers(1, "mec1")) as server, device(tmp_path, lab()):
        server.wait(1)
    rows = table(tmp_path / "logs" / "ue1-probes.csv")
    assert rows
    assert {(row["received_ns"], row["host"]) for row in rows} == {("", "")}


@pytest.mark.parametrize(
    ("breaks", "outcome"), [(answers_then_resets, "reset"), (answers_then_closes, "closed")], ids=["reset", "closed"]
)
def test_a_connection_that_the_network_breaks_is_replaced_and_the_request_repeated(
    tmp_path: Path, breaks: Behaviour, outcome: str
) -> None:
    with SessionServer(breaks, answers(3, "mec2")) as server, device(tmp_path, lab()):
        server.wait(2)
    rows = [(row["request"], row["connection"], row["host"], row["outcome"]) for row in session(tmp_path)]
    assert rows[2:6] == [
        ("3", "1", "mec1", "ok"),
        ("4", "1", "", outcome),
        ("4", "2", "mec2", "ok"),
        ("5", "2", "mec2", "ok"),
    ]


def test_a_silent_connection_is_given_up_by_a_reset(tmp_path: Path) -> None:
    ends: Queue[str] = Queue()
    with SessionServer(ending(ends), answers(3, "mec2")) as server, device(tmp_path, lab()):
        server.wait(2)
    assert ends.get(timeout=DEADLINE_S) == "reset"
    rows = session(tmp_path)
    assert [(row["request"], row["outcome"], row["host"]) for row in rows[3:5]] == [
        ("4", "timeout", ""),
        ("4", "ok", "mec2"),
    ]
    assert int(rows[3]["done_ns"]) - int(rows[3]["sent_ns"]) >= 200_000_000


def test_the_agent_ends_its_session_by_a_fin(tmp_path: Path) -> None:
    ends: Queue[str] = Queue()
    with SessionServer(ending(ends)) as server, device(tmp_path, lab(timeout="5s")):
        server.wait(1)
    assert ends.get(timeout=DEADLINE_S) == "fin"


def test_a_server_that_refuses_is_tried_at_the_session_interval(tmp_path: Path) -> None:
    with echoing() as echo, device(tmp_path, lab()):
        while echo.answered["ue1"] < 40:
            threading.Event().wait(0.01)
    rows = session(tmp_path)
    assert {row["outcome"] for row in rows} <= {"refused", "unfinished"}
    assert {row["request"] for row in rows} == {"1"}
    span_ns = int(rows[-1]["done_ns"]) - int(rows[0]["done_ns"])
    assert len(rows) <= span_ns / 10_000_000 + 3


def session(folder: Path) -> list[dict[str, str]]:
    return table(folder / "logs" / "ue1-session.csv")
