"""MEC 011 rules in a running lab: what an application switches changes what packets do."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.net
SCENARIO = {
    "scenario": "ruled",
    "topology": {"kind": "two-site"},
    "methods": ["ecs"],
    "devices": [{"name": "ue1", "ap": "ap1"}, {"name": "ue2", "ap": "ap1"}],
}
MEC1, CLOUD = "10.1.1.10", "203.0.113.10"


class Lab:
    """A lab as its user has it: commands."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def call(self, *words: str) -> str:
        argv = [sys.executable, "-m", "experiments", words[0], "--out", str(self.out), *words[1:]]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def on(self, node: str, *command: str) -> str:
        return self.call("exec", node, "--", *command)

    def path(self, source: str) -> list[str]:
        """The nodes between a device and `mec1`."""
        hops = json.loads(self.call("trace", source, MEC1, "--json"))["hops"]
        return [hop["node"] for hop in hops]

    def switch(self, kind: str, rule: str, state: str) -> None:
        """What the application on `mec1` does with one of its rules."""
        resource = f"http://127.0.0.1:8094/mec_app_support/v1/applications/app-mec1/{kind}/{rule}"
        body = json.dumps({"state": state})
        answer = json.loads(self.on("mec1", "curl", "-s", "-X", "PUT", "-d", body, resource))
        assert answer["state"] == state

    def answered(self) -> str:
        """What clients at `ap1` are answered by the authoritative server."""
        asked = ["@adns", "app.edge.example", "A", "+short", "+subnet=100.64.1.0/24"]
        return self.on("ue1", "dig", *asked).strip()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    out = tmp_path_factory.mktemp("ruled")
    scenario = out / "ruled.yaml"
    scenario.write_text(json.dumps(SCENARIO))
    lab = Lab(out)
    lab.call("up", str(scenario))
    try:
        yield lab
    finally:
        lab.call("down")


def breakout(lab: Lab, source: str) -> bool:
    """Whether packets to `mec1` stay at the edge, as the flow tables say and as they do."""
    path = lab.path(source)
    pings = lab.on(source, "ping", "-n", "-c", "3", "-i", "0.05", MEC1)
    assert re.search(r"\b3 received", pings), pings
    assert path in ([source, "ap1", "edge1", "mec1"], [source, "ap1", "edge1", "core", "edge1", "mec1"])
    return "core" not in path


def test_a_traffic_rule_is_the_breakout(lab: Lab) -> None:
    assert breakout(lab, "ue1")
    lab.switch("traffic_rules", "mec1-ipv4", "INACTIVE")
    assert not breakout(lab, "ue1")
    lab.switch("traffic_rules", "mec1-ipv4", "ACTIVE")
    assert breakout(lab, "ue1")


def test_a_traffic_rule_for_one_device_breaks_out_its_packets_alone(lab: Lab) -> None:
    plan: dict[str, Any] = json.loads(next(lab.out.glob("ruled/*/plan.json")).read_text())
    address = next(device["ipv4"] for device in plan["devices"] if device["name"] == "ue2")
    rule = {
        "trafficRuleId": "own",
        "filterType": "FLOW",
        "priority": 1,
        "trafficFilter": [{"srcAddress": [address], "dstAddress": [MEC1]}],
        "action": "FORWARD_DECAPSULATED",
    }
    resource = "http://127.0.0.1:8093/app_lcm/v1/app_instances/app-mec1/configure_platform_for_app"
    body = json.dumps({"update": 1, "appTrafficRule": [rule]})
    answer = lab.on("ops", "curl", "-s", "-i", "--json", body, resource)
    operation = re.search(r"(?i)^location: (\S+)", answer, re.MULTILINE)
    assert operation, answer
    while (state := json.loads(lab.on("ops", "curl", "-s", operation[1]))["operationState"]) == "PROCESSING":
        pass
    assert state == "COMPLETED"
    lab.switch("traffic_rules", "mec1-ipv4", "INACTIVE")
    assert (breakout(lab, "ue1"), breakout(lab, "ue2")) == (False, True)
    lab.switch("traffic_rules", "own", "INACTIVE")
    assert not breakout(lab, "ue2")
    lab.switch("traffic_rules", "mec1-ipv4", "ACTIVE")
    assert (breakout(lab, "ue1"), breakout(lab, "ue2")) == (True, True)


def test_a_dns_rule_that_an_application_switches_off_is_answered_no_more(lab: Lab) -> None:
    assert lab.answered() == MEC1
    lab.switch("dns_rules", "ap1-mec1-4", "INACTIVE")
    assert lab.answered() == CLOUD
    lab.switch("dns_rules", "ap1-mec1-4", "ACTIVE")
    assert lab.answered() == MEC1
