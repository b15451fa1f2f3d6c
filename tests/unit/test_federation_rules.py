"""The rules of federation: agreements, what they show, tokens, assurance, selection."""

import pytest
from pydantic import ValidationError

from meclab.federation import catalogue, tokens
from meclab.federation.agreements import Agreement, Agreements, accept_zones, accepted_zone, change_networks
from meclab.federation.assurance import RESTORE_AFTER, WITHDRAW_AFTER, Assurance, Probe, Verdict
from meclab.federation.catalogue import Application, Catalogue, Platform, PublishedService
from meclab.federation.denials import Denied
from meclab.federation.parties import Settings, Terms, within
from meclab.federation.partnership import FederationUpdate, MobileNetworkIds, ZoneDetails
from meclab.federation.selection import Candidate, SelectionPolicy, select
from meclab.federation.systems import SystemInfo, SystemInfoUpdate, Systems, filtered
from meclab.model import SECOND

CERTIFICATE = b"a certificate"
SKEW_NS = 2 * SECOND


def agreement(**content: object) -> Agreement:
    terms = Terms.model_validate({"zones": ("vienna", "linz"), "lasts_ns": 100 * SECOND, **content})
    return Agreement("context", "mno1", "mno2", terms, 100 * SECOND, "https://10.0.0.1:1/")


def denied(rule: str) -> "pytest.RaisesExc[Denied]":
    return pytest.RaisesExc(Denied, check=lambda error: error.rule == rule)


# Agreements.


def test_an_agreement_is_available_until_its_term_ends_and_again_when_it_is_renewed() -> None:
    made = agreement()
    assert made.status(100 * SECOND - 1) == "AVAILABLE"
    assert made.status(100 * SECOND) == "NOT_AVAILABLE"
    made.renew(150 * SECOND)
    assert made.status(250 * SECOND - 1) == "AVAILABLE" and made.status(250 * SECOND) == "NOT_AVAILABLE"


def test_what_both_sides_have_suspended_both_must_resume() -> None:
    made = agreement()
    made.locked_by |= {"mno1", "mno2"}
    made.locked_by.discard("mno1")
    assert made.status(0) == "LOCKED"
    with denied("FEDERATION_LOCKED"):
        made.require(0)
    made.locked_by.discard("mno2")
    made.require(0)


def test_two_directed_agreements_make_it_mutual_while_both_are_in_force() -> None:
    known = Agreements("mno1")
    assert known.relationship("mno2", 0) == "none"
    known.use(agreement())
    assert known.relationship("mno2", 0) == "uses"
    known.offer("mno2", "mno2", Terms(lasts_ns=50 * SECOND), "", 0, "other")
    assert known.relationship("mno2", 0) == "mutual"
    assert known.relationship("mno2", 60 * SECOND) == "uses"
    assert known.relationship("mno2", 100 * SECOND) == "none"


def test_zones_are_accepted_all_or_none() -> None:
    made = agreement()
    with denied("ZONE_NOT_OFFERED"):
        accept_zones(made, ("vienna", "graz"), "/")
    assert made.zones == {}
    accept_zones(made, ("vienna",), "/")
    with denied("ZONE_ACCEPTED"):
        accept_zones(made, ("linz", "vienna"), "/")
    assert list(made.zones) == ["vienna"]
    for hidden in ("linz", "graz"):
        with denied("UNKNOWN_ZONE"):
            accepted_zone(made, hidden)


def test_network_codes_are_added_and_removed_and_must_be_given() -> None:
    made = agreement()
    common = {"objectType": "MOBILE_NETWORK_CODES", "modificationDate": "2026-01-01T00:00:00Z"}
    codes = {"mcc": "232", "mncs": ["01", "03"]}
    add = {**common, "operationType": "ADD_CODES", "addMobileNetworkIds": codes}
    change_networks(made, FederationUpdate.model_validate(add))
    remove = {**common, "operationType": "REMOVE_CODES", "removeMobileNetworkIds": {"mncs": ["01"]}}
    change_networks(made, FederationUpdate.model_validate(remove))
    assert made.mobile_networks == MobileNetworkIds(mcc="232", mncs=("03",))
    with denied("CODES_MISSING"):
        change_networks(made, FederationUpdate.model_validate({**common, "operationType": "UPDATE_CODES"}))


