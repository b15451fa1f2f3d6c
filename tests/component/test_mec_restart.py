"""A platform's process that is killed and starts again: its manager tells it what it was configured with."""

import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from mec_lab import Taker, free_port, manager, plan, platform, taker
from naming_child import Child, serving_names
from test_mec_platforms import APP1, NEW, OLD, SITE, moved, until

REGISTRATIONS = "/mm5/v1/platforms"
OWN = {
    "trafficRuleId": "own",
    "filterType": "FLOW",
    "priority": 1,
    "trafficFilter": [{"srcAddress": ["127.0.0.1"], "dstAddress": [OLD]}],
    "action": "FORWARD_DECAPSULATED",
}
BREAKOUT = {"edge": "edge1", "prefix": "10.1.1.10/32", "device": "ue1"}


@dataclass
class Chain:
    """A platform manager, a DNS server, and the place of one platform that tells both."""

    manager: httpx.Client
    names: Child
    controller: Taker
    made: Any
    ports: dict[str, int]

    def mec1(self) -> AbstractContextManager[httpx.Client]:
        """A process of the platform, killed at the end."""
        ports = self.ports["mec1"], self.ports["dns"], self.ports["controller"], self.ports["manager"]
        return platform(self.made, "mec1", *ports, end=signal.SIGKILL)

    def configure(self, update: int, **rules: Any) -> None:
        target = "/app_lcm/v1/app_instances/app-mec1/configure_platform_for_app"
        answer = self.manager.post(target, json={"update": update, **rules})
        operation = httpx.URL(answer.headers["Location"]).path
        until(lambda: self.manager.get(operation).json()["operationState"] == "COMPLETED")

    def site(self) -> str:
        """What clients at the site are answered."""
        return self.names.address("app.edge.example", "A", f"+subnet={SITE}")

    def register(self, host: str, start: str) -> httpx.Response:
        return self.manager.post(REGISTRATIONS, json={"host": host, "start": start})


@pytest.fixture
def chain() -> Iterator[Chain]:
    made = plan("ecs")
    with ExitStack() as stack:
        names = stack.enter_context(serving_names())
        dns = names.control.base_url.port
        assert dns is not None
        ports = {"dns": dns, **{name: free_port() for name in ("mec1", "mec2", "controller", "manager")}}
        controller = stack.enter_context(taker(ports["controller"]))
        mec2 = platform(made, "mec2", ports["mec2"], dns, ports["controller"])
        stack.enter_context(mec2)
        platforms = {host: ports[host] for host in ("mec1", "mec2")}
        managing = stack.enter_context(manager(made, ports["manager"], platforms))
        yield Chain(managing, names, controller, made, ports)


def held(mec1: httpx.Client) -> dict[str, tuple[str, str]]:
    """Rules of both kinds: each one's content and entity tag."""
    found = {}
    for kind, identifier in (("dns_rules", "dnsRuleId"), ("traffic_rules", "trafficRuleId")):
        for rule in mec1.get(f"{APP1}/{kind}").json():
            answer = mec1.get(f"{APP1}/{kind}/{rule[identifier]}")
            found[rule[identifier]] = answer.text, answer.headers["ETag"]
    return found


def test_a_killed_platform_has_its_rules_back_when_it_has_started_again_without_a_new_decision(chain: Chain) -> None:
    with chain.mec1() as mec1:
        chain.configure(1, appDNSRule=moved(NEW, OLD))
        chain.configure(2, appTrafficRule=[OWN])
        chain.configure(3, appDNSRule=moved(OLD, NEW))
        before = held(mec1)
        assert {"site3-mec1", "own", "mec1-ipv4"} <= set(before)
    with chain.mec1() as mec1:
        until(lambda: held(mec1) == before)
    assert chain.site() == NEW


def test_the_controller_is_told_again_what_breaks_out_at_a_restarted_platform(chain: Chain) -> None:
    with chain.mec1():
        chain.configure(1, appTrafficRule=[OWN])
        assert chain.controller.next()["breakout"] == [BREAKOUT]
    with chain.mec1() as mec1:
        assert chain.controller.next()["breakout"] == [BREAKOUT]
        told = chain.controller.next()
        assert BREAKOUT in told["breakout"]
        assert len(told["breakout"]) == len(mec1.get(f"{APP1}/traffic_rules").json())
        assert told["remove_breakout"] == []


def test_a_dns_rule_that_the_application_had_switched_off_stays_off(chain: Chain) -> None:
    with chain.mec1() as mec1:
        chain.configure(1, appDNSRule=moved(NEW, OLD))
        assert mec1.put(f"{APP1}/dns_rules/site3-mec1", json={"state": "INACTIVE"}).status_code == 200
        before = held(mec1)
    with chain.mec1() as mec1:
        until(lambda: held(mec1) == before)
        assert mec1.put(f"{APP1}/dns_rules/site3-mec1", json={"state": "ACTIVE"}).status_code == 200
        assert chain.site() == OLD


def test_a_platform_that_starts_for_the_first_time_is_told_nothing_again(chain: Chain) -> None:
    assert [chain.register("mec1", "a").json() for _ in range(2)] == [{"again": False}] * 2


def test_a_start_is_answered_when_the_platform_has_taken_everything(chain: Chain) -> None:
    with chain.mec1():
        chain.configure(1, appTrafficRule=[OWN])
    answer = chain.register("mec1", "b")
    assert (answer.status_code, "not told everything" in answer.json()["detail"]) == (503, True)
    with chain.mec1() as mec1:
        until(lambda: "own" in held(mec1))


def test_a_host_without_a_platform_cannot_register(chain: Chain) -> None:
    answer = chain.register("mec9", "a")
    assert answer.status_code == 404 and "mec1" in answer.json()["detail"]
