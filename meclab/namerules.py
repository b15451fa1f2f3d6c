"""The DNS rules (GS MEC 011 clause 7.1.5.1) that carry decisions by name: whom they are for, and what they say.

A *scope* is whom one decision is for: a device, or an access point (everybody there). It has one rule for each MEC host
and address family; those of the decided host are active. They change together: the old host's off, the new one's on.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal

from meclab.messages import DnsRule
from meclab.model import SECOND
from meclab.plan import Plan, PlannedDevice

Subnets = tuple[IPv4Network | IPv6Network, ...]
Scoping = Literal["location", "device", "resolver"]


def scoping(plan: Plan) -> Scoping | None:
    """Whom the method's rules are for: access points, devices, or whoever asks a host's local resolver; none where
    the method has no rules."""
    match plan.method.name:
        case "edge-dns":
            return "resolver"
        case "ecs" | "easdf":
            return "location" if _by_location(plan) else "device"
    return None


def locations(plan: Plan) -> tuple[str, ...]:
    """The access points that a decision of their own is made for. Of those that share a local resolver the first:
    its rules cannot tell them apart."""
    points = plan.access_points
    match scoping(plan):
        case "location":
            return tuple(point.name for point in points)
        case "resolver":
            first = {point.resolver: point.name for point in reversed(points)}
            return tuple(point.name for point in points if first[point.resolver] == point.name)
    return ()


def _by_location(plan: Plan) -> bool:
    """Whether client subnets say where a device is: told so, or because its address does."""
    return plan.dns.ecs_source == "location" or (plan.dns.ecs_source == "address" and plan.renumbers)


def of_location(plan: Plan, ap: str) -> Subnets:
    """How client subnets name an access point; with shorter prefixes (`dns.ecs_prefix_ipv4`) others have the same."""
    ipv4, ipv6 = plan.location(ap)
    return (
        ipv4.supernet(new_prefix=min(ipv4.prefixlen, plan.dns.ecs_prefix_ipv4)),
        ipv6.supernet(new_prefix=min(ipv6.prefixlen, plan.dns.ecs_prefix_ipv6)),
    )


def of_device(plan: Plan, device: PlannedDevice) -> Subnets:
    """How client subnets name a device: by itself, wherever it is, or with `dns.ecs_source: address` by the prefix that
    it is in."""
    if plan.method.name == "edge-dns" or plan.dns.ecs_source == "host":
        return tuple(ip_network(address) for address in device.owned)
    ipv4 = IPv4Network((device.ipv4, plan.dns.ecs_prefix_ipv4), strict=False)
    return ipv4, IPv6Network((device.ipv6, plan.dns.ecs_prefix_ipv6), strict=False)


def of_scope(plan: Plan, scope: str, host: str | None, subnets: Subnets | None) -> list[DnsRule]:
    """The rules of a scope, active those of `host`; ids such as `ap2-mec1-4`."""
    found = []
    for node in plan.mec_hosts:
        assert node.ipv4 is not None and node.ipv6 is not None, "a host has addresses"
        for address in (node.ipv4, node.ipv6):
            found.append(
                DnsRule(
                    dnsRuleId=f"{scope}-{node.name}-{address.version}",
                    domainName=plan.dns.name,
                    ipAddressType="IP_V4" if address.version == 4 else "IP_V6",
                    ipAddress=address,
                    ttl=plan.dns.ttl // SECOND,
                    state="ACTIVE" if node.name == host else "INACTIVE",
                    clientSubnet=subnets,
                )
            )
    return found