# Visibility.


def published() -> Catalogue:
    services = (
        PublishedService(serName="v2x", version="1", consumedLocalOnly=False),
        PublishedService(serName="local", version="1"),
    )
    names = ("vienna", "linz", "graz")
    return Catalogue(
        zones=tuple(ZoneDetails(zoneId=name, geolocation="1.0,1.0", geographyDetails="") for name in names),
        platforms=tuple(Platform(platformId=f"mep-{name}", zoneId=name, services=services) for name in names),
        applications=(Application(appId="game", appProviderId="p", zones=names),),
    )


@pytest.mark.parametrize("services", [False, True])
@pytest.mark.parametrize("applications", [False, True])
def test_an_agreement_shows_offered_zones_and_the_content_of_accepted_ones(services: bool, applications: bool) -> None:
    made = agreement(services=services, applications=applications)
    accept_zones(made, ("vienna",), "/")
    shown = catalogue.view(published(), made, 0)
    assert [zone.zoneId for zone in shown.zones] == ["vienna", "linz"]
    assert [platform.platformId for platform in shown.platforms] == ["mep-vienna"]
    assert [service.serName for service in shown.platforms[0].services] == (["v2x"] if services else [])
    assert [entry.zones for entry in shown.applications] == ([("vienna",)] if applications else [])


def test_an_agreement_that_is_over_shows_nothing() -> None:
    with denied("FEDERATION_EXPIRED"):
        catalogue.view(published(), agreement(), 100 * SECOND)


# Systems.


def test_a_system_is_its_owners_and_unknown_to_who_is_not() -> None:
    systems = Systems()
    systems.register("mno1-meo", SystemInfo(systemName="a", systemProvider="b"), "1")
    with denied("UNKNOWN_SYSTEM"):
        systems.update("other", "1", SystemInfoUpdate(systemName="c"))
    with denied("DUPLICATE_SYSTEM"):
        systems.register("other", SystemInfo(systemName="a", systemProvider="b"), "2")
    with denied("SYSTEM_OF_ANOTHER"):
        systems.publish("other", SystemInfo(systemId="1", systemName="x", systemProvider="y"))
    assert systems.publish("mno1-meo", SystemInfo(systemId="1", systemName="a", systemProvider="b")) is None


def test_a_filter_that_nothing_passes_is_not_an_empty_list() -> None:
    info = SystemInfo(systemId="1", systemName="a", systemProvider="b")
    assert filtered([info], {"systemname": ["x", "a"], "systemprovider": ["b"]}) == [info]
    assert filtered([], {}) == []
    with denied("UNKNOWN_SYSTEM"):
        filtered([info], {"systemname": ["x"]})


# Tokens.


@pytest.mark.parametrize(
    ("at_s", "rule"),
    [(997.9, "TOKEN_NOT_YET_VALID"), (998, None), (1000, None), (1061.9, None), (1062, "TOKEN_EXPIRED")],
)
def test_a_token_is_good_for_its_lifetime_and_the_tolerated_skew_of_clocks(at_s: float, rule: str | None) -> None:
    claims = tokens.claim("mno2", "mno1", CERTIFICATE, ["discover"], 1000 * SECOND, 60 * SECOND, "1")
    now_ns = round(at_s * SECOND)
    if rule is None:
        assert tokens.check(claims, "mno2", "mno1", CERTIFICATE, now_ns, SKEW_NS).scopes == {"discover"}
    else:
        with denied(rule):
            tokens.check(claims, "mno2", "mno1", CERTIFICATE, now_ns, SKEW_NS)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"cnf": {"x5t#S256": tokens.thumbprint(b"another")}}, "TOKEN_OF_ANOTHER_CERTIFICATE"),
        ({"sub": "mno3"}, "TOKEN_OF_ANOTHER_CERTIFICATE"),
        ({"aud": "mno3"}, "TOKEN_OF_ANOTHER_ISSUER"),
        ({"cnf": None}, "TOKEN_MALFORMED"),
        ({"exp": "soon"}, "TOKEN_MALFORMED"),
    ],
)
def test_a_token_of_somebody_else_is_refused(change: dict[str, object], rule: str) -> None:
    claims = tokens.claim("mno2", "mno1", CERTIFICATE, ["discover"], 0, 60 * SECOND, "1") | change
    with denied(rule):
        tokens.check(claims, "mno2", "mno1", CERTIFICATE, 0, SKEW_NS)


