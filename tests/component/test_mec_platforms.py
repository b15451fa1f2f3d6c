"""The chain of rules: platform manager, platforms, a DNS server that `dig` asks, and a controller."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hosts_child import DEADLINE_S
from mec_lab import free_port, manager, plan, platform, taker
from naming_child import Child, serving_names

APP1, APP2 = "/mec_app_support/v1/applications/app-mec1", "/mec_app_support/v1/applications/app-mec2"
SITE = "100.64.3.0/24"
OLD, NEW = "10.1.1.10", "10.1.2.10"


def dns_rule(identifier: str, address: str, **more: Any) -> dict[str, Any]:
    content = {"dnsRuleId": identifier, "domainName": "app.edge.example.", "ipAddressType": "IP_V4"}
    return {**content, "ipAddress": address, "clientSubnet": [SITE], **more}


def moved(old: str, new: str) -> list[dict[str, Any]]:
    """Rules by which `new` takes over from `old`."""
    hosts = {OLD: "site3-mec1", NEW: "site3-mec2"}
    return [dns_rule(hosts[old], old, state="INACTIVE"), dns_rule(hosts[new], new)]


def until(condition: Callable[[], bool]) -> None:
    """Returns once a condition holds."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "not so in time"


@dataclass
class Chain:
    """What is under test; the second platform can be missing."""

    manager: httpx.Client
    mec1: httpx.Client
    names: Child
    ports: dict[str, int]
    made: Any

    def configure(self, update: int, instance: str = "app-mec1", **rules: Any) -> str:
        """The path of the operation that a configuration started."""
        target = f"/app_lcm/v1/app_instances/{instance}/configure_platform_for_app"
        answer = self.manager.post(target, json={"update": update, **rules})
        assert (answer.status_code, answer.content) == (202, b""), answer.text
        return httpx.URL(answer.headers["Location"]).path

    def state(self, operation: str) -> str:
        return str(self.manager.get(operation).json()["operationState"])

    def await_completed(self, operation: str) -> None:
        until(lambda: self.state(operation) != "PROCESSING")
        assert self.state(operation) == "COMPLETED"

    def site(self) -> str:
        """What clients at the site are answered."""
        return self.names.address("app.edge.example", "A", f"+subnet={SITE}")

    def mec2(self) -> Any:
        return platform(self.made, "mec2", self.ports["mec2"], self.ports["dns"], self.ports["controller"])

    def controller(self, *statuses: int) -> Any:
        return taker(self.ports["controller"], statuses)


@pytest.fixture
def chain() -> Iterator[Chain]:
    made = plan("ecs")
    with ExitStack() as stack:
        names = stack.enter_context(serving_names())
        dns = names.control.base_url.port
        assert dns is not None
        ports = {"dns": dns, "mec1": free_port(), "mec2": free_port(), "controller": free_port()}
        mec1 = stack.enter_context(platform(made, "mec1", ports["mec1"], dns, ports["controller"]))
        platforms = {host: ports[host] for host in ("mec1", "mec2")}
        managing = stack.enter_context(manager(made, free_port(), platforms))
        yield Chain(managing, mec1, names, ports, made)


def test_a_configuration_reaches_the_dns_server_once_and_completes(chain: Chain) -> None:
    with chain.mec2():
        chain.await_completed(chain.configure(1, appDNSRule=moved(NEW, OLD)))
        assert chain.site() == OLD
        chain.await_completed(chain.configure(2, "app-mec2", appDNSRule=moved(OLD, NEW)))
        assert chain.site() == NEW
        listed = chain.names.control.get("/v1/rules").json()["rules"]
        assert [one["update"] for one in listed if one["dnsRuleId"].startswith("site3")] == [2, 2]


def test_an_older_configuration_that_comes_later_changes_nothing(chain: Chain) -> None:
    with chain.mec2():
        chain.await_completed(chain.configure(7, appDNSRule=moved(NEW, OLD)))
        chain.await_completed(chain.configure(6, appDNSRule=moved(OLD, NEW)))
        assert chain.site() == OLD


def test_a_dead_platform_keeps_no_other_waiting_and_learns_everything_later(chain: Chain) -> None:
    operation = chain.configure(1, appDNSRule=moved(NEW, OLD))
    until(lambda: chain.site() == OLD)
    second = chain.configure(2, "app-mec1", appDNSRule=moved(OLD, NEW))
    until(lambda: chain.site() == NEW)
    assert {chain.state(operation), chain.state(second)} == {"PROCESSING"}
    health = chain.manager.get("/v1/health").json()
    assert (health["status"], health["platforms"]["mec1"]["trouble"]) == ("degraded", None)
    assert health["platforms"]["mec2"]["trouble"]
    with chain.mec2() as mec2:
        chain.await_completed(operation)
        chain.await_completed(second)
        assert mec2.get(f"{APP2}/dns_rules/site3-mec2").json()["state"] == "ACTIVE"


