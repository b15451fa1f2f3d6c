"""Rules: which of them decides, and updates that take effect as a whole, once, in any order of arrival."""

from itertools import permutations

import pytest
from naming_zone import APP, NOERROR, NXDOMAIN, RULES, Asked, addresses, authority, rule, scope_of

from hosts.naming.rules import Rules
from meclab.errors import PeerError
from meclab.messages import DnsRule, DnsUpdate


def update(number: int, *rules: DnsRule) -> DnsUpdate:
    return DnsUpdate(update=number, source="mec1", rules=rules)


def test_the_longest_client_subnet_decides_in_any_order() -> None:
    rules = rule("c", "10.0.0.1", "100.64.0.0/10"), rule("b", "10.0.0.2", "100.64.1.0/24"), rule("a", "10.0.0.3")
    for order in permutations(rules):
        server = Asked(order)
        assert addresses(server(subnet="100.64.1.0/24")) == ["10.0.0.2"]
        assert addresses(server(subnet="100.65.1.0/24")) == ["10.0.0.1"]
        assert addresses(server(subnet="10.65.1.0/24")) == ["10.0.0.3"]


def test_a_rule_for_everybody_comes_after_one_with_an_empty_prefix() -> None:
    server = Asked([rule("a", "10.0.0.1"), rule("b", "10.0.0.2", "0.0.0.0/0")])
    answer = server(subnet="100.64.1.0/24")
    assert (addresses(answer), scope_of(answer)) == (["10.0.0.2"], 0)
    assert addresses(server(subnet="2001:db8::/56")) == ["10.0.0.1"]


@pytest.mark.parametrize("subnets", [(), ("100.64.1.0/24",)])
def test_among_equal_rules_the_smaller_id_decides(subnets: tuple[str, ...]) -> None:
    rules = rule("b", "10.0.0.2", *subnets), rule("a", "10.0.0.1", *subnets), rule("c", "10.0.0.3", *subnets)
    for order in permutations(rules):
        assert addresses(Asked(order)(subnet="100.64.1.0/24")) == ["10.0.0.1"]


def test_inactive_rules_decide_nothing() -> None:
    server = Asked([rule("a", "10.0.0.1", "100.64.1.0/24", state="INACTIVE"), rule("b", "10.0.0.2")])
    answer = server(subnet="100.64.1.0/24")
    assert (addresses(answer), scope_of(answer)) == (["10.0.0.2"], 0)


def test_a_name_exists_while_it_has_active_rules() -> None:
    server = Asked([rule("a", "10.0.0.1", name="new.sub.edge.example")])
    assert addresses(server("new.sub.edge.example.")) == ["10.0.0.1"]
    assert server("sub.edge.example.").header.rcode == NOERROR
    server.authority.apply(update(1, rule("a", "10.0.0.1", name="new.sub.edge.example", state="INACTIVE")))
    assert server("new.sub.edge.example.").header.rcode == NXDOMAIN
    assert server("sub.edge.example.").header.rcode == NXDOMAIN


def test_a_client_for_whom_there_is_no_rule_learns_that_the_name_exists() -> None:
    server = Asked([rule("a", "10.0.0.1", "100.64.1.0/24")])
    answer = server(subnet="100.64.2.0/24")
    assert (answer.header.rcode, answer.rr, scope_of(answer)) == (NOERROR, [], 0)


def test_an_update_replaces_rules_of_the_same_id_and_keeps_the_others() -> None:
    server = Asked()
    server.authority.apply(update(1, rule("site1-4", "10.1.2.10", "100.64.1.0/24")))
    assert addresses(server(subnet="100.64.1.0/24")) == ["10.1.2.10"]
    assert addresses(server(subnet="100.64.2.0/25")) == ["10.1.2.10"]
    assert len(server.authority.rules.by_id) == len(RULES)


def test_a_rule_may_move_to_another_name() -> None:
    server = Asked([rule("a", "10.0.0.1")])
    server.authority.apply(update(1, rule("a", "10.0.0.1", name="b.edge.example.")))
    assert server(APP).header.rcode == NXDOMAIN
    assert addresses(server("b.edge.example.")) == ["10.0.0.1"]


