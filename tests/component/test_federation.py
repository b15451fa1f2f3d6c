"""Two federation managers and a broker, each a process, over HTTPS: registration, discovery, agreements, assurance."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from federation_lab import AVAILABLE, SUBSCRIPTIONS, SYSTEM_INFO, TERMS, Asker, Lab, catalogue, soon

from meclab.federation.parties import Terms
from meclab.federation.partnership import PATH as GSMA

MANAGERS = ("mno1", "mno2")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@contextlib.contextmanager
def manager(lab: Lab, name: str, **content: Any) -> Iterator[Asker]:
    """A manager with a system `NAME-system` and two sites, of which it offers `vienna`; its operator."""
    (other,) = set(MANAGERS) - {name}
    content = {"terms": {other: TERMS}, "revocation_ns": 200_000_000, **content}
    settings = lab.settings(name, {other: "manager", "hub": "broker"}, **content)
    with lab.federator(settings) as operator:
        operator.authorised()
        made = operator.post(SYSTEM_INFO, json={"systemName": f"{name}-system", "systemProvider": name})
        assert made.status_code == 201, made.text
        assert operator.put("/v1/catalogue", json=catalogue("vienna", "graz")).status_code == 200
        yield operator


@contextlib.contextmanager
def broker(lab: Lab, **content: Any) -> Iterator[Asker]:
    """The broker, which takes both; its operator."""
    content = {"probe_interval_ns": 50_000_000, "terms": dict.fromkeys(MANAGERS, Terms()), **content}
    settings = lab.settings("hub", dict.fromkeys(MANAGERS, "manager"), role="broker", **content)
    with lab.federator(settings) as operator:
        yield operator.authorised()


def form(operator: Asker, partner: str) -> None:
    made = operator.post("/v1/federations", json={"partner": partner})
    assert made.status_code == 201, made.text


def names(operator: Asker, target: str = SYSTEM_INFO) -> set[str]:
    """Systems that an orchestrator finds."""
    return {info["systemName"] for info in operator.get(target).raise_for_status().json()}


def relationship(operator: Asker, other: str) -> str:
    return str(operator.get("/v1/federations").json()["relationships"].get(other, "none"))


# Manager to manager.


def test_a_system_is_visible_before_during_and_after_as_far_as_the_agreement_goes(lab: Lab) -> None:
    with manager(lab, "mno1") as one, manager(lab, "mno2") as two:
        assert (names(one), names(one, AVAILABLE)) == ({"mno1-system"}, {"mno2-system"})
        assert one.get("/v1/catalogues/mno2").status_code == 403
        form(one, "mno2")
        assert (names(one), names(one, AVAILABLE)) == ({"mno1-system", "mno2-system"}, set())
        assert (names(two), names(two, AVAILABLE)) == ({"mno2-system"}, {"mno1-system"}), "it is directed"
        assert (relationship(one, "mno2"), relationship(two, "mno1")) == ("uses", "offers")
        shown = one.get("/v1/catalogues/mno2").json()
        assert [zone["zoneId"] for zone in shown["zones"]] == ["vienna"]
        assert [service["serName"] for service in shown["platforms"][0]["services"]] == ["v2x"]
        assert shown["applications"] == [{"appId": "game", "appProviderId": "provider", "zones": ["vienna"]}]
        assert two.delete("/v1/federations/mno1").status_code == 204
        soon(lambda: relationship(one, "mno2") == "none")
        assert names(one) == {"mno1-system"}
        assert one.get("/v1/catalogues/mno2").status_code == 403


def test_a_partner_that_reciprocates_makes_it_mutual(lab: Lab) -> None:
    with manager(lab, "mno1", reciprocate=("mno2",)) as one, manager(lab, "mno2", reciprocate=("mno1",)) as two:
        form(one, "mno2")
        soon(lambda: relationship(one, "mno2") == "mutual" and relationship(two, "mno1") == "mutual")
        assert names(one) == names(two) == {"mno1-system", "mno2-system"}
        again = one.post("/v1/federations", json={"partner": "mno2"})
        assert (again.status_code, again.json()["cause"]) == (400, "FEDERATION_EXISTS")
        assert len(one.get("/v1/federations").json()["federations"]) == 2


def test_terms_without_services_and_applications_show_platforms_alone(lab: Lab) -> None:
    terms = {"mno1": Terms(zones=("vienna",))}
    with manager(lab, "mno1") as one, manager(lab, "mno2", terms=terms):
        form(one, "mno2")
        shown = one.get("/v1/catalogues/mno2").json()
        assert shown["platforms"] == [{"platformId": "mep-vienna", "zoneId": "vienna", "services": []}]
        assert shown["applications"] == []


def test_a_change_of_the_catalogue_reaches_the_partner_if_it_may_see_it(lab: Lab) -> None:
    with manager(lab, "mno1") as one, manager(lab, "mno2") as two:
        form(one, "mno2")

        def shown() -> Any:
            return one.get("/v1/catalogues/mno2").json()

        changed = catalogue("vienna", "graz")
        changed["resources"][0]["reserved"][0]["memory"] = 4096
        before = two.get("/v1/health").json()["lines"].get("mno1", {}).get("delivered", 0)
        two.put("/v1/catalogue", json=changed)
        soon(lambda: shown()["resources"][0]["reserved"][0]["memory"] == 4096)
        soon(lambda: two.get("/v1/health").json()["lines"]["mno1"]["delivered"] == before + 2)
        changed["resources"][1]["reserved"][0]["memory"] = 1
        two.put("/v1/catalogue", json=changed)
        assert two.get("/v1/health").json()["lines"]["mno1"]["delivered"] == before + 2, "graz is not mno1's to know"
        assert two.get("/v1/health").json()["lines"]["mno1"]["waiting"] == 0
        two.put("/v1/catalogue", json=catalogue("graz"))
        soon(lambda: shown()["zones"] == [])


def test_a_federation_is_suspended_resumed_and_renewed_by_either_side(lab: Lab) -> None:
    with manager(lab, "mno1") as one, manager(lab, "mno2") as two:
        form(one, "mno2")

        def status(operator: Asker) -> str:
            return str(operator.get("/v1/federations").json()["federations"][0]["federationStatus"])

        for suspends, other, partner in ((one, two, "mno2"), (two, one, "mno1")):
            for wanted, code in (("LOCKED", 403), ("AVAILABLE", 200)):
                changed = suspends.put(f"/v1/federations/{partner}/status", json={"federationStatus": wanted})
                assert changed.status_code == 200, changed.text
                soon(lambda other=other, wanted=wanted: status(other) == wanted)  # type: ignore[misc]
                assert one.get("/v1/catalogues/mno2").status_code == code
        soon(lambda: one.get("/v1/catalogues/mno2").json()["zones"] != [])
        before = one.get("/v1/federations").json()["federations"][0]["expiryDate"]
        assert one.post("/v1/federations/mno2/renewal").status_code == 200
        assert one.get("/v1/federations").json()["federations"][0]["expiryDate"] > before


def test_a_federation_that_is_refused_leaves_nothing_behind(lab: Lab) -> None:
    with manager(lab, "mno1") as one, manager(lab, "mno2", terms={}) as two:
        refused = one.post("/v1/federations", json={"partner": "mno2"})
        assert (refused.status_code, refused.json()["cause"]) == (422, "NOT_ELIGIBLE")
        for unknown in ("nobody", "mno1"):
            assert one.post("/v1/federations", json={"partner": unknown}).status_code == 404
        assert one.get("/v1/federations").json() == {"federations": [], "relationships": {}}
        assert two.audit()[-1]["rule"] == "NOT_ELIGIBLE"


def test_duplicates_of_a_system_are_refused_and_its_owner_is_told_which_it_is(lab: Lab) -> None:
    with manager(lab, "mno1") as one:
        (info,) = one.get(SYSTEM_INFO).json()
        again = one.post(SYSTEM_INFO, json={"systemName": "mno1-system", "systemProvider": "mno1"})
        assert (again.status_code, again.json()["systemId"]) == (400, info["systemId"])
        given = one.post(SYSTEM_INFO, json={"systemId": "x", "systemName": "a", "systemProvider": "b"})
        assert (given.status_code, given.json()["cause"]) == (400, "SYSTEM_ID_GIVEN")
        assert names(one) == {"mno1-system"}


def test_a_partition_leaves_what_is_known_and_says_who_does_not_answer(lab: Lab) -> None:
    with manager(lab, "mno1") as one:
        with manager(lab, "mno2"):
            form(one, "mno2")
        found = one.get(SYSTEM_INFO)
        assert [info["systemName"] for info in found.json()] == ["mno1-system"]
        assert found.headers["x-meclab-unreached"] == "mno2"
        failed = one.post("/v1/federations/mno2/renewal")
        assert failed.status_code == 504
        assert one.delete("/v1/federations/mno2").status_code == 204, "it ends here at once"
        assert one.get("/v1/federations").json()["federations"] == []


# Through the broker.


def test_systems_are_found_through_the_broker_with_one_relationship_each(lab: Lab) -> None:
    with broker(lab) as hub, manager(lab, "mno1") as one, manager(lab, "mno2") as two:
        form(one, "hub")
        assert names(one) == {"mno1-system"}
        form(two, "hub")
        soon(lambda: names(one) == names(two) == {"mno1-system", "mno2-system"})
        for operator in (one, two):
            assert list(operator.get("/v1/federations").json()["relationships"]) == ["hub"]
        assert hub.get("/v1/federations").json()["relationships"] == {"mno1": "offers", "mno2": "offers"}
        (two_info,) = two.get(SYSTEM_INFO, params={"systemprovider": "mno2"}).json()
        endpoint = {"uris": [lab.urls["mno2"]]}
        changed = two.patch(f"{SYSTEM_INFO}/{two_info['systemId']}", json={"systemName": "new", "endpoint": endpoint})
        assert changed.json() == {**two_info, "systemName": "new", "endpoint": endpoint}
        soon(lambda: names(one) == {"mno1-system", "new"})
        assert two.delete(f"{SYSTEM_INFO}/{two_info['systemId']}").status_code == 204
        soon(lambda: names(one) == {"mno1-system"})


def test_leaving_the_broker_takes_the_system_away_there(lab: Lab) -> None:
    with broker(lab), manager(lab, "mno1") as one, manager(lab, "mno2") as two:
        form(one, "hub")
        form(two, "hub")
        soon(lambda: names(one) == {"mno1-system", "mno2-system"})
        assert two.delete("/v1/federations/hub").status_code == 204
        soon(lambda: names(one) == {"mno1-system"})
        assert names(two) == {"mno2-system"}


def test_the_broker_withdraws_what_does_not_answer_and_records_the_breach(lab: Lab) -> None:
    with broker(lab) as hub, manager(lab, "mno1") as one:
        form(one, "hub")
        with manager(lab, "mno2") as two:
            form(two, "hub")
            soon(lambda: names(one) == {"mno1-system", "mno2-system"})
        soon(lambda: names(one) == {"mno1-system"})
        found = hub.get("/v1/assurance").json()
        (breach,) = (breach for breach in found["breaches"] if breach["rule"] == "UNREACHABLE")
        assert breach["member"] == "mno2"
        (record,) = (record for record in found["systems"].values() if record["member"] == "mno2")
        assert record["withdrawn"] and record["availability"] < 1


def test_the_broker_withdraws_what_is_not_as_advertised(lab: Lab) -> None:
    with broker(lab) as hub, manager(lab, "mno1") as one, manager(lab, "mno2") as two:
        form(one, "hub")
        form(two, "hub")
        soon(lambda: names(one) == {"mno1-system", "mno2-system"})
        with lab.asker("mno2", "hub") as liar:
            liar.authorised("register")
            stated = {"systemName": "better", "systemProvider": "mno2"}
            assert liar.put(f"{SYSTEM_INFO}/invented", json=stated).status_code == 201
        soon(lambda: any(b["rule"] == "CONTRADICTS" for b in hub.get("/v1/assurance").json()["breaches"]))
        assert names(one) == {"mno1-system", "mno2-system"}


def test_a_revocation_at_the_broker_is_followed_by_its_members(lab: Lab) -> None:
    with broker(lab) as hub, manager(lab, "mno1") as one, manager(lab, "mno2") as two:
        for operator in (one, two):
            form(operator, "hub")
        form(two, "mno1")
        soon(lambda: names(two) == {"mno1-system", "mno2-system"})
        assert hub.put("/v1/revocations/mno2").status_code == 200
        soon(lambda: "mno2" in one.get("/v1/revocations").json()["revoked"])
        assert relationship(one, "mno2") == "none"
        assert names(two) == {"mno2-system"}
        assert names(one) == {"mno1-system"}
        assert {"NOT_A_MEMBER", "REVOKED"} & {line["rule"] for line in one.audit()}


# Notifications.


def test_a_partner_can_subscribe_once_it_has_an_agreement_and_is_notified_at_its_own_address(lab: Lab) -> None:
    with manager(lab, "mno1") as one, manager(lab, "mno2"), lab.asker("mno2", "mno1") as member:
        member.authorised()
        stated = {
            "subscriptionType": "SystemUpdateNotificationSubscription",
            "callbackReference": f"{lab.urls['mno2']}/callbacks/systems",
        }
        assert member.post(SUBSCRIPTIONS, json=stated).status_code == 403
        body = {"origOPFederationId": "mno2", "initialDate": "2026-01-01T00:00:00Z"}
        body["partnerStatusLink"] = f"{lab.urls['mno2']}/callbacks/status"
        context = member.post(f"{GSMA}/partner", json=body).json()["federationContextId"]
        foreign = {**stated, "callbackReference": "https://127.0.0.1:1/"}
        assert member.post(SUBSCRIPTIONS, json=foreign).status_code == 403
        made = member.post(SUBSCRIPTIONS, json=stated)
        assert made.status_code == 201 and made.json()["_links"]["self"]["href"] == made.headers["location"]
        assert member.post(SUBSCRIPTIONS, json=stated).json() == made.json(), "the same again is the same"
        assert member.get(SUBSCRIPTIONS).json() == [made.json()]
        (info,) = one.get(SYSTEM_INFO).json()
        one.patch(f"{SYSTEM_INFO}/{info['systemId']}", json={"systemName": "new"})
        soon(lambda: one.get("/v1/health").json()["lines"]["mno2"]["refused"] == 1)
        (line,) = (line for line in one.audit() if line["rule"] == "REFUSED_BY_PARTY")
        assert (line["subject"], line["path"]) == ("mno2", "/callbacks/systems"), "it has no such federation"
        assert member.delete(made.headers["location"]).status_code == 204
        assert member.delete(made.headers["location"]).status_code == 404
        assert member.delete(f"{GSMA}/{context}/partner").status_code == 200


def test_the_audit_log_is_in_a_file_and_the_tls_keys_are_logged(lab: Lab) -> None:
    with manager(lab, "mno1") as one:
        assert one.get(f"{SYSTEM_INFO}/nothing").status_code == 404
        entries = one.audit()
    lines = [json.loads(line) for line in (lab.folder / "mno1-audit.jsonl").read_text().splitlines()]
    assert lines[: len(entries)] == entries and entries[-1]["rule"] == "UNKNOWN_SYSTEM"
    assert "CLIENT_TRAFFIC_SECRET_0" in (lab.folder / "mno1-tls-keys.log").read_text()
