"""Topologies as graphs: which nodes there are, at which site, and which links join them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from meclab.scenario import LinkClass

Role = Literal["ue", "ap", "edge", "core", "mec", "cloud", "ops", "rdns", "adns", "easdf", "smf", "front", "fwd"]
SWITCH_ROLES: frozenset[Role] = frozenset({"ap", "edge", "core"})
FAILING: frozenset[Role] = frozenset({"mec", "rdns", "adns", "easdf", "smf", "front", "fwd"})
"""Hosts that can fail and come back."""


@dataclass(frozen=True)
class Node:
    """A node of the operator's network or beyond it (devices are not part of the graph)."""

    name: str
    role: Role
    site: int | None = None
    """Number of the site, from 1; none for core, cloud and operations."""
    label: str = ""
    """What a person calls it, such as the city of a published topology."""


@dataclass(frozen=True)
class Edge:
    """A link between two nodes."""

    a: str
    b: str
    kind: LinkClass
    delay_ns: int | None = None
    """One-way delay that the topology itself brings (a distance); the class's where it is none."""

    @property
    def name(self) -> str:
        return f"{self.a}-{self.b}"


@dataclass(frozen=True)
class Graph:
    """Nodes and links, in the order in which they are built."""

    nodes: tuple[Node, ...]
    links: tuple[Edge, ...]

    def named(self, role: Role) -> tuple[str, ...]:
        """Names of the nodes of a role, in order."""
        return tuple(node.name for node in self.nodes if node.role == role)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(node.name for node in self.nodes)


@dataclass(frozen=True)
class PublishedNode:
    """A node of a published topology."""

    label: str
    longitude: float
    latitude: float


@dataclass(frozen=True)
class PublishedLink:
    """A link of a published topology, by indices of its nodes."""

    a: int
    b: int
    length_km: float


@dataclass(frozen=True)
class Published:
    """A published topology as its source gives it."""

    name: str
    nodes: tuple[PublishedNode, ...]
    links: tuple[PublishedLink, ...]


_CENTRE = (Node("core", "core"), Node("cloud", "cloud"), Node("ops", "ops"))
_CENTRE_LINKS = (Edge("core", "cloud", "internet"), Edge("core", "ops", "operations"))
NS_PER_KM = 4_900
"""Light in fibre at a refractive index of 1.468 (ITU-T G.652): 4.9 µs a kilometre."""


def _site(number: int, label: str = "") -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    ap, edge, mec = f"ap{number}", f"edge{number}", f"mec{number}"
    nodes = (Node(ap, "ap", number, label), Node(edge, "edge", number, label), Node(mec, "mec", number, label))
    return nodes, (Edge(ap, edge, "access"), Edge(edge, mec, "local"))


def _joined(sites: int, between: Sequence[Edge]) -> Graph:
    parts = [_site(number) for number in range(1, sites + 1)]
    nodes = tuple(node for part, _ in parts for node in part)
    links = tuple(link for _, part in parts for link in part)
    return Graph(nodes + _CENTRE, links + tuple(between) + _CENTRE_LINKS)


def two_site() -> Graph:
    """Two sites, each an access point, an edge and a MEC host, joined by the core."""
    return _joined(2, [Edge("edge1", "core", "backhaul"), Edge("edge2", "core", "backhaul")])


def facility() -> Graph:
    """MEC for one facility: one access point, one host, no mobility."""
    return _joined(1, [Edge("edge1", "core", "backhaul")])


def metro(sites: int) -> Graph:
    """A ring of sites; the core joins it at the first edge and at the one across."""
    ring = [Edge(f"edge{n}", f"edge{n % sites + 1}", "backhaul") for n in range(1, sites + 1)]
    joins = [Edge(f"edge{n}", "core", "backhaul") for n in (1, sites // 2 + 1)]
    return _joined(sites, ring + joins)


def from_published(
    published: Published,
    mec_hosts: int | Sequence[str] | None = None,
    access_points: int | Sequence[str] | None = None,
) -> Graph:
    """The operator's network of a published topology: each node an edge, delays from the links' lengths.

    The core joins the node of highest degree. Raises `KeyError` with the name of an unknown node.
    """
    degree = [sum(i in (link.a, link.b) for link in published.links) for i in range(len(published.nodes))]
    ranked = sorted(range(len(published.nodes)), key=lambda i: (-degree[i], i))
    hosts = _chosen(published, ranked, mec_hosts if mec_hosts is not None else min(4, len(ranked)))
    points = _chosen(published, ranked, access_points) if access_points is not None else hosts
    nodes: list[Node] = []
    links: list[Edge] = []
    for i, place in enumerate(published.nodes):
        (ap, edge, mec), (access, local) = _site(i + 1, place.label)
        nodes += [node for node, wanted in ((ap, i in points), (edge, True), (mec, i in hosts)) if wanted]
        links += [link for link, wanted in ((access, i in points), (local, i in hosts)) if wanted]
    for fibre in published.links:
        delay_ns = max(1, round(fibre.length_km * NS_PER_KM))
        links.append(Edge(f"edge{fibre.a + 1}", f"edge{fibre.b + 1}", "backhaul", delay_ns))
    links.append(Edge(f"edge{ranked[0] + 1}", "core", "backhaul", NS_PER_KM))
    return Graph((*nodes, *_CENTRE), (*links, *_CENTRE_LINKS))


def _chosen(published: Published, ranked: Sequence[int], choice: int | Sequence[str]) -> frozenset[int]:
    if isinstance(choice, int):
        return frozenset(ranked[:choice])
    index = {place.label: i for i, place in enumerate(published.nodes)}
    return frozenset(index[label] for label in choice)
