"""The device application interface on loopback: contexts, decisions, and notifications that get lost."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hosts_child import DEADLINE_S
from mec_lab import free_port, plan, proxy, taker

CONTEXTS = "/dev_app/v1/app_contexts"
NOBODY: dict[str, Any] = {"devices": []}


def body(callback: str | None = None, client: str = "client") -> dict[str, Any]:
    info = {"appName": "app", "appProvider": "meclab", "appDVersion": "1", "userAppInstanceInfo": [{}]}
    return {"associateDevAppId": client, "appInfo": info} | ({"callbackReference": callback} if callback else {})


def callback(port: int) -> str:
    return f"http://127.0.0.1:{port}/notify"


def until(condition: Callable[[], bool]) -> None:
    """Returns once a condition holds."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "not so in time"


@dataclass
class Interface:
    """The proxy, and where its orchestrator is to be."""

    http: httpx.Client
    port: int
    orchestrator: int

    def serve(self, update: int, host: str) -> httpx.Response:
        return self.http.post("/v1/serving", json={"update": update, "serving": {"ue1": host}})

    def create(self, *arguments: Any) -> httpx.Response:
        return self.http.post(CONTEXTS, json=body(*arguments))

    def health(self) -> dict[str, Any]:
        return dict(self.http.get("/v1/health").json())

    def counted(self, what: str) -> int:
        return int(self.health()["notifications"][what])


@pytest.fixture
def interface() -> Iterator[Interface]:
    made = plan("devapp", devapp={"callback_timeout": "200ms", "callback_tries": 3})
    port, orchestrator = free_port(), free_port()
    with proxy(made, port, orchestrator) as http:
        yield Interface(http, port, orchestrator)


@pytest.mark.parametrize(
    ("address", "reference"), [("127.0.0.1", "http://10.1.1.10:8080/"), ("[::1]", "http://[2001:db8:1:1::10]:8080/")]
)
def test_a_context_refers_to_the_decided_host_in_the_callers_family(
    interface: Interface, address: str, reference: str
) -> None:
    interface.serve(1, "mec1")
    answer = httpx.post(f"http://{address}:{interface.port}{CONTEXTS}", json=body())
    assert answer.status_code == 201
    context = answer.json()
    assert context["appInfo"]["userAppInstanceInfo"] == [{"appInstanceId": "app-mec1", "referenceURI": reference}]
    assert answer.headers["Location"] == f"http://{address}:{interface.port}{CONTEXTS}/{context['contextId']}"
    assert httpx.delete(answer.headers["Location"]).status_code == 204
    assert httpx.delete(answer.headers["Location"]).status_code == 404


def test_the_orchestrator_is_asked_where_no_decision_has_come(interface: Interface) -> None:
    with taker(interface.orchestrator, answer=lambda: {"devices": [{"device": "ue1", "host": "mec2"}]}):
        context = interface.create().json()
    assert context["appInfo"]["userAppInstanceInfo"][0]["appInstanceId"] == "app-mec2"
    assert interface.create(None, "another").status_code == 201


def test_without_a_decision_the_device_is_told_to_come_again(interface: Interface) -> None:
    away = interface.create()
    assert (away.status_code, away.headers["Retry-After"]) == (503, "1")
    with taker(interface.orchestrator, answer=lambda: NOBODY):
        assert interface.create().status_code == 503
    interface.serve(1, "mec1")
    assert interface.create().status_code == 201


def test_a_second_context_of_a_device_application_is_refused_with_the_one_it_has(interface: Interface) -> None:
    interface.serve(1, "mec1")
    first = interface.create().json()
    again = interface.create()
    assert (again.status_code, again.json()["context"]) == (409, first)


def test_a_changed_decision_is_notified_and_an_unchanged_or_older_one_is_not(interface: Interface) -> None:
    port = free_port()
    interface.serve(5, "mec1")
    with taker(port) as device:
        context = interface.create(callback(port)).json()["contextId"]
        for update, host in ((6, "mec1"), (4, "mec2"), (7, "mec2"), (7, "mec1"), (8, "mec2")):
            assert interface.serve(update, host).status_code == 200
        assert device.next() == {
            "notificationType": "AddressChangeNotification",
            "contextId": context,
            "appInstanceId": "app-mec2",
            "referenceURI": "http://10.1.2.10:8080/",
        }
        until(lambda: interface.counted("delivered") == 1)
        assert device.taken.empty()


def test_a_notification_is_sent_until_the_device_takes_it(interface: Interface) -> None:
    port = free_port()
    interface.serve(1, "mec1")
    with taker(port, (500, 404)) as device:
        interface.create(callback(port))
        interface.serve(2, "mec2")
        assert [device.next()["appInstanceId"] for _ in range(3)] == ["app-mec2"] * 3
        until(lambda: interface.counted("delivered") == 1)
    assert interface.health()["status"] == "ok"


def test_notifications_share_one_connection(interface: Interface) -> None:
    with socket.create_server(("127.0.0.1", 0)) as device:
        device.settimeout(DEADLINE_S)
        interface.serve(1, "mec1")
        interface.create(callback(device.getsockname()[1]))
        interface.serve(2, "mec2")
        connection, _ = device.accept()
        with connection:
            for update, host in ((3, "mec1"), (4, "mec2"), (5, "mec1")):
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                until(lambda number=update: interface.counted("delivered") == number - 2)  # type: ignore[misc]
                interface.serve(update, host)
            assert b"app-mec1" in connection.recv(4096)


