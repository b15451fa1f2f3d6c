"""A client that is sent to its server by redirects: what it follows, where it begins, when it has enough."""

import pytest
from device_doubles import Names, Told, quiet

from hosts.device.by_redirect import ByRedirect
from hosts.device.discovery import Redirection
from hosts.device.servers import Servers
from meclab import planning, topology
from meclab.scenario import Scenario

MEC1, MEC2 = "10.1.1.10:8080", "10.1.2.10:8080"
FRONT = "10.0.5.80:8080"
TARGET = "/session/ue1?n=3"
BASE = f"http://{FRONT}{TARGET}"


class Client:
    """A discovery with its surroundings."""

    def __init__(self, most: int = 5) -> None:
        scenario = Scenario.model_validate({"scenario": "test", "methods": ["http-redirect"]})
        servers = Servers(planning.make(scenario, topology.two_site(), scenario.methods[0], "wire"))
        self.told, self.names = Told(), Names()
        front = servers.at(servers.reference(f"http://{FRONT}/").address or pytest.fail(), probed=False)
        self.discovery = ByRedirect(self.told, front, "ipv4", servers, self.names, most, quiet)

    def finds(self) -> str:
        """Where the next connection goes."""
        self.discovery.find(0)
        ((what, server),) = self.told.take()
        assert what == "found"
        return server

    def sent_to(self, uri: str, status: int = 307, base: str = BASE) -> Redirection:
        return self.discovery.redirected(status, uri, base, 0)


def test_it_begins_at_the_front() -> None:
    assert Client().finds() == FRONT


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_it_goes_where_it_is_sent_and_asks_there_for_what_it_was_told(status: int) -> None:
    client = Client()
    assert client.sent_to(f"http://{MEC1}/session/ue1?n=3&from=front", status) is Redirection.FOLLOW
    assert client.finds() == MEC1
    assert client.discovery.target == "/session/ue1?n=3&from=front"
    client.discovery.answered()
    assert client.discovery.target is None


@pytest.mark.parametrize("status", [200, 300, 304, 305, 404])
def test_other_answers_with_a_location_are_answers(status: int) -> None:
    assert Client().sent_to(f"http://{MEC1}/", status) is Redirection.IGNORE


def test_ipv6_stands_in_brackets() -> None:
    client = Client()
    client.sent_to("http://[2001:db8:1::10]:8080/session/ue1?n=3")
    assert client.finds() == "[2001:db8:1::10]:8080"


def test_a_relative_location_is_meant_from_where_the_request_went() -> None:
    client = Client()
    client.sent_to("/other?n=3")
    assert client.finds() == FRONT
    assert client.discovery.target == "/other?n=3"


def test_a_name_is_looked_up_and_stands_in_the_host_field() -> None:
    client = Client()
    client.sent_to("http://mec1.edge.example:8080/session/ue1?n=3")
    client.discovery.find(0)
    assert client.told.take() == []
    assert client.names.asked == ["mec1.edge.example"]
    client.names.answer("10.1.1.10")
    assert client.told.take() == [("found", MEC1)]


def test_a_name_without_an_address_sends_it_back_to_the_front() -> None:
    client = Client()
    client.sent_to("http://mec1.edge.example:8080/")
    client.discovery.find(0)
    client.names.fail()
    assert client.told.take() == [("unfound", "")]
    assert client.finds() == FRONT


@pytest.mark.parametrize("status", [302, 303, 307])
def test_the_next_connection_begins_at_the_front_again(status: int) -> None:
    client = Client()
    client.sent_to(f"http://{MEC1}/", status)
    client.finds()
    assert client.finds() == FRONT


@pytest.mark.parametrize("status", [301, 308])
def test_a_permanent_redirect_is_where_it_begins_until_that_fails(status: int) -> None:
    client = Client()
    client.sent_to(f"http://{MEC1}/", status)
    assert [client.finds(), client.finds()] == [MEC1, MEC1]
    client.discovery.failed()
    assert client.finds() == FRONT


def test_a_server_that_cannot_be_reached_sends_it_back_to_the_front() -> None:
    client = Client()
    client.sent_to(f"http://{MEC1}/x")
    client.discovery.failed()
    assert client.finds() == FRONT
    assert client.discovery.target is None


def test_a_circle_is_left_after_so_many_redirects_and_the_front_is_next() -> None:
    client = Client(most=3)
    followed = [client.sent_to(f"http://{server}/") for server in (MEC1, MEC2, MEC1, MEC2)]
    assert followed == [Redirection.FOLLOW] * 3 + [Redirection.BEGIN_ANEW]
    assert client.finds() == FRONT
    assert client.sent_to(f"http://{MEC1}/") is Redirection.FOLLOW


def test_an_answer_in_between_makes_it_no_circle() -> None:
    client = Client(most=1)
    for _ in range(3):
        assert client.sent_to(f"http://{MEC1}/") is Redirection.FOLLOW
        client.discovery.answered()


@pytest.mark.parametrize(
    "uri", ["https://10.1.1.10:8443/", "ftp://10.1.1.10/", "http://10.1.1.10:http/", "http://[::1/"]
)
def test_a_location_that_leads_nowhere_is_not_followed(uri: str) -> None:
    client = Client()
    assert client.sent_to(uri) is Redirection.BEGIN_ANEW
    assert client.finds() == FRONT


def test_a_front_that_sends_it_to_a_host_that_is_gone_is_no_circle() -> None:
    client = Client(most=1)
    for _ in range(3):
        assert client.sent_to(f"http://{MEC1}/") is Redirection.FOLLOW
        client.discovery.failed()