def test_an_application_sees_the_rules_that_name_its_host(chain: Chain) -> None:
    with chain.mec2() as mec2:
        chain.await_completed(chain.configure(1, appDNSRule=moved(NEW, OLD)))
        (rule,) = chain.mec1.get(f"{APP1}/dns_rules").json()
        assert (rule["dnsRuleId"], rule["state"], rule["clientSubnet"]) == ("site3-mec1", "ACTIVE", [SITE])
        assert [one["dnsRuleId"] for one in mec2.get(f"{APP2}/dns_rules").json()] == ["site3-mec2"]


def test_an_application_switches_its_rule_off_and_the_orchestrator_on_again(chain: Chain) -> None:
    with chain.mec2():
        chain.await_completed(chain.configure(1, appDNSRule=moved(NEW, OLD)))
        resource = f"{APP1}/dns_rules/site3-mec1"
        etag = chain.mec1.get(resource).headers["ETag"]
        answer = chain.mec1.put(resource, json={"state": "INACTIVE"}, headers={"If-Match": etag})
        assert (answer.status_code, answer.json()["state"]) == (200, "INACTIVE")
        assert chain.site() == "203.0.113.10"
        stale = chain.mec1.put(resource, json={"state": "ACTIVE"}, headers={"If-Match": etag})
        assert stale.status_code == 412
        chain.await_completed(chain.configure(1, appDNSRule=moved(NEW, OLD)))
        assert chain.site() == "203.0.113.10"
        chain.await_completed(chain.configure(2, appDNSRule=moved(NEW, OLD)))
        assert chain.site() == OLD


def test_an_applications_change_is_kept_until_the_dns_server_is_there() -> None:
    made, dns, controller, port = plan("ecs"), free_port(), free_port(), free_port()
    with platform(made, "mec1", port, dns, controller) as mec1:
        body = {"instance": "app-mec1", "update": 1, "appDNSRule": [dns_rule("a", OLD)]}
        answer = mec1.post("/mm5/v1/configurations", json={"configurations": [body]})
        assert answer.status_code == 503 and "DNS server adns" in answer.json()["detail"]
        assert mec1.put(f"{APP1}/dns_rules/a", json={"state": "INACTIVE"}).status_code == 200
        with taker(dns) as server:
            told = server.next()
            assert (told["update"], told["change"], told["rules"][0]["state"]) == (1, 1, "INACTIVE")
            until(lambda: mec1.get("/mm5/v1/health").json()["lines"]["DNS server adns"]["waiting"] == 0)


def test_a_change_that_the_dns_server_refuses_is_undone_and_says_why() -> None:
    made, dns, port = plan("ecs"), free_port(), free_port()
    with platform(made, "mec1", port, dns, free_port()) as mec1, taker(dns, (200, 422), lambda: "no such zone"):
        body = {"instance": "app-mec1", "update": 1, "appDNSRule": [dns_rule("a", OLD)]}
        assert mec1.post("/mm5/v1/configurations", json={"configurations": [body]}).json() == {"taken": 1}
        answer = mec1.put(f"{APP1}/dns_rules/a", json={"state": "INACTIVE"})
        assert answer.status_code == 403 and "no such zone" in answer.json()["detail"]
        assert mec1.get(f"{APP1}/dns_rules/a").json()["state"] == "ACTIVE"


def test_a_local_resolver_gets_the_rules_of_its_own_instance_alone() -> None:
    made, dns, ports = plan("edge-dns"), free_port(), {"mec1": free_port(), "mec2": free_port()}
    with (
        platform(made, "mec1", ports["mec1"], dns, free_port()) as mec1,
        manager(made, free_port(), ports) as managing,
        taker(dns) as server,
    ):
        target = "/app_lcm/v1/app_instances/{}/configure_platform_for_app"
        for update, instance in ((1, "app-mec2"), (2, "app-mec1")):
            body = {"update": update, "appDNSRule": [dns_rule(f"{instance}-1", OLD), dns_rule(f"{instance}-2", NEW)]}
            assert managing.post(target.format(instance), json=body).status_code == 202
        assert server.next()["update"] == 2
        listed = mec1.get(f"{APP1}/dns_rules").json()
        assert [one["dnsRuleId"] for one in listed] == ["app-mec1-1", "app-mec1-2"]


