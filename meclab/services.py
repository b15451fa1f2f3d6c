"""The hosts that methods need beside MEC hosts, cloud and operations, added to a topology.

A scenario that compares methods builds them for all: every method runs on the same network.
"""

from collections.abc import Iterable

from meclab.methods import Method
from meclab.scenario import LinkClass, Scenario
from meclab.topology import Edge, Graph, Node, Role

AT_CORE: tuple[Role, ...] = ("rdns", "adns", "easdf", "smf", "front")
"""Roles of one host each, joined to the core, in the order of their addresses."""
_NEEDED: dict[str, tuple[Role, ...]] = {
    "ecs": ("rdns", "adns"),
    "edge-dns": ("rdns", "adns"),
    "easdf": ("rdns", "adns", "easdf", "smf"),
    "http-redirect": ("front",),
}


def needed(scenario: Scenario, methods: Iterable[Method]) -> frozenset[Role]:
    """Roles that some of the methods need."""
    found: set[Role] = set()
    for method in methods:
        found |= set(_NEEDED.get(method.name, ()))
        if method.name == "ecs" and scenario.dns.ecs_source == "location":
            found.add("fwd")
        if method.name == "http-redirect" and scenario.http.location == "name":
            found |= {"rdns", "adns"}
    return frozenset(found)


def extend(graph: Graph, scenario: Scenario, methods: Iterable[Method] = ()) -> Graph:
    """The graph with the hosts that the scenario's methods, and further ones, need; what it has already stays."""
    roles = needed(scenario, [*scenario.methods, *methods])
    nodes: list[Node] = []
    links: list[Edge] = []
    for role in AT_CORE:
        if role in roles and role not in graph.names:
            kind: LinkClass = "control" if role == "smf" else "services"
            nodes.append(Node(role, role))
            links.append(Edge("core", role, kind))
    if "fwd" in roles and not graph.named("fwd"):
        for edge, site in _access_edges(graph):
            nodes.append(Node(f"fwd{site}", "fwd", site))
            links.append(Edge(edge, f"fwd{site}", "local"))
    return Graph((*graph.nodes, *nodes), (*graph.links, *links))


def _access_edges(graph: Graph) -> list[tuple[str, int]]:
    """Each edge that an access point is joined to, with the number of the site."""
    sites = {node.name: node.site for node in graph.nodes if node.role == "ap"}
    found = []
    for link in graph.links:
        for ap, edge in ((link.a, link.b), (link.b, link.a)):
            if (site := sites.get(ap)) is not None and link.kind == "access":
                found.append((edge, site))
    return found
