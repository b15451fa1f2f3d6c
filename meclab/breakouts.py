"""Which traffic leaves to a local host at an edge from the start."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from meclab.methods import Method
from meclab.plan import Breakout, PlannedLink, PlannedNode
from meclab.scenario import Scenario


def planned(
    scenario: Scenario, method: Method, nodes: Sequence[PlannedNode], links: Sequence[PlannedLink]
) -> tuple[Breakout, ...]:
    """At each edge with a MEC host: that host's addresses and the virtual address; and the access side's resolver.

    With `easdf:dynamic` a host's breakout follows the first answer that names it, device by device. Routers
    (`bgp-anycast`) have no use for any.
    """
    if method.name == "bgp-anycast":
        return ()
    addresses = scenario.addresses
    virtual = (addresses.vip_ipv4, addresses.vip_ipv6)
    resolver = (addresses.resolver_ipv4, addresses.resolver_ipv6)
    dynamic = method.label == "easdf-dynamic"
    found: list[Breakout] = []
    for edge, host in _local_hosts(nodes, links):
        assert host.ipv4 is not None and host.ipv6 is not None, "a host has addresses"
        wanted: tuple[IPv4Address | IPv6Address, ...]
        wanted = (host.ipv4, host.ipv6, *virtual) if host.role == "mec" and scenario.breakout and not dynamic else ()
        wanted += resolver if host.serves_resolver else ()
        found += [Breakout(edge=edge, prefix=network(address)) for address in wanted]
    return tuple(found)


def network(address: IPv4Address | IPv6Address) -> IPv4Network | IPv6Network:
    """The network of one address: /32 or /128."""
    return IPv4Network(address) if isinstance(address, IPv4Address) else IPv6Network(address)


def _local_hosts(nodes: Sequence[PlannedNode], links: Sequence[PlannedLink]) -> list[tuple[str, PlannedNode]]:
    """(edge, host) for every host at an edge."""
    hosts = {node.name: node for node in nodes if node.role in ("mec", "fwd")}
    found = []
    for link in links:
        for edge, other in ((link.a, link.b), (link.b, link.a)):
            if other.node in hosts:
                found.append((edge.node, hosts[other.node]))
    return found
