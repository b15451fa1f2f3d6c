"""Who a federator refuses, with what status, what it says, and what its audit log has of it."""

import contextlib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from federation_lab import AVAILABLE, PARTNER, SYSTEM_INFO, TERMS, Asker, Lab, catalogue
from hosts_child import DEADLINE_S

from hosts.federation.identity import Authority
from meclab.federation.parties import Terms
from meclab.federation.partnership import PATH as GSMA

SECRETS = ("one-system", "vienna", "graz", "mno1-meo", "game", "v2x")
"""What a refusal must not let out."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("federation"))


@pytest.fixture(scope="module")
def operator(lab: Lab) -> Iterator[Asker]:
    """The operator of `mno1`, which has a system and a catalogue; `mno2` and `mno3` may form a federation with it,
    `mno4` is known and may not."""
    parties = dict.fromkeys(("mno2", "mno3", "mno4"), "manager")
    settings = lab.settings("mno1", parties, terms={"mno2": TERMS, "mno3": TERMS}, skew_ns=0, token_lifetime_ns=10**10)
    for name in parties:
        lab.identity(name)
    with lab.federator(settings) as asker:
        asker.authorised()
        made = asker.post(SYSTEM_INFO, json={"systemName": "one-system", "systemProvider": "one"})
        assert made.status_code == 201
        assert asker.put("/v1/catalogue", json=catalogue("vienna", "graz")).status_code == 200
        yield asker


def partner(lab: Lab, name: str = "mno2") -> dict[str, Any]:
    link = f"{lab.urls[name]}/callbacks/status"
    return {"origOPFederationId": name, "initialDate": "2026-01-01T00:00:00Z", "partnerStatusLink": link}


def refused(operator: Asker, response: httpx.Response, status: int, rule: str) -> dict[str, Any]:
    """It is refused as a problem that says nothing of the system; the line that the audit log has of it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert not [secret for secret in SECRETS if secret in response.text], response.text
    line = operator.audit()[-1]
    assert (line["rule"], line["status"]) == (rule, status)
    return line


def test_a_client_without_a_certificate_is_not_authenticated(lab: Lab, operator: Asker) -> None:
    with Asker(lab, None, "mno1") as nobody:
        for target in (SYSTEM_INFO, PARTNER, "/oauth2/token", "/v1/audit", "/nothing"):
            line = refused(operator, nobody.get(target), 401, "CERTIFICATE_MISSING")
            assert (line["subject"], line["address"], line["path"]) == (None, "127.0.0.1", target)


def test_a_system_outside_the_federation_is_not_authenticated(lab: Lab, operator: Asker) -> None:
    with lab.asker("outsider", "mno1") as outsider:
        for target in (SYSTEM_INFO, AVAILABLE, PARTNER, "/v1/health", "/nothing"):
            line = refused(operator, outsider.get(target), 401, "NOT_A_MEMBER")
            assert line["subject"] == "outsider"
        answer = outsider.post("/oauth2/token", data={"grant_type": "client_credentials", "client_id": "outsider"})
        refused(operator, answer, 401, "NOT_A_MEMBER")


