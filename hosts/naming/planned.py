"""What a run's plan says of its names: the application's zone, and the rules that hold before any decision."""

from collections.abc import Iterator
from typing import Any

from dnslib import AAAA, NS, QTYPE, RR, SOA, A

from hosts.naming.names import Name, parse_name
from hosts.naming.zones import HttpsService, Zone
from meclab.messages import DnsRule
from meclab.model import SECOND
from meclab.packets import APP_TLS_PORT
from meclab.plan import Plan, PlannedNode
from meclab.topology import Role

_SERVES_APPLICATION = ("mec", "cloud", "front")
_REFRESH_S, _RETRY_S, _EXPIRE_S = 3_600, 600, 86_400
"""For secondaries, of which there are none."""
_SERIAL = 1


def zone(plan: Plan, server: str) -> Zone:
    """The application's zone with the name of every host, served by the host `server`."""
    origin = parse_name(plan.dns.zone)
    hosts = [node for node in plan.nodes if node.ipv4 is not None]
    serve = [node.name for node in hosts if node.role in _SERVES_APPLICATION]
    names = {parse_name(plan.host_name(name)) for name in serve} | {parse_name(plan.dns.name)}
    records = [*_apex(plan, origin, server), *(record for node in hosts for record in _addresses(plan, node))]
    return Zone(origin, records, plan.dns.ttl // SECOND, HttpsService(APP_TLS_PORT, frozenset(names)))


def _apex(plan: Plan, origin: Name, server: str) -> Iterator[Any]:
    """Names that do not exist are negatively cached as long as the application's addresses."""
    name, ttl = list(parse_name(plan.host_name(server))), plan.dns.host_ttl // SECOND
    times = (_SERIAL, _REFRESH_S, _RETRY_S, _EXPIRE_S, plan.dns.ttl // SECOND)
    yield RR(list(origin), QTYPE.SOA, ttl=ttl, rdata=SOA(name, [b"hostmaster", *origin], times))
    yield RR(list(origin), QTYPE.NS, ttl=ttl, rdata=NS(name))


def _addresses(plan: Plan, node: PlannedNode) -> Iterator[Any]:
    name, ttl = list(parse_name(plan.host_name(node.name))), plan.dns.host_ttl // SECOND
    if node.ipv4 is not None:
        yield RR(name, QTYPE.A, ttl=ttl, rdata=A(tuple(node.ipv4.packed)))
    if node.ipv6 is not None:
        yield RR(name, QTYPE.AAAA, ttl=ttl, rdata=AAAA(tuple(node.ipv6.packed)))


def fallback(plan: Plan) -> tuple[DnsRule, ...]:
    """Rules for everybody, last of all by their ids: the application is in the cloud, with redirects at the front."""
    role: Role = "front" if plan.method.name == "http-redirect" else "cloud"
    found = plan.by_role(role)
    if not found:
        return ()
    node = found[0]
    addresses = {"IP_V4": node.ipv4, "IP_V6": node.ipv6}
    return tuple(
        DnsRule.model_validate(
            {
                "dnsRuleId": f"~{role}-{kind}",
                "domainName": plan.dns.name,
                "ipAddressType": kind,
                "ipAddress": address,
                "state": "ACTIVE",
            }
        )
        for kind, address in addresses.items()
        if address is not None
    )