def test_the_thumbprint_is_sha_256_of_the_certificate_as_base64url_without_padding() -> None:
    assert tokens.thumbprint(b"") == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


# Assurance.


def taken(assurance: Assurance, outcomes: str) -> list[Verdict]:
    """The verdicts on probes, `g`ood or `u`nreachable."""
    kinds = {"g": "good", "u": "unreachable", "c": "contradicts"}
    return [assurance.take("s", Probe(kinds[name], at, 1)) for at, name in enumerate(outcomes)]  # type: ignore[arg-type]


def test_what_fails_is_withdrawn_once_and_restored_when_it_answers_again() -> None:
    assurance = Assurance()
    assurance.watch("s", "mno1", 0.0)
    verdicts = taken(assurance, "gu" + "u" * WITHDRAW_AFTER + "g" * RESTORE_AFTER + "ug")
    assert [verdict for verdict in verdicts if verdict != "none"] == ["withdraw", "restore"]
    assert verdicts.index("withdraw") == WITHDRAW_AFTER
    assert [breach.rule for breach in assurance.breaches] == ["UNREACHABLE"]


def test_an_availability_below_what_is_agreed_is_one_breach_while_it_lasts() -> None:
    assurance = Assurance()
    assurance.watch("s", "mno1", 0.9)
    taken(assurance, "ugugugugug")
    assert [breach.rule for breach in assurance.breaches] == ["AVAILABILITY"]
    taken(assurance, "g" * 60 + "ug" * 20)
    assert [breach.rule for breach in assurance.breaches] == ["AVAILABILITY"] * 2


def test_what_contradicts_what_is_advertised_is_withdrawn_as_that() -> None:
    assurance = Assurance()
    assurance.watch("s", "mno1", 0.0)
    assert taken(assurance, "ccc")[-1] == "withdraw"
    assert assurance.breaches[0].rule == "CONTRADICTS"


# Selection.


def candidate(provider: str, standing: str) -> Candidate:
    return Candidate(SystemInfo(systemId=provider, systemName="s", systemProvider=provider), standing)  # type: ignore[arg-type]


def test_members_go_first_then_preference_then_name_whatever_the_order() -> None:
    known = [candidate("a", "available"), candidate("c", "member"), candidate("b", "member"), candidate("d", "member")]
    for order in (known, known[::-1]):
        assert select(order, SelectionPolicy()).candidate == known[2]
        assert select(order, SelectionPolicy(prefer=("d", "a"))).candidate == known[3]
        assert select(order, SelectionPolicy(avoid=("b", "c", "d"))).candidate == known[0]
        assert select(order, SelectionPolicy(avoid=("b", "c", "d"), form=False)).candidate is None


# Settings.


@pytest.mark.parametrize("url", ["http://10.0.0.1:1", "https://10.0.0.1", "https://10.0.0.1:1/x", "x"])
def test_a_federators_url_is_https_with_a_port(url: str) -> None:
    with pytest.raises(ValidationError, match="expected https://ADDRESS:PORT"):
        Settings(name="a", role="manager", url=url)


def test_terms_name_parties_that_there_are() -> None:
    with pytest.raises(ValidationError, match="terms, reciprocate: b; expected one of"):
        Settings(name="a", role="manager", url="https://10.0.0.1:1", terms={"b": Terms()})


@pytest.mark.parametrize(
    ("link", "inside"),
    [
        ("https://10.0.0.1:1/x?y", True),
        ("https://10.0.0.1:12/x", False),
        ("https://10.0.0.1:1@evil/", False),
        ("https://x@10.0.0.1:1/", False),
        ("http://10.0.0.1:1/", False),
        ("https://10.0.0.1:x/", False),
    ],
)
def test_a_callback_leads_to_the_client_itself(link: str, inside: bool) -> None:
    assert within(link, "https://10.0.0.1:1") is inside
