"""What servers say from a run's plan alone, before any decision."""

from typing import Any

import pytest
from dnslib import DNSRecord
from naming_zone import AAAA, ELSEWHERE, HTTPS, NS, NXDOMAIN, SOA, A, addresses, query

from hosts import ldns
from hosts.naming import planned
from hosts.naming.answers import Answers
from hosts.naming.authority import Authority
from meclab import planning, services, topology
from meclab.messages import DnsUpdate
from meclab.plan import Plan
from meclab.scenario import Scenario

APP = "app.edge.example."


def plan_of(method: Any, **settings: Any) -> Plan:
    scenario = Scenario.model_validate({"scenario": "test", "methods": [method], **settings})
    graph = services.extend(topology.two_site(), scenario)
    return planning.make(scenario, graph, scenario.methods[0], "wire")


def ask(plan: Plan, name: str, qtype: int, *rules: Any) -> Any:
    authority = Authority([planned.zone(plan, "adns")], planned.fallback(plan))
    authority.apply(DnsUpdate(update=1, source="mec1", rules=rules))
    answer = Answers(authority).answer(query(name, qtype), ELSEWHERE)
    assert answer is not None
    return DNSRecord.parse(answer.packet)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of("ecs")


def test_every_host_has_its_own_name_in_both_families(plan: Plan) -> None:
    hosts = [node for node in plan.nodes if node.ipv4 is not None]
    assert {node.name for node in hosts} >= {"mec1", "mec2", "cloud", "rdns", "adns"}
    for node in hosts:
        assert addresses(ask(plan, plan.host_name(node.name), A)) == [str(node.ipv4)]
        assert addresses(ask(plan, plan.host_name(node.name), AAAA)) == [str(node.ipv6)]


def test_switches_have_no_names(plan: Plan) -> None:
    assert ask(plan, plan.host_name("edge1"), A).header.rcode == NXDOMAIN


def test_the_application_is_in_the_cloud_until_somebody_decides(plan: Plan) -> None:
    assert addresses(ask(plan, APP, A)) == [str(plan.node("cloud").ipv4)]
    assert addresses(ask(plan, APP, AAAA)) == [str(plan.node("cloud").ipv6)]


def test_a_rule_for_everybody_comes_before_the_fallback(plan: Plan) -> None:
    (cloud, _) = planned.fallback(plan)
    decided = cloud.model_copy(update={"dnsRuleId": "zz", "ipAddress": plan.node("mec1").ipv4})
    assert addresses(ask(plan, APP, A, decided)) == [str(plan.node("mec1").ipv4)]


def test_with_redirects_the_application_is_at_the_front() -> None:
    plan = plan_of("http-redirect", http={"location": "name"})
    assert addresses(ask(plan, APP, A)) == [str(plan.node("front").ipv4)]


def test_the_applications_addresses_live_as_long_as_the_scenario_says_and_hosts_longer() -> None:
    plan = plan_of("ecs", dns={"ttl": "4s", "host_ttl": "50s", "zone": "far.test."})
    assert ask(plan, "app.far.test.", A).rr[0].ttl == 4
    assert ask(plan, "mec1.far.test.", A).rr[0].ttl == 50
    assert ask(plan, "nobody.far.test.", A).auth[0].ttl == 4


def test_the_zone_names_its_server(plan: Plan) -> None:
    assert str(ask(plan, "edge.example.", NS).rr[0].rdata.label) == "adns.edge.example."
    assert str(ask(plan, "edge.example.", SOA).rr[0].rdata.mname) == "adns.edge.example."


def test_only_who_serves_the_application_has_an_https_record(plan: Plan) -> None:
    assert len(ask(plan, APP, HTTPS).rr) == 1
    assert len(ask(plan, "mec1.edge.example.", HTTPS).rr) == 1
    assert ask(plan, "adns.edge.example.", HTTPS).rr == []


def test_a_local_resolver_has_the_access_sides_address_only_where_it_is_shared() -> None:
    own, shared = plan_of("edge-dns"), plan_of({"name": "edge-dns", "variant": "anycast"})
    assert ldns.own_addresses(own, own.node("mec1")) == ["10.1.1.10", "2001:db8:1:1::10"]
    found = ldns.own_addresses(shared, shared.node("mec1"))
    assert found[2:] == [str(shared.resolver_ipv4), str(shared.resolver_ipv6)]
