"""The northbound requests without HTTP: what each changes, and how what cannot be is refused."""

import pytest
from controller_plans import make_plan

from controller.coordinator import Coordinator
from controller.intents import Connection, IntentError
from controller.northbound import Northbound

PLAN = make_plan(2)


@pytest.fixture
def northbound():
    return Northbound(Coordinator(PLAN))


def refused(northbound, method, target, body=None):
    with pytest.raises(IntentError) as error:
        northbound.answer(method, target, body)
    return error.value.status, str(error.value)


def test_health_names_every_switch_that_the_plan_has(northbound):
    health = northbound.answer("GET", "/v1/health", None)
    assert health == {"ready": False, "switches": dict.fromkeys(["ap1", "ap2", "core", "edge1", "edge2"], "absent")}


def test_a_transaction_changes_the_intents_and_tells_which_switches_it_did_not_reach(northbound):
    answer = northbound.answer("POST", "/v1/transactions", {"attach": {"ue1": "ap1"}, "serve": {"ue1": "mec1"}})
    assert answer["unreached"] == answer["switches"] == ["core", "edge1", "edge2"]
    intents = northbound.answer("GET", "/v1/intents", None)
    assert (intents["attachments"], intents["serving"]) == ({"ue1": "ap1"}, {"ue1": "mec1"})


def test_the_small_requests_change_one_thing_each(northbound):
    northbound.answer("PUT", "/v1/attachments/ue1", {"ap": "ap2"})
    northbound.answer("PUT", "/v1/serving/ue1", {"host": "mec2"})
    intents = northbound.answer("GET", "/v1/intents?pretty", None)
    assert (intents["attachments"], intents["serving"]) == ({"ue1": "ap2"}, {"ue1": "mec2"})
    northbound.answer("DELETE", "/v1/serving/ue1", None)
    assert northbound.answer("GET", "/v1/intents", None)["serving"] == {}


@pytest.mark.parametrize(
    "vip", [f"{PLAN.vip_ipv4}/32", f"{PLAN.vip_ipv6}/128", f"{PLAN.vip_ipv6}/128".replace(":", "%3A")]
)
def test_a_breakout_goes_and_comes(northbound, vip):
    def there():
        prefixes = northbound.answer("GET", "/v1/intents", None)["breakouts"]
        return {"edge": "edge1", "prefix": vip.replace("%3A", ":")} in prefixes

    assert there()
    northbound.answer("DELETE", f"/v1/breakouts/edge1/{vip}", None)
    assert not there()
    northbound.answer("PUT", f"/v1/breakouts/edge1/{vip}", None)
    assert there()


def test_pinned_connections_are_listed(northbound):
    coordinator = northbound._coordinator
    connection = Connection("ue1", PLAN.device("ue1").ipv4, 4000, PLAN.vip_ipv4, 8080)
    coordinator._intents = coordinator.intents.with_pin(connection, "mec1")
    assert northbound.answer("GET", "/v1/flows", None) == {
        "pinned": [
            {
                "device": "ue1",
                "source": f"{connection.source} 4000",
                "destination": f"{PLAN.vip_ipv4} 8080",
                "host": "mec1",
            }
        ]
    }


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "words"),
    [
        ("GET", "/", None, 404, "no resource /; there are attachments, breakouts, flows"),
        ("GET", "/v2/health", None, 404, "no resource /v2/health"),
        ("GET", "/v1/helth", None, 404, "no resource /v1/helth"),
        ("GET", "/v1/health/ap1", None, 404, "has 1 names after health; expected 0"),
        ("PUT", "/v1/attachments", {"ap": "ap1"}, 404, "has 0 names after attachments; expected 1"),
        ("PUT", "/v1/breakouts/edge1/10.0.0.1", None, 404, "has 2 names after breakouts; expected 3"),
        ("POST", "/v1/health", None, 405, "POST is not for health; it has GET"),
        ("DELETE", "/v1/attachments/ue1", None, 405, "DELETE is not for attachments; it has PUT"),
        ("GET", "/v1/transactions", None, 405, "it has POST"),
        ("POST", "/v1/transactions", None, 400, "body: "),
        ("POST", "/v1/transactions", [], 400, "body: "),
        ("POST", "/v1/transactions", {"atach": {}}, 400, "atach: Extra inputs are not permitted"),
        ("POST", "/v1/transactions", {"attach": ["ue1"]}, 400, "attach: "),
        ("POST", "/v1/transactions", {"attach": {"ue1": None}}, 400, "attach.ue1: "),
        ("POST", "/v1/transactions", {"breakout": [{"edge": "edge1"}]}, 400, "breakout.0.prefix: Field required"),
        ("POST", "/v1/transactions", {"attach": {"ue9": "ap1"}}, 404, "no device 'ue9'"),
        ("PUT", "/v1/attachments/ue1", None, 400, 'found null; expected {"ap": …}'),
        ("PUT", "/v1/attachments/ue1", {"host": "mec1"}, 400, 'expected {"ap": …}'),
        ("PUT", "/v1/attachments/ue1", {"ap": 5}, 400, "attach.ue1: "),
        ("PUT", "/v1/attachments/ue9", {"ap": "ap1"}, 404, "no device 'ue9'"),
        ("PUT", "/v1/serving/ue1", {"host": "mec9"}, 404, "no MEC host 'mec9'"),
        ("DELETE", "/v1/serving/ue9", None, 404, "no device 'ue9'"),
        ("PUT", "/v1/breakouts/edge1/ten/32", None, 400, "ten/32"),
        ("PUT", "/v1/breakouts/edge1/10.0.0.1/8", None, 400, "10.0.0.1/8"),
        ("PUT", "/v1/breakouts/edge9/10.0.0.1/32", None, 404, "no edge 'edge9'"),
        ("PUT", "/v1/breakouts/edge1/198.51.100.0/24", None, 422, "cannot break out at edge1"),
        ("DELETE", "/v1/breakouts/edge1/198.51.100.0/24", None, 422, "cannot break out at edge1"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(northbound, method, target, body, status, words):
    found = refused(northbound, method, target, body)
    assert found[0] == status
    assert words in found[1]


def test_a_refused_transaction_changes_nothing(northbound):
    before = northbound.answer("GET", "/v1/intents", None)
    refused(northbound, "POST", "/v1/transactions", {"attach": {"ue1": "ap1"}, "serve": {"ue1": "nowhere"}})
    assert northbound.answer("GET", "/v1/intents", None) == before
