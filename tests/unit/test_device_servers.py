"""Addresses and URIs turned into servers."""

from ipaddress import ip_address

import pytest

from hosts.device.servers import Servers
from meclab import planning, topology
from meclab.errors import PeerError
from meclab.scenario import Scenario


def servers(tls: bool = False) -> Servers:
    scenario = Scenario.model_validate({"scenario": "test", "methods": ["http-redirect"], "http": {"tls": tls}})
    return Servers(planning.make(scenario, topology.two_site(), scenario.methods[0], "wire"))


def test_a_hosts_certificate_must_name_the_host_whatever_the_client_calls_it() -> None:
    assert servers().at(ip_address("10.1.2.10")).name == "mec2.edge.example"
    assert servers().at(ip_address("2001:db8:1:2::10"), "app.edge.example.").name == "mec2.edge.example"


def test_an_address_of_no_host_must_name_the_application() -> None:
    assert servers().at(ip_address("10.99.0.1")).name == "app.edge.example"


def test_the_host_field_says_what_the_client_knows_the_server_by() -> None:
    assert servers().at(ip_address("10.1.2.10")).authority == "10.1.2.10:8080"
    assert servers().at(ip_address("2001:db8:1:2::10")).authority == "[2001:db8:1:2::10]:8080"
    assert servers().at(ip_address("10.1.2.10"), "app.edge.example.").authority == "app.edge.example:8080"
    assert servers(tls=True).at(ip_address("10.1.2.10")).authority == "10.1.2.10:8443"


@pytest.mark.parametrize(
    ("uri", "host", "port", "target"),
    [
        ("http://10.1.1.10:8080/session/ue1?n=1#top", "10.1.1.10", 8080, "/session/ue1?n=1"),
        ("http://[2001:db8::1]", "2001:db8::1", 80, "/"),
        ("http://MEC1.edge.example/x", "mec1.edge.example", 80, "/x"),
        ("//10.1.1.10/x", "10.1.1.10", 80, "/x"),
        ("/x?y", "front", 8080, "/x?y"),
        ("", "front", 8080, "/session/ue1?n=1"),
    ],
)
def test_a_reference_is_read_against_the_request_it_answers(uri: str, host: str, port: int, target: str) -> None:
    reference = servers().reference(uri, "http://front:8080/session/ue1?n=1")
    assert (reference.host, reference.port, reference.target) == (host, port, target)


@pytest.mark.parametrize("uri", ["http://a/x\r\nX: y", "http://a/\u00fc"])
def test_what_cannot_stand_in_a_request_is_refused(uri: str) -> None:
    with pytest.raises(PeerError):
        servers().reference(uri)


@pytest.mark.parametrize(("tls", "uri"), [(False, "https://10.1.1.10/"), (True, "http://10.1.1.10/")])
def test_a_reference_of_the_other_scheme_is_refused(tls: bool, uri: str) -> None:
    with pytest.raises(PeerError, match="expected http"):
        servers(tls).reference(uri)
