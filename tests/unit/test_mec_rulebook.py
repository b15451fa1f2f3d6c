"""The rules of an application: what configures them, what the application may change, in which order it counts."""

import json

import pytest
from mec_plans import dns_rule

from hosts.naming.rules import Rules
from hosts.platform.rulebook import Rulebook
from hosts.web.problems import Refusal
from meclab.messages import DnsRule, DnsUpdate

OFF = b'{"state": "INACTIVE"}'


@pytest.fixture
def book() -> Rulebook[DnsRule]:
    made = Rulebook(DnsRule)
    made.configure(5, [dns_rule("a"), dns_rule("b", "10.1.2.10")])
    return made


def refusal(book: Rulebook[DnsRule], identifier: str, body: bytes, if_match: str | None = None) -> int:
    before = [held.rule for held in book.listed()]
    with pytest.raises(Refusal) as caught:
        book.switch(identifier, body, if_match)
    assert [held.rule for held in book.listed()] == before
    return caught.value.status


def test_a_newer_update_replaces_a_rule_and_leaves_the_others(book: Rulebook[DnsRule]) -> None:
    assert [held.rule.dnsRuleId for held in book.configure(6, [dns_rule("a", ttl=3)])] == ["a"]
    assert [(held.rule.ttl, held.update) for held in book.listed()] == [(3, 6), (None, 5)]


@pytest.mark.parametrize("update", [4, 5])
def test_a_repeated_or_older_update_changes_nothing(book: Rulebook[DnsRule], update: int) -> None:
    assert book.configure(update, [dns_rule("a", ttl=3)]) == []
    assert book.get("a").rule.ttl is None


def test_an_update_replaces_what_the_application_has_changed_but_its_repetition_does_not(
    book: Rulebook[DnsRule],
) -> None:
    book.switch("a", OFF, None)
    book.configure(5, [dns_rule("a")])
    assert book.get("a").rule.state == "INACTIVE"
    book.configure(6, [dns_rule("a")])
    assert (book.get("a").rule.state, book.get("a").order) == ("ACTIVE", (6, 0))


def test_the_whole_rule_or_its_state_alone_switches_it(book: Rulebook[DnsRule]) -> None:
    _, after = book.switch("a", OFF, None)
    assert (after.rule.state, after.etag) == ("INACTIVE", '"5.1"')
    whole = after.rule.model_copy(update={"state": "ACTIVE"}).model_dump_json().encode()
    _, after = book.switch("a", whole, None)
    assert (after.rule.state, after.etag) == ("ACTIVE", '"5.2"')


def test_a_state_that_it_has_already_is_no_change(book: Rulebook[DnsRule]) -> None:
    before, after = book.switch("a", b'{"state": "ACTIVE"}', None)
    assert before is after


@pytest.mark.parametrize("if_match", ['"5.0"', '"x", "5.0"', "*"])
def test_a_tag_that_matches_lets_a_change_through(book: Rulebook[DnsRule], if_match: str) -> None:
    assert book.switch("a", OFF, if_match)[1].rule.state == "INACTIVE"


def test_a_tag_of_an_older_state_is_refused(book: Rulebook[DnsRule]) -> None:
    tag = book.get("a").etag
    book.switch("a", OFF, None)
    assert refusal(book, "a", b'{"state": "ACTIVE"}', tag) == 412


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"state": "INACTIVE", "ttl": 7}, 403),
        ({"state": "INACTIVE", "ipAddress": "10.1.2.10"}, 403),
        ({"state": "ACTIVE", "clientSubnet": ["10.0.0.0/8"]}, 403),
        ({"state": "OFF"}, 400),
        ({"ttl": 7}, 400),
        ({"state": "ACTIVE", "ttl": "7"}, 400),
        ({"state": "ACTIVE", "stat": 1}, 400),
        ({"DnsRule": {"state": "ACTIVE"}}, 400),
        (["INACTIVE"], 400),
    ],
)
def test_another_change_and_what_is_no_rule_are_refused(book: Rulebook[DnsRule], body: object, status: int) -> None:
    assert refusal(book, "a", json.dumps(body).encode()) == status


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b'{"state": "\xff"}'])
def test_what_is_no_json_is_refused(book: Rulebook[DnsRule], body: bytes) -> None:
    assert refusal(book, "a", body) == 400


def test_an_unknown_rule_is_named_with_those_there_are(book: Rulebook[DnsRule]) -> None:
    with pytest.raises(Refusal, match="there are a, b"):
        book.get("c")


def test_an_undone_change_is_as_if_it_had_not_been(book: Rulebook[DnsRule]) -> None:
    before, after = book.switch("a", OFF, None)
    book.undo(before, after)
    assert book.get("a") is before


def test_a_change_that_something_newer_has_replaced_is_not_undone(book: Rulebook[DnsRule]) -> None:
    before, after = book.switch("a", OFF, None)
    book.configure(6, [dns_rule("a", ttl=9)])
    book.undo(before, after)
    assert book.get("a").rule.ttl == 9


def test_the_dns_server_takes_the_applications_change_after_the_update_and_before_the_next() -> None:
    def update(number: int, change: int, state: str) -> DnsUpdate:
        return DnsUpdate(update=number, change=change, source="mec1", rules=(dns_rule("a", state=state),))

    held = Rules().updated(update(5, 0, "ACTIVE")).updated(update(5, 1, "INACTIVE"))
    assert held.by_id["a"].stated.state == "INACTIVE"
    assert held.updated(update(5, 0, "ACTIVE")) is held
    assert held.updated(update(6, 0, "ACTIVE")).by_id["a"].stated.state == "ACTIVE"
