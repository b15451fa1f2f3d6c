"""The sessions of the devices, and the DNS context that belongs to the state of each.

A context has one rule for queries, which sends those for the application's name to its authoritative server with the
device's client subnet, and with dynamic breakout one rule for responses for each MEC host at the device's edge that
has no breakout yet: such a response is reported and held back until it has.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv6Network
from typing import Any

from hosts.core5g.deployment import Deployment
from hosts.core5g.neasdf import DnsContextCreateData, DnsContextEventReport, DnsRule, ecs_option
from meclab.messages import BreakoutIntent
from meclab.plan import PlannedDevice

_DNN = "edge"
_EMBB = 1
"""Slice type of enhanced mobile broadband (TS 23.501 table 5.15.2.2-1)."""
_QUERIES_FIRST, _RESPONSES = 10, 20


@dataclass
class Session:
    """One device's."""

    device: PlannedDevice
    ap: str
    host: str
    """Decided by the orchestrator; at the start the plan's."""
    bypasses_easdf: bool = False
    update: int = 0
    """Of the last relocation."""
    breakouts: frozenset[BreakoutIntent] = frozenset()
    """Its own, that this session function has inserted."""
    context: str | None = None
    """Target of its DNS context at the EASDF; none before there is one."""
    rules: dict[str, Any] = field(default_factory=dict)
    """The rules that the EASDF has, as JSON."""
    reports: list[DnsContextEventReport] = field(default_factory=list)
    """Of the EASDF, that nothing has been done about."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the session changes: one change after the other."""

    @property
    def name(self) -> str:
        return self.device.name

    def listed(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "device": self.name,
            "ap": self.ap,
            "host": self.host,
            "bypasses_easdf": self.bypasses_easdf,
            "update": self.update,
            "breakouts": sorted(f"{one.prefix} at {one.edge}" for one in self.breakouts),
            "context": self.context,
        }


def initial(deployment: Deployment) -> dict[str, Session]:
    """The sessions of a plan's devices, by name. Who was handed another resolver than the EASDF bypasses it."""
    (easdf,) = deployment.plan.by_role("easdf")
    return {
        device.name: Session(device, device.ap, device.initial_host, device.resolver_ipv4 != easdf.ipv4)
        for device in deployment.plan.devices
    }


def rules(deployment: Deployment, session: Session) -> dict[str, Any]:
    """The rules of a session's context now, as JSON."""
    found = {"application": _query_rule(deployment, session)}
    if deployment.dynamic:
        established = {one.prefix for one in session.breakouts if one.edge == deployment.edge(session.ap)}
        for host in deployment.local_hosts(session.ap):
            if not established.issuperset(deployment.prefixes(host)):
                found[f"breakout-{host}"] = _response_rule(deployment, host)
    return {key: rule.model_dump(mode="json", exclude_none=True, exclude_unset=True) for key, rule in found.items()}


def context(deployment: Deployment, session: Session, notify_uri: str, held: dict[str, Any]) -> DnsContextCreateData:
    """A session's whole context; `held` are rules for messages that are held back."""
    device = session.device
    content = {
        "ueIpv4Addr": device.ipv4,
        "ueIpv6Prefix": IPv6Network(device.ipv6),
        "dnn": _DNN,
        "sNssai": {"sst": _EMBB},
        "dnsRules": rules(deployment, session) | held,
        "notifyUri": notify_uri,
    }
    return DnsContextCreateData.model_validate(content)


def releases(messages: Iterable[str]) -> dict[str, Any]:
    """The rules that let messages go."""
    forward = {"1": {"applyAction": "FORWARD"}}
    return {f"release-{message}": {"dnsMsgId": message, "actionList": forward} for message in messages}


def _name(deployment: Deployment) -> list[dict[str, Any]]:
    condition = {"matchingString": deployment.plan.dns.name.removesuffix("."), "matchingOperator": "FULL_MATCH"}
    return [{"stringMatchingRule": {"stringMatchingConditions": [condition]}}]


def _query_rule(deployment: Deployment, session: Session) -> DnsRule:
    plan = deployment.plan
    subnet = ecs_option(deployment.subnet(session.device, session.ap)).model_dump(exclude_none=True)
    kind = "ipv4Addr" if plan.family == "ipv4" else "ipv6Addr"
    servers = [{kind: plan.address(server.name)} for server in plan.by_role("adns")]
    forwarding = {
        "ecsOptionInfo": {"ecsOption": subnet},
        "dnsServerAddressInfo": {"dnsServerAddressList": servers},
    }
    content = {
        "precedence": _QUERIES_FIRST,
        "dnsQueryMdtList": {"1": {"mdtId": "1", "fqdnPatternList": _name(deployment)}},
        "actionList": {"1": {"applyAction": "FORWARD", "fwdParas": forwarding}},
    }
    return DnsRule.model_validate(content)


def _response_rule(deployment: Deployment, host: str) -> DnsRule:
    node = deployment.hosts[host]
    prefix = f"{node.ipv6}/128"
    template = {
        "mdtId": "1",
        "fqdnPatternList": _name(deployment),
        "easIpv4AddrRanges": [{"start": node.ipv4, "end": node.ipv4}],
        "easIpv6PrefixRanges": [{"start": prefix, "end": prefix}],
    }
    content = {
        "precedence": _RESPONSES,
        "dnsRspMdtList": {"1": template},
        "actionList": {"1": {"applyAction": "REPORT"}, "2": {"applyAction": "BUFFER"}},
    }
    return DnsRule.model_validate(content)
