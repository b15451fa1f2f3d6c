"""A client that finds its server by DNS: when it looks, when it moves."""

from ipaddress import ip_network

from device_doubles import Alarms, Names, Told

from hosts.device.by_name import UNCACHED_EVERY_NS, ByName
from hosts.device.cache import Flush
from hosts.device.servers import Servers
from hosts.device.stub import FAILURE_KEPT_NS
from meclab import planning, topology
from meclab.model import SECOND
from meclab.scenario import Scenario

NAME = "app.edge.example."
MEC1, MEC2 = "10.1.1.10", "10.1.2.10"


class Client:
    """A discovery with its surroundings."""

    def __init__(self, at_once: bool = True) -> None:
        scenario = Scenario.model_validate({"scenario": "test", "methods": ["ecs"]})
        plan = planning.make(scenario, topology.two_site(), scenario.methods[0], "wire")
        self.told, self.names = Told(), Names()
        self.alarm = Alarms()
        self.discovery = ByName(self.told, NAME, "ipv4", Servers(plan), self.names, self.alarm if at_once else None)

    def knows(self, address: str, ttl_s: int = 10) -> "Client":
        """Once it has found a server."""
        self.discovery.find(0)
        self.names.answer(address, ttl_s=ttl_s)
        assert self.told.take() == [("found", f"{address}:8080")]
        self.names.asked.clear()
        return self


def test_a_connection_goes_to_the_address_that_the_name_has() -> None:
    client = Client()
    client.discovery.find(0)
    assert client.told.take() == []
    client.names.answer(MEC1, MEC2)
    assert client.told.take() == [("found", f"{MEC1}:8080")]
    assert client.names.asked == [NAME]


def test_without_an_address_nothing_is_found() -> None:
    client = Client()
    client.discovery.find(0)
    client.names.answer()
    client.discovery.find(0)
    client.names.fail()
    assert client.told.take() == [("unfound", "")] * 2


def test_the_name_is_looked_up_again_when_its_answer_expires() -> None:
    client = Client().knows(MEC1, ttl_s=10)
    assert client.alarm.at_ns == 10 * SECOND
    client.discovery.wake(10 * SECOND)
    client.names.answer(MEC2, at_ns=10 * SECOND)
    assert client.told.take() == [("moved", f"{MEC2}:8080")]
    assert client.alarm.at_ns == 20 * SECOND


def test_the_same_address_again_moves_nobody() -> None:
    client = Client().knows(MEC1)
    client.discovery.wake(10 * SECOND)
    client.names.answer(MEC2, MEC1, at_ns=10 * SECOND)
    assert client.told.take() == []


def test_an_answer_that_may_not_be_kept_is_looked_up_once_a_second() -> None:
    client = Client().knows(MEC1, ttl_s=0)
    assert client.alarm.at_ns == UNCACHED_EVERY_NS


def test_a_lookup_that_fails_leaves_the_client_where_it_is_and_is_tried_again() -> None:
    client = Client().knows(MEC1)
    client.discovery.wake(10 * SECOND)
    client.names.fail(at_ns=10 * SECOND)
    assert client.told.take() == []
    assert client.alarm.at_ns == 10 * SECOND + FAILURE_KEPT_NS


def test_dropped_answers_are_looked_up_at_once() -> None:
    client = Client().knows(MEC1)
    for which in (Flush(), Flush("name", names=("edge.example.",)), Flush("addresses", (ip_network("10.1.1.0/24"),))):
        client.discovery.dropped(which, SECOND)
    assert client.names.asked == [NAME] * 3
    client.names.answer(MEC2, at_ns=SECOND)
    assert client.told.take() == [("moved", f"{MEC2}:8080")]


def test_answers_dropped_elsewhere_do_not_concern_it() -> None:
    client = Client().knows(MEC1)
    client.discovery.dropped(Flush("name", names=("other.example.",)), SECOND)
    client.discovery.dropped(Flush("addresses", (ip_network("10.1.2.0/24"),)), SECOND)
    assert client.names.asked == []


def test_a_client_that_waits_for_its_next_connection_looks_the_name_up_only_then() -> None:
    client = Client(at_once=False).knows(MEC1)
    client.discovery.dropped(Flush(), SECOND)
    assert client.names.asked == []
    client.discovery.find(20 * SECOND)
    client.names.answer(MEC2, at_ns=20 * SECOND)
    assert client.told.take() == [("found", f"{MEC2}:8080")]


def test_a_broken_connection_asks_the_cache_again() -> None:
    client = Client().knows(MEC1)
    client.discovery.failed()
    client.discovery.find(SECOND)
    client.names.answer(MEC1, at_ns=SECOND)
    assert client.told.take() == [("found", f"{MEC1}:8080")]
