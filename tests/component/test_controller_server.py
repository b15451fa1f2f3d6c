"""The northbound interface over loopback HTTP, asked by httpx and by a bare socket."""

import json
import socket
import threading

import httpx
import pytest

from controller import server
from controller.coordinator import Coordinator
from controller.northbound import Northbound
from meclab import planning, scenario, topology

FILE = scenario.Scenario.model_validate({"scenario": "try", "devices": [{"name": "ue1", "ap": "ap1"}]})
PLAN = planning.make(FILE, topology.two_site(), scenario.Method(name="vip", variant="pinned"), "wire")


@pytest.fixture
def coordinator():
    return Coordinator(PLAN)


@pytest.fixture
def address(coordinator):
    listening = server.listen(Northbound(coordinator), "127.0.0.1", 0)
    threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
    yield listening.server_address
    listening.shutdown()
    listening.server_close()


@pytest.fixture
def client(address):
    with httpx.Client(base_url=f"http://{address[0]}:{address[1]}", timeout=10) as found:
        yield found


def raw(address, request):
    """Sends bytes on a connection of their own and reads until the server ends it: status and body."""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def test_a_transaction_and_the_intents_that_it_leaves(client):
    answer = client.post("/v1/transactions", json={"attach": {"ue1": "ap1"}, "serve": {"ue1": "mec1"}})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json()["number"] == 1
    assert client.get("/v1/intents").json()["attachments"] == {"ue1": "ap1"}


def test_many_requests_share_a_connection_refusals_included(client):
    """httpx opens another one where the server has ended the first."""
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as connection:
        stream = connection.makefile("rb")
        for status, target in ((200, "/v1/health"), (404, "/v1/nothing"), (200, "/v1/flows")):
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert int(stream.readline().split()[1]) == status
            length = 0
            while (line := stream.readline().strip().lower()) != b"":
                length = int(line.split(b":")[1]) if line.startswith(b"content-length") else length
            assert json.loads(stream.read(length))


def test_a_refusal_is_json_with_its_reason(client):
    answer = client.put("/v1/attachments/ue9", json={"ap": "ap1"})
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("no device 'ue9'; expected")


@pytest.mark.parametrize("method", ["PATCH", "OPTIONS", "POST"])
def test_a_wrong_method_is_named_with_the_right_ones(client, method):
    answer = client.request(method, "/v1/health")
    assert (answer.status_code, answer.json()["detail"]) == (405, f"{method} is not for health; it has GET")


def test_head_has_no_body(client):
    answer = client.head("/v1/health")
    assert (answer.status_code, answer.content) == (405, b"")
    assert client.get("/v1/health").status_code == 200


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 100_000, b'{"attach": {"ue1": }}'])
def test_a_body_that_is_no_json_is_refused(client, body):
    answer = client.post("/v1/transactions", content=body)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("the body is not JSON: ")


def test_a_prefix_of_ipv6_may_be_escaped_in_the_path(client):
    path = f"/v1/breakouts/edge1/{PLAN.vip_ipv6}/128"
    assert client.delete(path.replace(":", "%3A")).status_code == 200
    assert client.delete(path).status_code == 404
    assert client.put(path).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        (b"Content-Length: -1\r\n", 400, "Content-Length '-1'"),
        (b"Content-Length: many\r\n", 400, "Content-Length 'many'"),
        (b"Content-Length: 99999999\r\n", 413, "a body of 99999999 bytes; at most 1048576"),
        (b"Transfer-Encoding: chunked\r\n", 411, "expected Content-Length"),
    ],
)
def test_a_body_of_unknown_or_monstrous_length_ends_the_connection(address, headers, status, words):
    found, body = raw(address, b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n")
    assert found == status
    assert words in body["detail"]


@pytest.mark.parametrize(
    "request_line", [b"BREW /v1/health HTTP/1.1", b"GET /v1/health HTTP/9.9", b"nonsense of four words"]
)
def test_what_is_no_request_is_answered_in_json_too(address, request_line):
    status, body = raw(address, request_line + b"\r\nHost: x\r\n\r\n")
    assert 400 <= status <= 505
    assert body["detail"]


def test_a_defect_is_answered_with_500_and_the_server_goes_on(client, coordinator, monkeypatch):
    def defect(_wanted):
        raise RuntimeError("a defect")

    monkeypatch.setattr(coordinator, "transact", defect)
    answer = client.post("/v1/transactions", json={})
    assert (answer.status_code, answer.json()) == (500, {"detail": "RuntimeError: a defect"})
    assert client.get("/v1/health").status_code == 200
