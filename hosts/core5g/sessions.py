"""The sessions of the devices, and the DNS context that belongs to the state of each.

A context has one rule for queries, which sends those for the application's name to its authoritative server with the
device's client subnet, and with dynamic breakout one rule for responses for each MEC host at the device's edge that
has no breakout yet: such a response is reported and held back until it has.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hosts.core5g.deployment import Deployment
from hosts.core5g.neasdf import DnsContextEventReport
from hosts.core5g.templates import Address
from meclab.messages import BreakoutIntent
from meclab.plan import PlannedDevice

Rules = dict[str, Any]
"""`dnsRules` of a context as JSON: keys to `DnsRule`."""
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
    addresses: tuple[Address, Address] | None = None
    """The device's, that the context is for."""
    rules: Rules = field(default_factory=dict)
    """Those that the EASDF has."""
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


def rules(deployment: Deployment, session: Session) -> Rules:
    """The rules of a session's context now."""
    found = {"application": _query_rule(deployment, session)}
    if deployment.dynamic:
        established = {one.prefix for one in session.breakouts if one.edge == deployment.edge(session.ap)}
        for host in deployment.local_hosts(session.ap):
            if not established.issuperset(deployment.prefixes(host)):
                found[f"breakout-{host}"] = _response_rule(deployment, host)
    return found


def context(session: Session, rules: Rules, notify_uri: str) -> dict[str, Any]:
    """A session's whole context, a `DnsContextCreateData` as JSON."""
    ipv4, ipv6 = session.device.addresses(session.ap)
    return {
        "ueIpv4Addr": str(ipv4),
        "ueIpv6Prefix": f"{ipv6}/128",
        "dnn": _DNN,
        "sNssai": {"sst": _EMBB},
        "dnsRules": rules,
        "notifyUri": notify_uri,
    }


def readdressed(session: Session) -> list[dict[str, Any]]:
    """The operations that give a session's context the addresses that the device has where it is now; none where it
    has these. MODEL: a device with another address has another session in 5G, and so another context."""
    if session.addresses in (None, session.device.addresses(session.ap)):
        return []
    ipv4, ipv6 = session.device.addresses(session.ap)
    return [
        {"op": "replace", "path": "/ueIpv4Addr", "value": str(ipv4)},
        {"op": "replace", "path": "/ueIpv6Prefix", "value": f"{ipv6}/128"},
    ]


def releases(messages: Iterable[str]) -> Rules:
    """The rules that let messages go."""
    forward = {"1": {"applyAction": "FORWARD"}}
    return {f"release-{message}": {"dnsMsgId": message, "actionList": forward} for message in messages}


def _name(deployment: Deployment) -> list[dict[str, Any]]:
    condition = {"matchingString": deployment.plan.dns.name.removesuffix("."), "matchingOperator": "FULL_MATCH"}
    return [{"stringMatchingRule": {"stringMatchingConditions": [condition]}}]


def _address(address: Address) -> dict[str, str]:
    return {"ipv4Addr" if address.version == 4 else "ipv6Addr": str(address)}


def _query_rule(deployment: Deployment, session: Session) -> dict[str, Any]:
    subnet = deployment.subnet(session.device, session.ap)
    option = {"sourcePrefixLength": subnet.prefixlen, "ipAddr": _address(subnet.network_address)}
    forwarding = {
        "ecsOptionInfo": {"ecsOption": option},
        "dnsServerAddressInfo": {"dnsServerAddressList": [_address(server) for server in deployment.servers]},
    }
    return {
        "precedence": _QUERIES_FIRST,
        "dnsQueryMdtList": {"1": {"mdtId": "1", "fqdnPatternList": _name(deployment)}},
        "actionList": {"1": {"applyAction": "FORWARD", "fwdParas": forwarding}},
    }


def _response_rule(deployment: Deployment, host: str) -> dict[str, Any]:
    ranges: dict[int, list[dict[str, str]]] = {4: [], 6: []}
    for address in deployment.addresses(host):
        text = str(address) if address.version == 4 else f"{address}/128"
        ranges[address.version].append({"start": text, "end": text})
    template = {
        "mdtId": "1",
        "fqdnPatternList": _name(deployment),
        "easIpv4AddrRanges": ranges[4],
        "easIpv6PrefixRanges": ranges[6],
    }
    return {
        "precedence": _RESPONSES,
        "dnsRspMdtList": {"1": {key: value for key, value in template.items() if value}},
        "actionList": {"1": {"applyAction": "REPORT"}, "2": {"applyAction": "BUFFER"}},
    }
