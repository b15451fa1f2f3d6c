"""A federation manager against ETSI's and GSMA's OpenAPI descriptions, with valid and invalid bodies.

Deviations from the descriptions, each with its reason, are made in `mec040` and `gsma` and nowhere else.
"""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from contract import Attribute, Case, Description, described, exchange, narrowed, opened
from federation_lab import ADDRESS, COMPUTE, PARTNER, SYSTEM_INFO, Asker, Lab, catalogue, zone

from meclab.federation.catalogue import Catalogue
from meclab.federation.parties import Terms
from meclab.federation.partnership import PATH as GSMA
from meclab.federation.partnership import PartnerStatusEvent, ZoneResourceEvent
from meclab.federation.systems import PATH as MEC
from meclab.federation.systems import SystemUpdateNotification

INFO = "/fed_resources/system_info"
ONE = "/fed_resources/system_info/{systemId}"
CONTEXT = "/{federationContextId}"
UNDEFINED = ("artefact", "files", "application", "isv", "edgenodesharing", "roaminguserauth")
"""First words of GSMA's paths that a federation manager does not have yet: they come with the applications' lifecycle
and with roaming."""


def refused(case: Case, response: Any) -> None:
    """No invalid request is granted. A null is an attribute left out, and no reason to refuse."""
    if not has_null(case.body):
        assert 400 <= response.status_code < 500, f"{response.status_code} for {case.body!r}"


def has_null(content: Any) -> bool:
    parts = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    return content is None or any(map(has_null, parts))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("contracts"))


@pytest.fixture(scope="module")
def operator(lab: Lab) -> Iterator[Asker]:
    """The operator of `mno1`; its orchestrator hears notifications at a URL of its own."""
    terms = {name: Terms(zones=("vienna",), services=True, applications=True) for name in ("mno2", "mno3")}
    settings = lab.settings("mno1", dict.fromkeys(terms, "manager"), terms=terms)
    with lab.federator(settings) as asker:
        asker.authorised()
        assert asker.put("/v1/catalogue", json=catalogue("vienna", "graz")).status_code == 200
        yield asker


def by(lab: Lab, asker: Asker) -> dict[str, Any]:
    """What makes a generated request an authorised one of this client's."""
    files = tuple(str(lab.folder / f"{asker.name}{part}.pem") for part in ("", "-key"))
    verify = str(lab.folder / "federation-ca.pem")
    return {"cert": files, "verify": verify, "headers": {"Authorization": asker.headers["Authorization"]}}


# MEC 040.


@pytest.fixture(scope="module")
def mec040() -> Description:
    """With the lab's extension `endpoint`: MEC 040's SystemInfo has none, and a federation cannot be formed without.
    Names are not empty and at most 128 characters long, so that one answer does not carry what another has written
    without a bound."""
    made = opened(described("mec040-fedEnablement.yaml"), {}, {}, {})
    schemas = made["components"]["schemas"]
    schemas["SystemInfo"]["properties"]["endpoint"] = {"$ref": "#/components/schemas/EndPointInfo"}
    for name in ("SystemInfo", "SystemInfoUpdate"):
        for attribute in ("systemName", "systemProvider"):
            if attribute in schemas[name]["properties"]:
                schemas[name]["properties"][attribute] |= {"minLength": 1, "maxLength": 128}
    schemas["SystemInfoUpdate"]["minProperties"] = 1
    endpoint = schemas["EndPointInfo"]
    endpoint |= {"minProperties": 1, "maxProperties": 1}
    return made


def registration(mec040: Description) -> Description:
    """Requests that register: `systemId` is required by the schema, and "shall be absent in POST" by its text."""
    made = narrowed(mec040, {}, [("SystemInfo", "systemId")])
    made["components"]["schemas"]["SystemInfo"]["required"].remove("systemId")
    return made


def of_systems(mec040: Description, operator: Asker) -> Description:
    """Requests that name a system that there is, or none."""
    made = operator.post(SYSTEM_INFO, json={"systemName": "known", "systemProvider": "known"}).json()
    description = opened(mec040, {}, {}, {"systemId": [made["systemId"], "none"]})
    description["components"]["schemas"] = mec040["components"]["schemas"]
    return description


def test_systems_are_registered_as_described(mec040: Description, lab: Lab, operator: Asker) -> None:
    seen: set[tuple[str, str]] = set()

    def registered(case: Case, response: Any) -> None:
        name = case.body["systemName"], case.body["systemProvider"]
        assert response.status_code == (400 if name in seen else 201), f"{response.text} for {case.body}"
        seen.add(name)
        if response.status_code == 201:
            identifier = response.json()["systemId"]
            assert response.headers["location"] == [f"{lab.urls['mno1']}{SYSTEM_INFO}/{identifier}"]

    url, call = f"{lab.urls['mno1']}{MEC}", by(lab, operator)
    sent = exchange(mec040, "post", INFO, "positive", url, registered, registration(mec040), 25, call)
    assert sent > 10 and len(seen) > 3


