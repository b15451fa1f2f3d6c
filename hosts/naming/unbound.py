"""What the operator's recursive resolver is told: unbound.conf(5) and a root zone, as text.

The lab has no root servers: Unbound holds a root zone of its own that knows the application's zone and nothing else,
so that every other name is answered NXDOMAIN at once, aliases that lead there included.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from meclab.packets import DNS_PORT
from meclab.plan import Plan

FAILURE_CACHED_S: Final = 5
"""Time for which Unbound answers SERVFAIL without asking again (`NORR_TTL` in its source, no setting)."""
_SUBNET_BYTES: Final = 8 * 1024
"""Cache allowed for each subnet: measured 727 octets for one name and type, of which there may be several."""
_SMALLEST_CACHE_BYTES: Final = 4 << 20
_ROOT_TTL_S: Final = 86_400


@dataclass(frozen=True)
class Subnets:
    """How the resolver handles client subnets (RFC 7871)."""

    ipv4_bits: int
    """Longest prefix that it sends on, of the client's address or of what the query says."""
    ipv6_bits: int
    most: int
    """Subnets kept for one name, type and family; beyond, the one that was not used for longest goes."""


@dataclass(frozen=True)
class Resolver:
    """One recursive resolver and the one authoritative server that it knows."""

    zone: str
    listen: tuple[str, ...]
    """`ADDRESS@PORT`, as Unbound writes it."""
    authority: str
    """`ADDRESS@PORT` of the zone's server: one, as a second that is silent too would double the time to SERVFAIL."""
    subnets: Subnets | None
    """None where no client subnets are sent."""
    serve_stale: bool = False
    """Whether expired answers are given while the authority is silent (RFC 8767); not together with subnets."""


def of_plan(plan: Plan) -> Resolver:
    """The resolver of a run; it asks the authority in the family of the run."""
    (node, *_), (authority, *_) = plan.by_role("rdns"), plan.by_role("adns")
    return Resolver(
        zone=plan.dns.zone,
        listen=tuple(_at(address) for address in (node.ipv4, node.ipv6) if address is not None),
        authority=_at(plan.address(authority.name)),
        subnets=_subnets(plan),
        serve_stale=plan.dns.serve_stale,
    )


def _at(address: IPv4Address | IPv6Address) -> str:
    return f"{address}@{DNS_PORT}"


def _subnets(plan: Plan) -> Subnets | None:
    """Whole addresses wherever a device's identity may be asked for, or another server has cut them already."""
    if plan.method.name not in ("ecs", "easdf"):
        return None
    dns = plan.dns
    if plan.method.name == "ecs" and dns.ecs_source == "address":
        return Subnets(dns.ecs_prefix_ipv4, dns.ecs_prefix_ipv6, dns.max_subnets)
    return Subnets(32, 128, dns.max_subnets)


def root_zone(resolver: Resolver) -> str:
    """A master file with the application's zone delegated, so that the names above it exist (RFC 8020)."""
    return (
        f". {_ROOT_TTL_S} IN SOA root.invalid. lab.invalid. 1 3600 600 86400 {_ROOT_TTL_S}\n"
        f". {_ROOT_TTL_S} IN NS root.invalid.\n"
        f"{resolver.zone} {_ROOT_TTL_S} IN NS authority.invalid.\n"
    )


def configuration(resolver: Resolver, root_file: str) -> str:
    """unbound.conf(5); `root_file` holds `root_zone`."""
    modules = "subnetcache iterator" if resolver.subnets else "iterator"
    lines = [
        "server:",
        *(f"  interface: {address}" for address in resolver.listen),
        *_SERVER,
        f'  module-config: "{modules}"',
        *(_subnet_lines(resolver.zone, resolver.subnets) if resolver.subnets else ()),
        *(_STALE if resolver.serve_stale else ()),
        "auth-zone:",
        '  name: "."',
        f'  zonefile: "{root_file}"',
        "  for-downstream: no",
        "  for-upstream: yes",
        "  fallback-enabled: no",
        "stub-zone:",
        f'  name: "{resolver.zone}"',
        f"  stub-addr: {resolver.authority}",
        "remote-control:",
        "  control-enable: no",
    ]
    return "\n".join(lines) + "\n"


_SERVER: Final = (
    "  access-control: 0.0.0.0/0 allow",
    "  access-control: ::/0 allow",
    '  username: ""  # root of the lab\'s sandbox alone; the files belong to it',
    '  chroot: ""',
    '  logfile: ""  # standard error',
    "  use-syslog: no",
    "  log-time-ascii: yes",
    "  num-threads: 1",
    "  do-not-query-localhost: no",
    "  qname-minimisation: no  # asks what it was asked, once",
    "  rrset-roundrobin: no  # the same answer in the same order",
    "  prefetch: no",
    "  cache-min-ttl: 0",
    "  discard-timeout: 0  # a client that waits is told of a failure, however late",
    "  outbound-msg-retry: 3  # SERVFAIL after about 3 s: before a stub that waits 5 s has given up",
    "  infra-host-ttl: 0  # and not later each time, as its timeouts start over",
)
"""Not lowered: `infra-cache-max-rtt`. It is also the timeout at which a server counts as down: at 800 ms, a server that
had been silent for seconds was not asked again for minutes (tried)."""
_STALE: Final = (
    "  serve-expired: yes",
    "  serve-expired-ttl: 86400",
    "  serve-expired-reply-ttl: 30",
    "  serve-expired-client-timeout: 1800  # the values that RFC 8767 sections 4 and 5 suggest",
)


def _subnet_lines(zone: str, subnets: Subnets) -> list[str]:
    cache = max(_SMALLEST_CACHE_BYTES, _SUBNET_BYTES * subnets.most)
    return [
        f'  client-subnet-zone: "{zone}"',
        f"  max-client-subnet-ipv4: {subnets.ipv4_bits}",
        f"  max-client-subnet-ipv6: {subnets.ipv6_bits}",
        f"  max-ecs-tree-size-ipv4: {subnets.most}",
        f"  max-ecs-tree-size-ipv6: {subnets.most}",
        f"  msg-cache-size: {cache}",
        f"  rrset-cache-size: {cache}",
    ]
