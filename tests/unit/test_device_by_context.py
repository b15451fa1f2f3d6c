"""A client of the device application interface: contexts, notifications, an interface that is away."""

import json
from ipaddress import ip_address
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from device_doubles import Alarms, Told, quiet

from hosts.device.by_context import FIRST_BACKOFF_NS, LONGEST_BACKOFF_NS, Answered, ByContext
from hosts.device.servers import Servers
from hosts.web import http1
from meclab import planning, topology
from meclab.scenario import Scenario

MEC1, MEC2 = "10.1.1.10:8080", "10.1.2.10:8080"
CALLBACK = "http://10.45.0.2:8099/notifications"
SPECIFICATION = Path(__file__).parents[3] / "shared" / "specs" / "mec016-UEAppInterfaceApi.yaml"


class Interface:
    """Keeps what was asked, and answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, object]]] = []
        self._waiting: list[Answered] = []

    def __call__(self, method: str, target: str, body: bytes | None, then: Answered) -> None:
        self.asked.append((method, target, json.loads(body or b"{}")))
        self._waiting.append(then)

    def answer(self, status: int, content: dict[str, object] | None = None) -> None:
        self._waiting.pop(0)(http1.Response(status, {}, json.dumps(content).encode() if content else b""), 0)

    def be_silent(self) -> None:
        self._waiting.pop(0)(None, 0)

    def create(self, server: str, context: str = "c1") -> None:
        """Answers with a context."""
        _, _, asked = self.asked[-1]
        info = {
            **asked["appInfo"],
            "userAppInstanceInfo": [{"appInstanceId": "a", "referenceURI": f"http://{server}/"}],
        }  # type: ignore[dict-item]
        self.answer(201, {**asked, "contextId": context, "appInfo": info})


class Client:
    """A discovery with its surroundings."""

    def __init__(self, at_once: bool = True) -> None:
        scenario = Scenario.model_validate({"scenario": "test", "methods": ["devapp"]})
        plan = planning.make(scenario, topology.two_site(), scenario.methods[0], "wire")
        self.told, self.http, self.alarm = Told(), Interface(), Alarms()
        self.now_ns = 0
        self.callback = CALLBACK
        self.discovery = ByContext(
            self.told,
            "ue1",
            lambda: self.callback,
            Servers(plan),
            self.http,
            self.alarm,
            at_once,
            lambda: self.now_ns,
            quiet,
        )

    def registered(self) -> "Client":
        """Once it has a context that names the first host."""
        self.discovery.find(0)
        self.http.create(MEC1)
        assert self.told.take() == [("found", MEC1)]
        return self

    def notify(self, server: str, context: str = "c1", **changes: object) -> int:
        notification = {
            "notificationType": "AddressChangeNotification",
            "contextId": context,
            "appInstanceId": "b",
            "referenceURI": f"http://{server}/",
        }
        return self.discovery.notified(json.dumps(notification | changes).encode(), 0)


def test_the_reference_of_a_created_context_is_its_server() -> None:
    client = Client().registered()
    method, target, body = client.http.asked[0]
    assert (method, target) == ("POST", "/dev_app/v1/app_contexts")
    assert (body["associateDevAppId"], body["callbackReference"]) == ("ue1", CALLBACK)


def test_the_request_is_what_the_specification_asks_for() -> None:
    if not SPECIFICATION.exists():
        pytest.skip("no folder ../shared/specs")
    client = Client().registered()
    document = yaml.safe_load(SPECIFICATION.read_text())
    schema = {"$ref": "#/components/schemas/AppContext", "components": document["components"]}
    jsonschema_rs.validator_for(schema).validate(client.http.asked[0][2])


def test_later_connections_go_to_the_same_server_without_a_question() -> None:
    client = Client().registered()
    client.discovery.find(1)
    assert client.told.take() == [("found", MEC1)]
    assert len(client.http.asked) == 1


def test_a_notification_moves_it_at_once_and_a_repeated_one_changes_nothing() -> None:
    client = Client().registered()
    assert client.notify(MEC2) == 204
    assert client.notify(MEC2) == 204
    assert client.told.take() == [("moved", MEC2)]


def test_with_the_next_connection_it_goes_where_it_was_notified() -> None:
    client = Client(at_once=False).registered()
    client.notify(MEC2)
    assert client.told.take() == []
    client.discovery.find(1)
    assert client.told.take() == [("found", MEC2)]


def test_a_notification_that_overtakes_the_answer_is_the_newer_one() -> None:
    client = Client()
    client.discovery.find(0)
    assert client.notify(MEC2) == 204
    client.http.create(MEC1)
    assert client.told.take() == [("found", MEC2)]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"contextId": "another"}, 404),
        ({"notificationType": "SomethingElse"}, 400),
        ({"referenceURI": "nowhere"}, 400),
        ({"referenceURI": "http://mec2.edge.example:8080/"}, 400),
        ({"appInstanceId": None}, 400),
    ],
    ids=["another context", "another kind", "no URI", "a name", "an attribute missing"],
)
def test_a_notification_that_is_none_is_refused_and_moves_nobody(changes: dict[str, object], status: int) -> None:
    client = Client().registered()
    assert client.notify(MEC2, **changes) == status
    assert client.told.take() == []


def test_what_is_not_json_is_refused() -> None:
    assert Client().discovery.notified(b"\xff{", 0) == 400


def test_an_interface_that_is_away_is_asked_again_less_and_less_often() -> None:
    client = Client()
    client.discovery.find(0)
    waits = []
    for _ in range(8):
        client.http.be_silent()
        assert client.alarm.at_ns is not None
        waits.append(client.alarm.at_ns - client.now_ns)
        client.now_ns = client.alarm.at_ns
        client.discovery.wake(client.now_ns)
    assert waits[:3] == [FIRST_BACKOFF_NS, 2 * FIRST_BACKOFF_NS, 4 * FIRST_BACKOFF_NS]
    assert max(waits) == waits[-1] == LONGEST_BACKOFF_NS
    client.http.create(MEC1)
    assert client.told.take() == [("found", MEC1)]


def test_asking_for_a_server_meanwhile_asks_the_interface_no_more_often() -> None:
    client = Client()
    client.discovery.find(0)
    client.discovery.find(1)
    client.http.be_silent()
    client.discovery.find(2)
    assert len(client.http.asked) == 1


def test_a_context_whose_answer_was_lost_is_taken_from_the_refusal_of_a_second_one() -> None:
    client = Client()
    client.discovery.find(0)
    asked = client.http.asked[-1][2]
    instance = {"appInstanceId": "a", "referenceURI": f"http://{MEC1}/"}
    info = {**asked["appInfo"], "userAppInstanceInfo": [instance]}  # type: ignore[dict-item]
    known = {**asked, "contextId": "c7", "appInfo": info}
    client.http.answer(409, {"title": "Conflict", "status": 409, "detail": "there is one", "context": known})
    assert client.told.take() == [("found", MEC1)]
    assert client.notify(MEC2, "c7") == 204


@pytest.mark.parametrize(
    ("status", "content"),
    [(404, None), (409, {"title": "Conflict"}), (503, None), (201, {"contextId": "c1"}), (200, None)],
)
def test_an_answer_that_is_no_context_is_asked_for_again(status: int, content: dict[str, object] | None) -> None:
    client = Client()
    client.discovery.find(0)
    client.http.answer(status, content)
    assert client.told.take() == []
    assert client.alarm.at_ns == FIRST_BACKOFF_NS


def test_the_end_deletes_the_context() -> None:
    client, over = Client().registered(), Told()
    client.discovery.finish(over.unfound)
    assert client.http.asked[-1] == ("DELETE", "/dev_app/v1/app_contexts/c1", {})
    assert over.take() == []
    client.http.answer(204)
    assert over.take() == [("unfound", "")]


def test_without_a_context_there_is_nothing_to_delete() -> None:
    client, over = Client(), Told()
    client.discovery.finish(over.unfound)
    assert over.take() == [("unfound", "")]
    assert client.http.asked == []


def test_a_device_with_another_address_has_its_callback_changed_and_is_not_moved() -> None:
    client = Client().registered()
    client.discovery.renumbered(ip_address("10.45.0.1"), 0)
    assert len(client.http.asked) == 1, "its callback is where it was"
    client.callback = "http://100.64.2.1:8094/notifications"
    client.discovery.renumbered(ip_address("10.45.0.1"), 0)
    method, target, body = client.http.asked[-1]
    assert (method, target) == ("PUT", "/dev_app/v1/app_contexts/c1")
    assert (body["callbackReference"], body["contextId"]) == (client.callback, "c1")
    client.discovery.renumbered(ip_address("2001:db8:45::1"), 0)
    assert len(client.http.asked) == 2
    assert client.told.take() == []


def test_a_change_of_the_callback_that_is_not_answered_is_asked_for_again() -> None:
    client = Client().registered()
    client.callback = "http://100.64.2.1:8094/notifications"
    client.discovery.renumbered(ip_address("10.45.0.1"), 0)
    client.http.be_silent()
    assert client.alarm.at_ns is not None
    client.discovery.wake(client.alarm.at_ns)
    assert [method for method, *_ in client.http.asked] == ["POST", "PUT", "PUT"]
    client.http.answer(204)
    assert client.alarm.at_ns is None