def test_bad_registrations_are_refused_as_described(mec040: Description, lab: Lab, operator: Asker) -> None:
    url, call = f"{lab.urls['mno1']}{MEC}", by(lab, operator)
    before = operator.get(SYSTEM_INFO).json()
    assert exchange(mec040, "post", INFO, "positive", url, refused, None, 15, call) > 5, "a systemId is given"
    assert exchange(mec040, "post", INFO, "negative", url, refused, registration(mec040), 25, call) > 10
    assert operator.get(SYSTEM_INFO).json() == before


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_systems_are_listed_as_described(mec040: Description, lab: Lab, operator: Asker, mode: str) -> None:
    url, call = f"{lab.urls['mno1']}{MEC}", by(lab, operator)
    assert exchange(mec040, "get", INFO, mode, url, call=call) > 1


def test_a_system_is_read_updated_and_deleted_as_described(mec040: Description, lab: Lab, operator: Asker) -> None:
    url, call, description = f"{lab.urls['mno1']}{MEC}", by(lab, operator), of_systems(mec040, operator)
    statuses: set[int] = set()

    def seen(_: Case, response: Any) -> None:
        statuses.add(response.status_code)

    assert exchange(description, "get", ONE, "positive", url, seen, call=call) > 1
    assert exchange(description, "patch", ONE, "positive", url, seen, call=call) > 10
    assert statuses == {200, 404}
    assert exchange(description, "patch", ONE, "negative", url, refused, call=call) > 10
    exchange(description, "delete", ONE, "positive", url, seen, call=call)
    assert statuses == {200, 204, 404}


def test_a_system_update_notification_is_as_described(mec040: Description) -> None:
    """It has the lab's extension `change` besides."""
    content = {
        "updatedSystemInfo": [{"systemId": "a", "systemName": "b", "systemProvider": "c"}],
        "_links": {"subscription": {"href": "https://10.0.0.1:1/x"}},
    }
    body = SystemUpdateNotification.model_validate_json(json.dumps(content))
    made = body.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert made.pop("change") == "UPDATED"
    schema = mec040["components"]["schemas"]["SystemUpdateNotification"]
    jsonschema_rs.validate({**schema, "components": mec040["components"]}, made)


# GSMA.


@pytest.fixture(scope="module")
def gsma() -> Description:
    """With the lab's extension `expiryDate`: GSMA's federation has no term. Paths of later parts are left out."""
    made = described("gsma-ewbi-FederationApi_v1.3.0.yaml")
    made["paths"] = {
        path: is_
        for path, is_ in made["paths"].items()
        if path.split("/")[2:3] == [] or path.split("/")[2] not in UNDEFINED
    }
    made = opened(made, {}, {}, {"zoneId": ["vienna", "graz", "linz"]})
    made["components"]["schemas"]["FederationResponseData"]["properties"]["expiryDate"] = {"type": "string"}
    return made


@pytest.fixture
def member(lab: Lab, operator: Asker) -> Iterator[Asker]:
    with lab.asker("mno2", "mno1") as asker:
        lab.urls.setdefault("mno2", f"https://{ADDRESS}:1")
        yield asker.authorised()
        for known in operator.get("/v1/federations").json()["federations"]:
            asker.delete(f"{GSMA}/{known['federationContextId']}/partner")


def formed(lab: Lab, member: Asker) -> str:
    """A federation of the member's; its context."""
    body = {"origOPFederationId": "mno2", "initialDate": "2026-01-01T00:00:00Z"}
    made = member.post(PARTNER, json={**body, "partnerStatusLink": f"{lab.urls['mno2']}/callbacks/status"})
    return str(made.json()["federationContextId"])


def in_context(gsma: Description, context: str) -> Description:
    components = gsma["components"]
    made = opened(gsma, {}, {}, {"federationContextId": [context, "none"]})
    made["components"] = components
    return made


def requests(gsma: Description, values: dict[Attribute, list[Any]]) -> Description:
    """With these values alone; in OpenAPI 3.0 nothing counts that stands beside a reference."""
    made = narrowed(gsma, {})
    for (name, attribute), allowed in values.items():
        made["components"]["schemas"][name]["properties"][attribute] = {"enum": allowed}
    return made


