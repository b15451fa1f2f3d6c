"""Plans and rules for the tests of platforms and of the device application interface."""

from typing import Any

from meclab import planning, services, topology
from meclab.messages import DnsRule
from meclab.plan import Plan
from meclab.platforms import TrafficFilter, TrafficRule
from meclab.scenario import Scenario


def plan(method: str = "ecs", **content: Any) -> Plan:
    """Two sites with `mec1` and `mec2`, and what the method needs beside."""
    content = {"devices": [{"count": 2}], **content}
    scenario = Scenario.model_validate({"scenario": "test", "methods": [method], **content})
    graph = services.extend(topology.two_site(), scenario)
    return planning.make(scenario, graph, scenario.methods[0], "wire")


def dns_rule(identifier: str = "a", address: str = "10.1.1.10", **more: Any) -> DnsRule:
    """A rule of the application's name."""
    family = "IP_V6" if ":" in address else "IP_V4"
    content = {"dnsRuleId": identifier, "domainName": "app.edge.example.", "ipAddressType": family}
    return DnsRule.model_validate({**content, "ipAddress": address, **more})


def traffic_rule(identifier: str = "t", **filtered: Any) -> TrafficRule:
    """A rule for some packets."""
    return TrafficRule(
        trafficRuleId=identifier,
        filterType="FLOW",
        priority=1,
        trafficFilter=(TrafficFilter(**filtered),),
        action="FORWARD_DECAPSULATED",
    )
