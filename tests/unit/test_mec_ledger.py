"""What a platform was configured with, as its manager tells it again."""

from itertools import permutations

from hosts.platform.ledger import Ledger
from hosts.platform.rulebook import Rulebook
from meclab.messages import DnsRule
from meclab.platforms import InstanceConfiguration, TrafficRule


def name(identifier: str, address: str = "10.1.1.10", **more: object) -> DnsRule:
    content = {"dnsRuleId": identifier, "domainName": "app.edge.example.", "ipAddressType": "IP_V4"}
    return DnsRule.model_validate({**content, "ipAddress": address, **more})


def traffic(identifier: str) -> TrafficRule:
    rule = {"trafficRuleId": identifier, "filterType": "FLOW", "priority": 1, "action": "FORWARD_DECAPSULATED"}
    return TrafficRule.model_validate({**rule, "trafficFilter": [{"dstAddress": ["10.1.1.10"]}]})


def configuration(update: int, *rules: DnsRule, instance: str = "app-mec1") -> InstanceConfiguration:
    return InstanceConfiguration(instance=instance, update=update, appDNSRule=rules)


def told(*configurations: InstanceConfiguration) -> list[InstanceConfiguration]:
    ledger = Ledger()
    for one in configurations:
        ledger.enter(one)
    return ledger.configurations()


def test_what_newer_updates_have_replaced_is_left_out_and_the_oldest_comes_first() -> None:
    first = configuration(1, name("a"), name("b"))
    second = configuration(2, name("a", "10.1.2.10"))
    assert told(first, second) == [configuration(1, name("b")), second]


def test_the_order_in_which_they_were_taken_does_not_matter() -> None:
    all_of_them = [configuration(n, name("a", f"10.1.{n}.10"), name(f"only-{n}")) for n in (1, 2, 3)]
    expected = told(*all_of_them)
    assert all(told(*order) == expected for order in permutations(all_of_them))


def test_rules_of_one_update_stay_together_and_those_of_other_instances_apart() -> None:
    both = configuration(1, name("a"), name("b")).model_copy(update={"appTrafficRule": (traffic("t"),)})
    other = configuration(1, name("a"), instance="app-mec2")
    assert told(both, other) == [both, other]


def test_a_rulebook_takes_what_is_known_better_of_its_rules_and_of_no_others() -> None:
    book: Rulebook[DnsRule] = Rulebook(DnsRule)
    book.configure(2, [name("a")])
    off = name("a", state="INACTIVE")
    book.adopt(off, 1, 5)
    assert book.get("a").rule.state == "ACTIVE"
    book.adopt(off, 2, 1)
    book.adopt(name("b"), 9, 9)
    assert [(held.rule, held.order) for held in book.listed()] == [(off, (2, 1))]