def test_a_federation_is_created_as_described(gsma: Description, lab: Lab, operator: Asker, member: Asker) -> None:
    link = [f"{lab.urls['mno2']}/callbacks/status"]
    mine = {("FederationRequestData", "origOPFederationId"): ["mno2"]}
    valid = requests(gsma, {**mine, ("FederationRequestData", "partnerStatusLink"): link})

    def created(case: Case, response: Any) -> None:
        assert response.status_code == 200, f"{response.text} for {case.body}"
        context = response.json()["federationContextId"]
        again = member.post(PARTNER, json=case.body)
        assert (again.status_code, again.json()["federationContextId"]) == (409, context)
        assert member.delete(f"{GSMA}/{context}/partner").status_code == 200

    url, call = f"{lab.urls['mno1']}{GSMA}", by(lab, member)
    assert exchange(gsma, "post", "/partner", "positive", url, created, valid, 25, call) > 10


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_federations_that_cannot_be_are_refused_as_described(
    gsma: Description, lab: Lab, operator: Asker, member: Asker, mode: str
) -> None:
    url, call = f"{lab.urls['mno1']}{GSMA}", by(lab, member)
    assert exchange(gsma, "post", "/partner", mode, url, refused, call=call) > 10
    assert operator.get("/v1/federations").json()["federations"] == []


def test_a_federation_is_read_and_updated_as_described(
    gsma: Description, lab: Lab, operator: Asker, member: Asker
) -> None:
    description = in_context(gsma, formed(lab, member))
    url, call = f"{lab.urls['mno1']}{GSMA}", by(lab, member)
    statuses: set[int] = set()
    path = f"{CONTEXT}/partner"
    exchange(description, "get", path, "positive", url, lambda _, r: statuses.add(r.status_code), call=call)
    assert statuses == {200, 404}
    exchange(description, "patch", path, "positive", url, lambda _, r: statuses.add(r.status_code), call=call)
    assert statuses <= {200, 400, 404}
    assert exchange(description, "patch", path, "negative", url, refused, call=call) > 10


def test_zones_are_subscribed_read_and_left_as_described(
    gsma: Description, lab: Lab, operator: Asker, member: Asker
) -> None:
    description = in_context(gsma, formed(lab, member))
    schema = "ZoneRegistrationRequestData"
    values: dict[Attribute, list[Any]] = {(schema, "acceptedAvailabilityZones"): [["vienna"], ["graz"], ["linz"]]}
    values[schema, "availZoneNotifLink"] = [f"{lab.urls['mno2']}/callbacks/zones", f"{lab.urls['mno1']}/"]
    url, call = f"{lab.urls['mno1']}{GSMA}", by(lab, member)
    statuses: list[int] = []

    def seen(_: Case, response: Any) -> None:
        statuses.append(response.status_code)

    path = f"{CONTEXT}/zones"
    exchange(description, "post", path, "positive", url, seen, requests(description, values), 60, call)
    assert {200, 404, 409, 422} == set(statuses) and statuses.count(200) == 1
    assert exchange(description, "post", path, "negative", url, refused, call=call) > 10
    for method in ("get", "delete"):
        statuses.clear()
        exchange(description, method, f"{path}/{{zoneId}}", "positive", url, seen, call=call)
        assert set(statuses) == {200, 404}
    assert statuses.count(200) == 1, "it is left once"


def test_what_the_partner_is_notified_of_is_as_described(gsma: Description) -> None:
    """The status event has the lab's extensions `expiryDate` and `ended` besides."""
    now = "2026-01-01T00:00:00Z"
    event = {"federationContextId": "a", "objectType": "FEDERATION", "operationType": "STATUS"}
    status = PartnerStatusEvent.model_validate_json(
        json.dumps({**event, "federationStatus": "LOCKED", "modificationDate": now})
    )
    update = [{"availableCompResources": [COMPUTE]}]
    resource = ZoneResourceEvent.model_validate_json(
        json.dumps({"federationContextId": "a", "zoneId": "vienna", "zoneResUpdInfo": update})
    )
    callbacks = [
        (status, "/partner", "onPartnerStatusEvent", "{$request.body#/partnerStatusLink}"),
        (resource, f"{CONTEXT}/zones", "onZoneResourceUpdateEvent", "{$request.body#/availZoneNotifLink}"),
    ]
    for body, path, name, link in callbacks:
        operation = gsma["paths"][path]["post"]["callbacks"][name][link]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        made = body.model_dump(mode="json", exclude_none=True)
        jsonschema_rs.validate({**schema, "components": gsma["components"]}, made)


def test_a_catalogue_in_zones_that_it_has_not_is_refused(operator: Asker) -> None:
    bad = catalogue("vienna") | {"zones": [zone("graz")]}
    answer = operator.put("/v1/catalogue", json=bad)
    assert answer.status_code == 400 and "found zones vienna; expected one of graz" in answer.json()["detail"]
    assert Catalogue.model_validate(operator.get("/v1/catalogue").json()).zone("vienna") is not None
