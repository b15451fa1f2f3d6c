"""unbound.conf(5) as a plan makes it, judged by unbound-checkconf."""

import subprocess
from pathlib import Path

import pytest

from hosts.naming import unbound
from hosts.rdns import limits
from meclab import planning, services, topology
from meclab.plan import Plan
from meclab.scenario import Scenario


def made(method: str, family: str = "ipv4", **dns: object) -> Plan:
    content = {"scenario": "test", "methods": [method], "devices": [{"name": "ue1"}], "dns": dns}
    scenario = Scenario.model_validate({**content, "probes": {"family": family}})
    graph = services.extend(topology.two_site(), scenario)
    return planning.make(scenario, graph, scenario.methods[0], "wire")


PLANS = {
    "location": made("ecs"),
    "host": made("ecs", ecs_source="host"),
    "address": made("ecs", ecs_source="address", ecs_prefix_ipv4=20, ecs_prefix_ipv6=48, max_subnets=1_000_000),
    "easdf": made("easdf"),
    "edge-dns": made("edge-dns", family="ipv6"),
    "stale": made("edge-dns", serve_stale=True, zone="apps.test."),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_unbound_accepts_the_configuration(plan: Plan, tmp_path: Path) -> None:
    resolver = unbound.of_plan(plan)
    root, configuration = tmp_path / "root.zone", tmp_path / "unbound.conf"
    root.write_text(unbound.root_zone(resolver))
    configuration.write_text(unbound.configuration(resolver, str(root)))
    command = ["/usr/sbin/unbound-checkconf", str(configuration)]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert (judged.returncode, judged.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "subnets"), [("location", (32, 128)), ("host", (32, 128)), ("address", (20, 48)), ("easdf", (32, 128))]
)
def test_subnets_are_as_long_as_their_source_needs(name: str, subnets: tuple[int, int]) -> None:
    found = unbound.of_plan(PLANS[name]).subnets
    assert found is not None
    assert (found.ipv4_bits, found.ipv6_bits) == subnets
    assert f"/{subnets[0]} and /{subnets[1]}; {found.most} of them kept" in limits(unbound.of_plan(PLANS[name]))


def test_methods_without_subnets_send_none_and_say_so() -> None:
    assert unbound.of_plan(PLANS["edge-dns"]).subnets is None
    assert limits(unbound.of_plan(PLANS["edge-dns"])) == "no client subnets; no expired answers"
    assert "expired answers while" in limits(unbound.of_plan(PLANS["stale"]))


def test_the_authority_is_asked_in_the_family_of_the_run() -> None:
    assert unbound.of_plan(PLANS["location"]).authority == "10.0.18.10@53"
    assert unbound.of_plan(PLANS["edge-dns"]).authority == "2001:db8:0:12::10@53"