def test_a_device_that_never_answers_is_given_up_and_counted(interface: Interface) -> None:
    interface.serve(1, "mec1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        context = interface.create(callback(silent.getsockname()[1])).json()["contextId"]
        interface.serve(2, "mec2")
        until(lambda: interface.counted("given_up") == 1)
    health = interface.health()
    assert (health["status"], health["undelivered"]) == ("degraded", [context])
    assert health["notifications"] == {"sent": 3, "delivered": 0, "overtaken": 0, "given_up": 1}


def test_a_newer_decision_overtakes_one_that_a_silent_device_has_not_taken(interface: Interface) -> None:
    interface.serve(1, "mec1")
    with socket.create_server(("127.0.0.1", 0)) as device:
        device.settimeout(DEADLINE_S)
        interface.create(callback(device.getsockname()[1]))
        interface.serve(2, "mec2")
        first, _ = device.accept()
        assert b"app-mec2" in first.recv(4096)
        interface.serve(3, "mec1")
        second, _ = device.accept()
        with first, second:
            assert b"app-mec1" in second.recv(4096)
            second.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                first.recv(4096)
            until(lambda: interface.counted("delivered") == 1)
    assert interface.counted("overtaken") == 1


def test_what_was_given_up_goes_to_a_new_callback(interface: Interface) -> None:
    port = free_port()
    interface.serve(1, "mec1")
    context = interface.create(callback(free_port())).json()["contextId"]
    interface.serve(2, "mec2")
    until(lambda: interface.counted("given_up") == 1)
    with taker(port) as device:
        assert interface.http.put(f"{CONTEXTS}/{context}", json=body(callback(port))).status_code == 204
        assert device.next()["appInstanceId"] == "app-mec2"
        until(lambda: interface.health()["undelivered"] == [])


def test_a_deleted_context_is_notified_no_more(interface: Interface) -> None:
    port = free_port()
    interface.serve(1, "mec1")
    gone = interface.create(callback(free_port()), "gone").json()["contextId"]
    interface.serve(2, "mec2")
    until(lambda: interface.counted("sent") > 0)
    assert interface.http.delete(f"{CONTEXTS}/{gone}").status_code == 204
    with taker(port) as device:
        interface.create(callback(port), "kept")
        interface.serve(3, "mec1")
        assert device.next()["contextId"] != gone
    assert interface.health()["undelivered"] == []


def test_a_slow_device_delays_no_other() -> None:
    names = [f"ue{number}" for number in range(1, 201)]
    devices = [{"name": "ue0", "ipv4": "127.0.0.1", "ipv6": "::1"}]
    devices += [{"name": name, "ipv4": f"127.0.1.{number}"} for number, name in enumerate(names, 1)]
    made = plan("devapp", devices=devices, devapp={"callback_timeout": "60s", "callback_tries": 1})
    port, heard = free_port(), free_port()
    with proxy(made, port, free_port()) as http, socket.create_server(("127.0.1.1", 0)) as silent:
        with taker(heard, address="0.0.0.0") as others:
            http.post("/v1/serving", json={"update": 1, "serving": dict.fromkeys(names, "mec1")})
            for number, _ in enumerate(names, 1):
                own = f"127.0.1.{number}"
                at = silent.getsockname()[1] if number == 1 else heard
                transport = httpx.HTTPTransport(local_address=own)
                with httpx.Client(transport=transport) as client:
                    stated = body(f"http://{own}:{at}/notify")
                    assert client.post(f"http://127.0.0.1:{port}{CONTEXTS}", json=stated).status_code == 201
            http.post("/v1/serving", json={"update": 2, "serving": dict.fromkeys(names, "mec2")})
            told = {others.next()["contextId"] for _ in names[1:]}
        assert len(told) == 199
        assert http.get("/v1/health").json()["undelivered"] == ["ue1-1"]


def test_a_stranger_is_refused() -> None:
    made = plan("devapp", devices=[{"count": 1}])
    with proxy(made, free_port(), free_port()) as http:
        for answer in (http.post(CONTEXTS, json=body()), http.get("/dev_app/v1/app_list")):
            assert answer.status_code == 403 and "no device of this network" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 1),
        ("appname=app", 1),
        ("appname=other&appname=app&appprovider=meclab", 1),
        ("appname=other", 0),
        ("appsoftversion=9", 0),
        ("servicecont=1", 1),
        ("servicecont=0", 0),
        ("vendorid=someone", 0),
    ],
)
def test_the_list_of_applications_is_filtered(interface: Interface, query: str, found: int) -> None:
    assert len(interface.http.get(f"/dev_app/v1/app_list?{query}").json()["appList"]) == found


@pytest.mark.parametrize("query", ["servicecont=2", "servicecont=x", "appnam=app"])
def test_a_filter_that_makes_no_sense_is_refused(interface: Interface, query: str) -> None:
    answer = interface.http.get(f"/dev_app/v1/app_list?{query}")
    assert answer.status_code == 400 and "expected" in answer.json()["detail"]


def test_decisions_about_strangers_and_bodies_that_are_none_are_refused(interface: Interface) -> None:
    for serving in ({"ue9": "mec1"}, {"ue1": "mec9"}):
        assert interface.http.post("/v1/serving", json={"update": 1, "serving": serving}).status_code == 404
    assert interface.http.post("/v1/serving", json={"update": "1", "serving": {}}).status_code == 422
    interface.serve(1, "mec1")
    for content in ("{", "[]", json.dumps({"AppContext": body()}), json.dumps({**body(), "more": 1})):
        assert interface.http.post(CONTEXTS, content=content).status_code == 400
    assert interface.health()["contexts"] == 0