def test_an_expired_certificate_is_not_authenticated_although_its_subject_is_a_member(
    lab: Lab, operator: Asker, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    old = lab.authority.issue(tmp_path, "mno2", not_before=now - timedelta(days=2), not_after=now - timedelta(days=1))
    early = lab.authority.issue(tmp_path, "mno3", not_before=now + timedelta(days=1))
    with Asker(lab, old, "mno1") as expired, Asker(lab, early, "mno1") as unborn:
        assert refused(operator, expired.get(SYSTEM_INFO), 401, "CERTIFICATE_EXPIRED")["subject"] == "mno2"
        refused(operator, unborn.get(SYSTEM_INFO), 401, "CERTIFICATE_NOT_YET_VALID")


def test_a_foreign_authoritys_certificate_ends_the_handshake_and_is_in_the_audit_log(
    lab: Lab, operator: Asker, tmp_path: Path
) -> None:
    foreign = Authority("another").issue(tmp_path, "mno2")
    with Asker(lab, foreign, "mno1") as impostor, pytest.raises(httpx.TransportError):
        impostor.get(SYSTEM_INFO)
    line = operator.audit()[-1]
    assert line["rule"] == "HANDSHAKE_REFUSED" and "issuer" in line["detail"]


def test_older_versions_of_tls_are_refused(lab: Lab, operator: Asker) -> None:
    context = ssl.create_default_context(cafile=str(lab.folder / "federation-ca.pem"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with httpx.Client(verify=context, timeout=DEADLINE_S) as old, pytest.raises(httpx.ConnectError):
        old.get(lab.urls["mno1"])
    assert operator.audit()[-1]["rule"] == "HANDSHAKE_REFUSED"


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nothing", "Basic bW5vMjpwYXNz", "Bearer a.b.c"])
def test_a_request_without_a_good_token_is_not_authenticated(lab: Lab, operator: Asker, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    malformed = header is not None and header.startswith("Bearer ")
    rule = "TOKEN_MALFORMED" if malformed else "TOKEN_MISSING"
    with lab.asker("mno2", "mno1") as member:
        for answer in (member.get(SYSTEM_INFO, headers=headers), member.post(PARTNER, headers=headers)):
            refused(operator, answer, 401, rule)
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_a_token_without_the_scope_is_403_for_mec_and_422_for_gsma(lab: Lab, operator: Asker) -> None:
    with lab.asker("mno2", "mno1") as member:
        member.authorised("notify")
        refused(operator, member.get(SYSTEM_INFO), 403, "INSUFFICIENT_SCOPE")
        answer = member.post(PARTNER, json=partner(lab))
        refused(operator, answer, 422, "INSUFFICIENT_SCOPE")
        assert answer.json()["cause"] == "INSUFFICIENT_SCOPE"


def test_a_token_presented_with_another_certificate_is_not_authenticated(lab: Lab, operator: Asker) -> None:
    with lab.asker("mno2", "mno1") as member, lab.asker("mno3", "mno1") as thief:
        thief.headers["Authorization"] = f"Bearer {member.token()}"
        for answer in (thief.get(SYSTEM_INFO), thief.post(PARTNER, json=partner(lab, "mno3"))):
            assert refused(operator, answer, 401, "TOKEN_OF_ANOTHER_CERTIFICATE")["subject"] == "mno3"


def test_a_token_is_bound_to_the_certificate_and_not_only_to_its_subject(
    lab: Lab, operator: Asker, tmp_path: Path
) -> None:
    renewed = lab.authority.issue(tmp_path, "mno2")
    with lab.asker("mno2", "mno1") as member, Asker(lab, renewed, "mno1") as later:
        later.headers["Authorization"] = f"Bearer {member.token()}"
        refused(operator, later.get(SYSTEM_INFO), 401, "TOKEN_OF_ANOTHER_CERTIFICATE")
        later.authorised()
        refused(operator, later.get(SYSTEM_INFO), 403, "NO_AGREEMENT")


def test_no_token_is_given_for_scopes_that_the_role_has_not_or_for_another_client(lab: Lab, operator: Asker) -> None:
    grant = {"grant_type": "client_credentials"}
    bad = [
        ({**grant, "client_id": "mno3"}, 401, "invalid_client"),
        ({**grant, "scope": "operate"}, 400, "invalid_scope"),
        ({**grant, "scope": "discover operate"}, 400, "invalid_scope"),
        ({**grant, "scope": ""}, 400, "invalid_scope"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_id": "mno2"}, 400, "invalid_request"),
    ]
    with lab.asker("mno2", "mno1") as member:
        for form, status, code in bad:
            answer = member.post("/oauth2/token", data=form)
            assert (answer.status_code, answer.json()) == (status, {"error": code})
            assert operator.audit()[-1]["rule"] == code.upper()
        answer = member.post("/oauth2/token", content=b"grant_type=client_credentials&grant_type=x")
        assert answer.json() == {"error": "invalid_request"}


def test_a_member_without_an_agreement_sees_nothing(lab: Lab, operator: Asker) -> None:
    with lab.asker("mno2", "mno1") as member:
        member.authorised()
        for query in ("", "?systemname=one-system", "?systemname=nothing"):
            refused(operator, member.get(SYSTEM_INFO + query), 403, "NO_AGREEMENT")
        identifier = operator.get(SYSTEM_INFO).json()[0]["systemId"]
        here, nowhere = member.get(f"{SYSTEM_INFO}/{identifier}"), member.get(f"{SYSTEM_INFO}/nowhere")
        assert (here.status_code, here.json()) == (nowhere.status_code, nowhere.json())
        for target in ("partner", "catalogue", "zones/vienna"):
            refused(operator, member.get(f"{GSMA}/no-context/{target}"), 404, "UNKNOWN_FEDERATION")
        for target in ("/v1/catalogue", "/v1/audit", "/v1/federations"):
            refused(operator, member.get(target), 403, "INSUFFICIENT_SCOPE")


def test_no_federation_is_formed_with_who_is_not_eligible_or_says_to_be_another(lab: Lab, operator: Asker) -> None:
    with lab.asker("mno4", "mno1") as other, lab.asker("mno2", "mno1") as member:
        other.authorised()
        member.authorised()
        answer = other.post(PARTNER, json=partner(lab, "mno4"))
        refused(operator, answer, 422, "NOT_ELIGIBLE")
        assert answer.json()["cause"] == "NOT_ELIGIBLE"
        posed = {**partner(lab), "origOPFederationId": "mno3"}
        refused(operator, member.post(PARTNER, json=posed), 422, "IDENTITY_MISMATCH")
        for link in (lab.urls["mno3"], "http://127.0.0.1:22/", f"{lab.urls['mno2'].replace('https', 'http')}/", "x"):
            stated = {**partner(lab), "partnerStatusLink": link}
            refused(operator, member.post(PARTNER, json=stated), 422, "FOREIGN_CALLBACK")


@contextlib.contextmanager
def federated(lab: Lab, operator: Asker, name: str) -> Iterator[tuple[Asker, str]]:
    """A member with an agreement, and its context; it ends with the test."""
    with lab.asker(name, "mno1") as member:
        member.authorised()
        made = member.post(PARTNER, json=partner(lab, name))
        assert made.status_code == 200, made.text
        context = made.json()["federationContextId"]
        yield member, f"{GSMA}/{context}"
        member.delete(f"{GSMA}/{context}/partner")


def test_another_members_context_is_unknown_and_a_second_federation_is_a_conflict(lab: Lab, operator: Asker) -> None:
    with federated(lab, operator, "mno2") as (member, mine), lab.asker("mno3", "mno1") as other:
        other.authorised()
        for method in ("GET", "DELETE"):
            refused(operator, other.request(method, f"{mine}/partner"), 404, "UNKNOWN_FEDERATION")
        refused(operator, other.get(f"{mine}/catalogue"), 404, "UNKNOWN_FEDERATION")
        answer = member.post(PARTNER, json=partner(lab))
        refused(operator, answer, 409, "FEDERATION_EXISTS")
        assert mine.endswith(answer.json()["federationContextId"])


def test_zones_beyond_the_agreement_are_refused_all_of_them_or_none(lab: Lab, operator: Asker) -> None:
    with federated(lab, operator, "mno2") as (member, mine):
        link = f"{lab.urls['mno2']}/callbacks/zones"

        def accept(*zones: str) -> httpx.Response:
            body = {"acceptedAvailabilityZones": zones, "availZoneNotifLink": link}
            return member.post(f"{mine}/zones", json=body)

        hidden, missing = accept("graz"), accept("linz")
        assert hidden.status_code == missing.status_code == 422
        assert hidden.text.replace("graz", "linz") == missing.text
        assert accept("vienna", "graz").json()["cause"] == "ZONE_NOT_OFFERED"
        refused(operator, member.get(f"{mine}/zones/vienna"), 404, "UNKNOWN_ZONE")
        assert accept("vienna").status_code == 200
        assert accept("vienna").status_code == 409
        assert member.get(f"{mine}/zones/graz").json() == member.get(f"{mine}/zones/linz").json()


def test_a_suspended_federation_shows_nothing_and_says_so(lab: Lab, operator: Asker) -> None:
    with federated(lab, operator, "mno2") as (member, mine):
        assert member.get(SYSTEM_INFO).json()[0]["systemName"] == "one-system"
        locked = operator.put("/v1/federations/mno2/status", json={"federationStatus": "LOCKED"})
        assert locked.status_code == 200
        refused(operator, member.get(SYSTEM_INFO), 403, "FEDERATION_LOCKED")
        refused(operator, member.get(f"{mine}/catalogue"), 422, "FEDERATION_LOCKED")
        refused(operator, member.post(f"{mine}/renewal"), 422, "FEDERATION_LOCKED")
        details = member.get(f"{mine}/partner").json()
        assert details["federationStatus"] == "LOCKED" and "offeredAvailabilityZones" not in details
        member.put(f"{mine}/status", json={"federationStatus": "AVAILABLE"})
        refused(operator, member.get(SYSTEM_INFO), 403, "FEDERATION_LOCKED")
        operator.put("/v1/federations/mno2/status", json={"federationStatus": "AVAILABLE"})
        assert member.get(SYSTEM_INFO).status_code == 200
        member.delete(f"{mine}/partner")
        refused(operator, member.get(SYSTEM_INFO), 403, "NO_AGREEMENT")
        refused(operator, member.get(f"{mine}/partner"), 404, "UNKNOWN_FEDERATION")


def test_a_revoked_member_is_refused_at_its_next_request_on_the_same_connection(lab: Lab, operator: Asker) -> None:
    with federated(lab, operator, "mno3") as (member, mine):
        assert member.get(SYSTEM_INFO).status_code == 200
        assert operator.put("/v1/revocations/mno3").status_code == 200
        for answer in (member.get(SYSTEM_INFO), member.get(f"{mine}/partner"), member.post("/oauth2/token")):
            assert refused(operator, answer, 401, "REVOKED")["subject"] == "mno3"
            assert answer.json()["cause"] == "NOT_A_MEMBER"
        assert "mno3" not in operator.get("/v1/federations").text
        assert operator.put("/v1/revocations/nobody").status_code == 404


def test_an_expired_token_and_an_expired_term_are_refused_by_the_federators_clock(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    at = tmp_path / "now"
    at.write_text("1800000000000000000")

    def clock() -> int:
        return int(at.read_text())

    terms = {"mno2": Terms(lasts_ns=100 * 10**9)}
    settings = lab.settings("mno1", {"mno2": "manager"}, terms=terms, skew_ns=2 * 10**9, token_lifetime_ns=60 * 10**9)
    with lab.federator(settings, clock) as operator, federated(lab, operator, "mno2") as (member, mine):
        operator.authorised()

        def later(seconds: float) -> None:
            at.write_text(str(1800000000000000000 + int(seconds * 10**9)))

        later(61.9)
        assert member.get(f"{mine}/partner").status_code == 200
        later(62)
        assert member.get(f"{mine}/partner").json()["cause"] == "TOKEN_EXPIRED"
        later(-3)
        assert member.get(f"{mine}/partner").json()["cause"] == "TOKEN_NOT_YET_VALID"
        later(99)
        member.authorised()
        assert member.get(SYSTEM_INFO).status_code == 200
        later(100)
        assert member.get(SYSTEM_INFO).json()["cause"] == "FEDERATION_EXPIRED"
        assert member.get(f"{mine}/catalogue").status_code == 422
        assert member.post(f"{mine}/renewal").status_code == 200
        assert member.get(SYSTEM_INFO).status_code == 200