def test_the_old_set_is_as_it_was_after_an_update() -> None:
    server = authority()
    before = server.rules
    listed = {name: one.stated for name, one in before.by_id.items()}
    server.apply(update(1, rule("site1-4", "10.9.9.9"), rule("more", "10.9.9.9")))
    assert {name: one.stated for name, one in before.by_id.items()} == listed
    assert server.rules is not before


def test_a_repeated_or_older_update_changes_nothing() -> None:
    server = authority()
    server.apply(update(5, rule("site1-4", "10.0.0.5")))
    after = server.rules
    server.apply(update(5, rule("site1-4", "10.0.0.6")))
    server.apply(update(4, rule("site1-4", "10.0.0.4")))
    assert server.rules is after


def test_what_an_application_changes_counts_until_the_orchestrators_next_update() -> None:
    site1 = rule("site1-4", "10.1.1.10", "100.64.1.0/24")
    off = site1.model_copy(update={"state": "INACTIVE"})
    updates = [update(1, site1), update(1, off).model_copy(update={"change": 1}), update(2, site1)]
    for count, address in ((1, "10.1.1.10"), (2, "203.0.113.10"), (3, "10.1.1.10")):
        for order in permutations(updates[:count]):
            server = Asked()
            for one in order:
                server.authority.apply(one)
            assert addresses(server(subnet="100.64.1.0/24")) == [address]


def test_of_an_outdated_update_the_set_says_what_it_has_by_a_later_one() -> None:
    off = rule("a", "10.1.1.10", state="INACTIVE")
    rules = Rules().updated(update(3, rule("a", "10.1.1.10"), rule("b", "10.1.2.10")))
    rules = rules.updated(update(3, off).model_copy(update={"change": 1}))
    (newer,) = rules.newer(update(3, rule("a", "10.1.1.10"), rule("b", "10.1.2.10"), rule("c", "10.1.2.10")))
    assert (newer.order, newer.rules) == ((3, 1), (off,))
    assert list(rules.newer(update(4, off))) == []


def test_updates_of_different_rules_may_arrive_in_any_order() -> None:
    updates = [
        update(1, rule("a", "10.0.0.1", "100.64.1.0/24"), rule("b", "10.0.0.2", "100.64.1.0/24", state="INACTIVE")),
        update(2, rule("a", "10.0.0.1", "100.64.1.0/24", state="INACTIVE"), rule("b", "10.0.0.2", "100.64.1.0/24")),
        update(3, rule("c", "10.0.0.3", "100.64.3.0/24")),
    ]
    for order in permutations(updates):
        server = Asked([])
        for one in order:
            server.authority.apply(one)
        assert addresses(server(subnet="100.64.1.0/24")) == ["10.0.0.2"]
        assert addresses(server(subnet="100.64.3.0/24")) == ["10.0.0.3"]


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (rule("x", "10.0.0.1", name="app.foreign.example"), "x: app.foreign.example is outside the zones.*edge.exam"),
        (rule("x", "10.0.0.1", name="a..edge.example"), "x: .*no domain name"),
        (rule("x", "10.0.0.1", name="bücher.edge.example"), "x: .*no domain name"),
        (rule("x", "10.0.0.1", name=f"{'a' * 64}.edge.example"), "x: .*no domain name"),
        (rule("x", "10.0.0.1", name="www.edge.example"), "x: .*alias"),
        (rule("good", "10.0.0.2"), "twice"),
    ],
)
def test_an_update_with_a_wrong_rule_changes_nothing_and_says_why(wrong: DnsRule, complaint: str) -> None:
    server = authority()
    before = server.rules
    with pytest.raises(PeerError, match=complaint):
        server.apply(update(1, rule("good", "10.0.0.1"), wrong))
    assert server.rules is before


def test_every_wrong_rule_of_an_update_is_named() -> None:
    with pytest.raises(PeerError, match=r"x: .*; y: "):
        authority().apply(update(1, rule("x", "10.0.0.1", name="a.test"), rule("y", "10.0.0.1", name="b.test")))
