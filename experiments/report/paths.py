"""Which way packets take from a device to its server, by the plan: the same rules that the switches follow.

Routers (`bgp-anycast`) have no anchor: every path is a shortest one. With `easdf:dynamic` a host at the device's own
edge is reached there, once the answer has brought the breakout.
"""

from itertools import pairwise

from meclab.plan import Plan, PlannedLink, Port
from meclab.topology import SWITCH_ROLES

Path = tuple[str, ...]


def walk(plan: Plan, start: str, target: str) -> Path:
    """Nodes from a switch to a target along the forwarding entries, both included."""
    beyond = {(end.node, end.number): other.node for link in plan.links for end, other in _ends(link)}
    nodes = [start]
    while nodes[-1] != target and len(nodes) <= len(plan.nodes):
        nodes.append(beyond[nodes[-1], plan.towards[nodes[-1]][target]])
    return tuple(nodes)


def to_server(plan: Plan, access_point: str, server: str) -> Path:
    """Nodes from an access point to a host: by local breakout where the first edge has one, else by the anchor."""
    inward = walk(plan, access_point, "core")
    edge = next((name for name in inward[1:] if plan.node(name).role == "edge"), "core")
    to_edge = inward[: inward.index(edge) + 1]
    if edge == "core" or _breaks_out(plan, edge, server):
        return _joined(to_edge, walk(plan, edge, server))
    return _joined(inward, walk(plan, "core", server))


def one_way_ms(plan: Plan, path: Path) -> float:
    """Configured delay along a path, without the air."""
    return sum(plan.link(a, b).shape.delay for a, b in pairwise(path)) / 1e6


def _breaks_out(plan: Plan, edge: str, server: str) -> bool:
    """Whether traffic for a host leaves at an edge: for `vip` the virtual address has to, else the host's own."""
    host = plan.node(server)
    if host.role in SWITCH_ROLES or plan.method.name == "bgp-anycast":
        return True
    if plan.method.label == "easdf-dynamic":
        return walk(plan, edge, server) == (edge, server)
    steered = plan.method.name == "vip" and host.serves_vip
    address = plan.vip(plan.family) if steered else host.ipv4 if plan.family == "ipv4" else host.ipv6
    return any(b.edge == edge and address is not None and address in b.prefix for b in plan.breakouts)


def _ends(link: PlannedLink) -> tuple[tuple[Port, Port], tuple[Port, Port]]:
    return (link.a, link.b), (link.b, link.a)


def _joined(first: Path, second: Path) -> Path:
    return first + second[1:]