def test_a_traffic_rule_that_is_switched_takes_its_breakout_away_and_brings_it_back(chain: Chain) -> None:
    with chain.controller() as controller:
        listed = {one["trafficRuleId"]: one for one in chain.mec1.get(f"{APP1}/traffic_rules").json()}
        assert {one["state"] for one in listed.values()} == {"ACTIVE"}
        breakout = {"edge": "edge1", "prefix": "10.1.1.10/32", "device": None}
        whole = {**listed["mec1-ipv4"], "state": "INACTIVE"}
        assert chain.mec1.put(f"{APP1}/traffic_rules/mec1-ipv4", json=whole).json() == whole
        told = controller.next()
        assert (told["breakout"], told["remove_breakout"]) == ([], [breakout])
        assert chain.mec1.put(f"{APP1}/traffic_rules/mec1-ipv4", json={"state": "ACTIVE"}).status_code == 200
        told = controller.next()
        assert (told["breakout"], told["remove_breakout"]) == ([breakout], [])


def test_a_traffic_rule_for_one_device_comes_by_the_manager(chain: Chain) -> None:
    rule = {
        "trafficRuleId": "own",
        "filterType": "FLOW",
        "priority": 1,
        "trafficFilter": [{"srcAddress": ["127.0.0.1"], "dstAddress": [OLD]}],
        "action": "FORWARD_DECAPSULATED",
        "dstInterface": {"interfaceType": "IP", "dstIPAddress": OLD},
    }
    with chain.controller() as controller:
        chain.await_completed(chain.configure(1, appTrafficRule=[rule]))
        told = controller.next()
        assert told["breakout"] == [{"edge": "edge1", "prefix": "10.1.1.10/32", "device": "ue1"}]
    assert chain.mec1.get(f"{APP1}/traffic_rules/own").json()["state"] == "ACTIVE"


def test_a_breakout_that_is_gone_already_is_no_refusal(chain: Chain) -> None:
    with chain.controller(404):
        answer = chain.mec1.put(f"{APP1}/traffic_rules/mec1-ipv4", json={"state": "INACTIVE"})
        assert (answer.status_code, answer.json()["state"]) == (200, "INACTIVE")


def test_a_breakout_that_the_controller_refuses_is_undone(chain: Chain) -> None:
    with chain.controller(422) as controller:
        resource = f"{APP1}/traffic_rules/mec1-ipv4"
        assert chain.mec1.put(resource, json={"state": "INACTIVE"}).status_code == 403
        assert chain.mec1.get(resource).json()["state"] == "ACTIVE"
        controller.next()
        assert chain.mec1.put(resource, json={"state": "INACTIVE"}).status_code == 200
        assert controller.next()["remove_breakout"][0]["prefix"] == "10.1.1.10/32"


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"appDNSRule": [dns_rule("a", "10.9.9.9")]}, "10.9.9.9 is no host's; expected one of 10.1.1.10"),
        ({"appDNSRule": [dns_rule("a", OLD, domainName="app.example.")]}, "expected app.edge.example."),
        ({"appDNSRule": [dns_rule("a", OLD, ipAddressType="IP_V6")]}, "10.1.1.10 is no IP_V6"),
        ({"appDNSRule": [dns_rule("a", OLD), dns_rule("a", NEW)]}, "twice"),
        ({"appDNSRule": [dns_rule("a", OLD, ttl="7")]}, "appDNSRule.0.ttl"),
        ({"appTrafficRule": [{"trafficRuleId": "t"}]}, "appTrafficRule.0.trafficFilter"),
        ({"appServiceRequired": []}, "appServiceRequired"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_with_the_reason(
    chain: Chain, rules: dict[str, Any], words: str
) -> None:
    target = "/app_lcm/v1/app_instances/app-mec1/configure_platform_for_app"
    answer = chain.manager.post(target, json={"update": 1, **rules})
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert words in answer.json()["detail"]
    assert chain.mec1.get(f"{APP1}/dns_rules").json() == []


def test_unknown_instances_operations_rules_and_applications_are_not_found(chain: Chain) -> None:
    for instance in ("app-mec9", "mec1"):
        target = f"/app_lcm/v1/app_instances/{instance}/configure_platform_for_app"
        answer = chain.manager.post(target, json={"update": 1})
        assert answer.status_code == 404 and "app-mec1" in answer.json()["detail"]
    assert chain.manager.get("/app_lcm/v1/app_lcm_op_occs/op-77").status_code == 404
    for target in (f"{APP2}/dns_rules", f"{APP2}/traffic_rules/mec1-ipv4", f"{APP1}/dns_rules/none"):
        assert chain.mec1.get(target).status_code == 404
    assert chain.mec1.delete(f"{APP1}/dns_rules").status_code == 405


def test_a_method_without_names_refuses_their_rules() -> None:
    with manager(plan("vip"), free_port(), {"mec1": free_port(), "mec2": free_port()}) as managing:
        target = "/app_lcm/v1/app_instances/app-mec1/configure_platform_for_app"
        answer = managing.post(target, json={"update": 1, "appDNSRule": [dns_rule("a", OLD)]})
        assert answer.status_code == 400 and "vip-immediate has no DNS server" in answer.json()["detail"]
