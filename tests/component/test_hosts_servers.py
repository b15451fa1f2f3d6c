"""Echo server, application and orchestrator on loopback, asked by clients nobody here wrote."""

import signal
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator

import httpx
import pytest
from hosts_child import DEADLINE_S, running
from hosts_operations import Operations, free_port, operating

from hosts.app import App
from hosts.echo import Echo
from hosts.web import serving
from hosts.web.load import LoadReporter
from meclab.packets import Probe, unpack_probe

DATA_SEGMENTS_IN = 152
"""Offset of `tcpi_data_segs_in` in `struct tcp_info` (linux/tcp.h)."""
ANY = ("127.0.0.1", "::1")


@pytest.fixture
def echo_port() -> Iterator[int]:
    port = free_port(socket.SOCK_DGRAM)

    def program(ready: Callable[[], None]) -> int:
        echo = Echo("mec1", ("127.0.0.1", "127.0.0.2", "::1"), port)
        signal.signal(signal.SIGTERM, lambda *_: echo.stop())
        ready()
        echo.serve()
        return 0 if echo.answered["ue1"] and echo.garbage == 3 else 1

    with running(program) as _:
        yield port


def test_echo_answers_from_the_address_asked_and_ignores_garbage(echo_port: int) -> None:
    for address in ("127.0.0.1", "127.0.0.2", "::1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.settimeout(DEADLINE_S)
            client.sendto(b"garbage", (address, echo_port))
            client.sendto(Probe("ue1", 7, 123).pack(), (address, echo_port))
            payload, sender = client.recvfrom(2048)
            assert unpack_probe(payload) == Probe("ue1", 7, 123, "mec1")
            assert sender[:2] == (address, echo_port)


@pytest.fixture
def app_port() -> Iterator[int]:
    port = free_port(socket.SOCK_STREAM)
    listeners = serving.listen(port, ANY)
    reporter = LoadReporter("mec1", "127.0.0.1", 1)
    with running(lambda ready: serving.serve(App("mec1", reporter).routes(), listeners, ready)):
        yield port


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_app_names_its_host_and_counts_a_devices_requests(app_port: int, host: str) -> None:
    with httpx.Client(base_url=f"http://{host}:{app_port}") as client:
        client.get("/session/ue1?n=4")
        answer = client.get("/session/ue1?n=5")
        assert answer.json() == {"host": "mec1", "device": "ue1", "n": 5, "count": 2}
        assert answer.headers["MEC-Host"] == "mec1"
        (session,) = client.get("/state").json()["sessions"]
        assert (session["device"], session["count"], session["last_n"]) == ("ue1", 2, 5)


def test_app_has_a_line_for_people_with_curl(app_port: int) -> None:
    command = ["curl", "-sS", f"http://127.0.0.1:{app_port}/"]
    page = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=True).stdout
    assert page.startswith("mec1 serves 127.0.0.1, asked at 127.0.0.1")


def test_app_refuses_what_makes_no_sense_and_says_why(app_port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{app_port}") as client:
        assert client.get("/session/UE!?n=1").status_code == 404
        assert client.get("/session/ue1?n=x").status_code == 400
        for body in ('{"value": 2}', '{"valu": 0.1}', "nothing"):
            answer = client.put("/load", content=body)
            assert answer.status_code == 422
            assert answer.json()["error"]
        assert client.put("/load", json={"value": 0.9}).json() == {"value": 0.9}
        assert client.get("/load").json() == {"value": 0.9}


def test_each_response_is_one_segment_on_one_connection(app_port: int) -> None:
    with socket.create_connection(("127.0.0.1", app_port), timeout=DEADLINE_S) as connection:
        for number in range(1, 21):
            connection.sendall(f"GET /session/ue1?n={number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(4096)
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    assert struct.unpack_from("I", info, DATA_SEGMENTS_IN)[0] == 20


@pytest.fixture
def operations() -> Iterator[Operations]:
    with operating() as found:
        yield found


def test_an_attach_becomes_a_marker_a_transaction_and_an_audit_entry(operations: Operations) -> None:
    controller = operations.controller()
    answer = operations.attach("ap2", 1)
    assert (answer.status_code, answer.json()["host"]) == (202, "mec2")
    assert operations.markers.recv(100) == b"mec2"
    told = controller.transactions.get(timeout=DEADLINE_S)
    assert (told["attach"], told["serve"]) == ({"ue1": "ap2"}, {"ue1": "mec2"})
    (entry,) = operations.client.get("/v1/decisions").json()["decisions"]
    assert (entry["device"], entry["ap"], entry["host"], entry["trigger"]) == ("ue1", "ap2", "mec2", "attach")
    assert "nearest" in entry["reason"]
    (device,) = operations.client.get("/v1/devices").json()["devices"]
    assert (device["device"], device["host"]) == ("ue1", "mec2")


def test_a_repeated_attach_is_answered_without_a_second_decision(operations: Operations) -> None:
    controller = operations.controller()
    operations.attach("ap1", 1)
    assert operations.attach("ap1", 1).status_code == 200
    operations.attach("ap2", 2)
    told = [controller.transactions.get(timeout=DEADLINE_S)["attach"] for _ in range(2)]
    assert told == [{"ue1": "ap1"}, {"ue1": "ap2"}]
    assert controller.transactions.empty()


def test_transactions_share_one_connection(operations: Operations) -> None:
    controller = operations.controller()
    for sequence in range(1, 6):
        operations.attach(f"ap{sequence % 2 + 1}", sequence)
        controller.transactions.get(timeout=DEADLINE_S)
    assert controller.connections == 1


def test_what_is_decided_while_the_controller_is_away_reaches_it_later(operations: Operations) -> None:
    for number in range(1, 51):
        operations.attach("ap1", 1, f"ue{number}")
    health = operations.client.get("/v1/health").json()
    assert health["status"] == "degraded"
    assert "Refused" in health["controller"]["error"] or "refused" in health["controller"]["error"]
    controller = operations.controller()
    attached: set[str] = set()
    while len(attached) < 50:
        attached |= controller.transactions.get(timeout=DEADLINE_S)["attach"].keys()
    assert attached == {f"ue{number}" for number in range(1, 51)}


def test_a_load_moves_devices_and_tells_the_controller(operations: Operations) -> None:
    controller = operations.controller()
    operations.attach("ap1", 1)
    controller.transactions.get(timeout=DEADLINE_S)
    answer = operations.client.post("/v1/loads", json={"host": "mec1", "load": 0.99})
    assert answer.json() == {"changed": ["ue1"]}
    told = controller.transactions.get(timeout=DEADLINE_S)
    assert (told["attach"], told["serve"]) == ({}, {"ue1": "mec2"})


def test_bad_requests_are_refused_with_the_reason(operations: Operations) -> None:
    assert operations.attach("ap9", 1).status_code == 404
    assert "ap1, ap2" in operations.attach("ap9", 1).json()["error"]
    assert operations.client.post("/v1/attachments", content=b"{").status_code == 422
    assert operations.client.post("/v1/loads", json={"host": "mec1", "load": 7}).status_code == 422
    operations.attach("ap1", 1)
    assert operations.attach("ap2", 1).status_code == 409
    assert operations.client.get("/v1/decisions?after=x").status_code == 400
