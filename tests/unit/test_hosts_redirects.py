"""Where a redirect leads, and whose decision it follows."""

import pytest

from hosts.web.assignments import Assignments, UnknownNames
from hosts.web.redirects import Locations
from meclab import planning, services, topology
from meclab.messages import Serving
from meclab.plan import Plan
from meclab.scenario import Scenario


def made(**http: object) -> Plan:
    content = {"scenario": "test", "methods": ["http-redirect"], "devices": [{"name": "ue1"}, {"name": "ue2"}]}
    scenario = Scenario.model_validate({**content, "http": http})
    graph = services.extend(topology.two_site(), scenario)
    return planning.make(scenario, graph, scenario.methods[0], "wire")


def asked(at: str, scheme: str = "http", query: bytes = b"n=1") -> dict[str, object]:
    return {"scheme": scheme, "server": (at, 1), "raw_path": b"/session/ue1", "query_string": query}


@pytest.mark.parametrize(
    ("scope", "location"),
    [
        (asked("10.0.21.10"), "http://10.1.2.10:8080/session/ue1?n=1"),
        (asked("10.0.21.10", "https"), "https://10.1.2.10:8443/session/ue1?n=1"),
        (asked("2001:db8:0:15::10"), "http://[2001:db8:1:2::10]:8080/session/ue1?n=1"),
        (asked("10.0.21.10", query=b""), "http://10.1.2.10:8080/session/ue1"),
    ],
)
def test_a_location_keeps_scheme_and_ip_version(scope: dict[str, object], location: str) -> None:
    assert Locations(made()).of("mec2", scope) == location


def test_a_location_by_name_has_no_final_dot() -> None:
    locations = Locations(made(location="name"))
    assert locations.of("mec2", asked("2001:db8::1", "https")) == "https://mec2.edge.example:8443/session/ue1?n=1"


def test_the_source_address_says_who_asks_before_the_path_does() -> None:
    plan = made()
    assignments = Assignments(plan)
    ue1, ue2 = plan.devices
    assert assignments.device(str(ue1.ipv4), "/session/ue2") == "ue1"
    assert assignments.device(str(ue2.ipv6), "/") == "ue2"
    assert assignments.device("198.51.100.1", "/session/ue2") == "ue2"
    assert assignments.device("198.51.100.1", "/session/ue3") is None
    assert assignments.device("198.51.100.1", "/ue2") is None


def test_a_late_decision_is_ignored_for_the_devices_that_have_a_newer_one() -> None:
    assignments = Assignments(made())
    assert assignments.take(Serving(update=2, serving={"ue1": "mec2"})) == 1
    assert assignments.take(Serving(update=1, serving={"ue1": "mec1", "ue2": "mec1"})) == 1
    assert assignments.serving == {"ue1": "mec2", "ue2": "mec1"}
    assert (assignments.host("ue1"), assignments.host("ue3"), assignments.update) == ("mec2", None, 2)


def test_one_unknown_name_keeps_everything_as_it_was() -> None:
    assignments = Assignments(made())
    with pytest.raises(UnknownNames, match="host 'adns'; expected one of cloud, mec1, mec2"):
        assignments.take(Serving(update=1, serving={"ue1": "mec1", "ue2": "adns"}))
    assert assignments.serving == {}
