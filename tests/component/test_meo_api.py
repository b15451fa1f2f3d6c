"""The orchestrator's interface on loopback: what an operator asks of it, and whether it is as it describes itself."""

from collections.abc import Iterator

import pytest
import schemathesis
from hosts_child import DEADLINE_S
from hosts_operations import Operations, operating
from hypothesis import HealthCheck, given, settings

EXAMPLES = 15


@pytest.fixture
def operations() -> Iterator[Operations]:
    with operating() as found:
        yield found


def test_the_policy_changes_in_part_and_every_device_is_decided_again(operations: Operations) -> None:
    operations.attach("ap1", 1)
    operations.client.post("/v1/loads", json={"host": "mec1", "load": 0.5})
    answer = operations.client.put("/v1/policy", json={"kind": "least-loaded", "hysteresis": "2ms"})
    assert answer.json()["changed"] == ["ue1"]
    assert answer.json()["policy"]["hysteresis"] == "2ms"
    found = operations.client.get("/v1/policy").json()
    assert (found["kind"], found["load_limit"]) == ("least-loaded", 0.9)
    assert operations.client.put("/v1/policy", json=found).json() == {"changed": [], "policy": found}
    (entry,) = operations.client.get("/v1/decisions?after=1").json()["decisions"]
    assert (entry["trigger"], entry["from_host"], entry["host"]) == ("policy", "mec1", "mec2")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"hysteresis": "2"}, "hysteresis: found '2': a number of at least 0 with a unit"),
        ({"kind": "farthest"}, "kind: found 'farthest': Input should be 'nearest' or 'least-loaded'"),
        ({"pins": {}}, "pins: an unknown key"),
    ],
)
def test_a_policy_that_is_none_is_refused_with_where_and_what(
    operations: Operations, body: dict[str, object], said: str
) -> None:
    answer = operations.client.put("/v1/policy", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"][0].startswith(said)


def test_a_pin_holds_until_it_ends(operations: Operations) -> None:
    operations.attach("ap1", 1)
    assert operations.client.put("/v1/pins/ue1", json={"host": "mec2"}).json() == {"changed": ["ue1"]}
    assert operations.client.get("/v1/pins").json() == {"pins": {"ue1": "mec2"}}
    assert operations.attach("ap2", 2).json()["reason"] == "pinned to mec2"
    assert operations.client.delete("/v1/pins/ue1").json() == {"changed": []}
    assert operations.client.get("/v1/pins").json() == {"pins": {}}


def test_a_pin_to_what_is_not_there_is_refused_with_what_there_is(operations: Operations) -> None:
    answer = operations.client.put("/v1/pins/ue1", json={"host": "mec7"})
    assert (answer.status_code, answer.json()["error"]) == (404, "MEC host mec7; expected one of mec1, mec2")
    assert operations.client.put("/v1/pins/ue77", json={"host": "mec1"}).status_code == 404


def test_an_announced_move_is_told_ahead_and_its_attach_repeats_nothing(operations: Operations) -> None:
    controller = operations.controller()
    operations.attach("ap1", 1)
    controller.transactions.get(timeout=DEADLINE_S)
    answer = operations.client.post("/v1/preparations", json={"device": "ue1", "ap": "ap2", "at_ns": 2})
    assert (answer.status_code, answer.json()["host"]) == (202, "mec2")
    assert controller.transactions.get(timeout=DEADLINE_S)["serve"] == {"ue1": "mec2"}
    operations.attach("ap2", 2)
    attached = controller.transactions.get(timeout=DEADLINE_S)
    assert (attached["attach"], attached["serve"]) == ({"ue1": "ap2"}, {})


def test_an_announcement_of_a_device_that_is_nowhere_is_a_conflict(operations: Operations) -> None:
    assert (
        operations.client.post("/v1/preparations", json={"device": "ue1", "ap": "ap2", "at_ns": 2}).status_code == 409
    )


def test_with_a_delay_the_attach_is_told_at_once_and_the_decision_later() -> None:
    with operating(policy={"delay": "30ms"}) as operations:
        controller = operations.controller()
        answer = operations.attach("ap2", 1)
        assert (answer.status_code, answer.json()["outcome"]) == (202, "delayed")
        told = [controller.transactions.get(timeout=DEADLINE_S) for _ in range(2)]
        assert [(one["attach"], one["serve"]) for one in told] == [({"ue1": "ap2"}, {}), ({}, {"ue1": "mec2"})]
        attached, decided = operations.client.get("/v1/decisions").json()["decisions"]
        assert (attached["host"], attached["reason"]) == (None, "is decided 30 ms later")
        assert decided["decided_ns"] - decided["heard_ns"] >= 30_000_000


def test_locations_are_told_at_the_start_and_an_entry_is_told_when_everybody_is() -> None:
    with operating("ecs") as operations:
        controller = operations.controller()
        paths = {controller.paths.get(timeout=DEADLINE_S) for _ in range(2)}
        instances = "/app_lcm/v1/app_instances/app-mec{}/configure_platform_for_app"
        assert paths == {instances.format(1), instances.format(2)}
        operations.attach("ap1", 1)
        operations.await_told()
        entries = operations.client.get("/v1/decisions").json()["decisions"]
        assert [(entry["location"], entry["device"]) for entry in entries] == [
            ("ap1", None),
            ("ap2", None),
            (None, "ue1"),
        ]
        assert [list(entry["recipients"]) for entry in entries] == [["mepm"], ["mepm"], ["controller"]]


def test_an_unknown_request_is_refused_in_the_form_of_every_refusal(operations: Operations) -> None:
    assert operations.client.get("/v1/nothing").json() == {"error": "Not Found"}
    assert operations.client.delete("/v1/policy").status_code == 405


def test_nothing_of_it_needs_the_internet(operations: Operations) -> None:
    assert operations.client.get("/docs").status_code == operations.client.get("/redoc").status_code == 404
    document = operations.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.") and "/v1/policy" in document["paths"]


def test_the_interface_is_as_its_own_description_says(operations: Operations) -> None:
    """Requests that fit the description and requests that do not, from a tool made for it."""
    described = schemathesis.openapi.from_url(f"{operations.client.base_url}/openapi.json")
    described.validate()
    found = [result.ok() for result in described.get_all_operations()]
    assert len(found) == 13

    for operation in found:
        modes = list(schemathesis.GenerationMode) if operation.body else [schemathesis.GenerationMode.POSITIVE]
        for mode in modes:

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
            def keeps_to_it(case: schemathesis.Case) -> None:
                case.call_and_validate()

            keeps_to_it()
