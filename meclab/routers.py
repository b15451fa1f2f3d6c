"""Routed anycast (RFC 4786, RFC 7094): edge and core as routers, MEC hosts as speakers of the virtual address.

Every router and MEC host is an autonomous system of its own (private numbers, RFC 6996), in the plan's order. Links
between routers, and those to MEC hosts, have addresses of their own; every router has a pair on `lo`, by which it is
reached and known (its IPv4 address is its BGP identifier). Devices and hosts see the one gateway of `addressing`.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from meclab.addressing import GATEWAY_IPV4, GATEWAY_IPV6, GATEWAY_MAC, Pair
from meclab.errors import Problem, ScenarioError
from meclab.plan import Plan, PlannedNode, Port
from meclab.topology import Role

METHOD = "bgp-anycast"
ROLES: tuple[Role, ...] = ("edge", "core")
"""Roles of the nodes that are routers in this method."""
FIRST_AS = 64512
SPEAKERS_AT_MOST = 1023
"""Private AS numbers of 16 bits end at 65534 (RFC 6996 section 5)."""
_LOOPBACK_IPV4 = IPv4Address("172.30.0.0")
_LOOPBACK_IPV6 = IPv6Address("fd00:30::")
_LINK_IPV4 = IPv4Address("172.30.4.0")
_LINK_IPV6 = IPv6Address("fd00:30:0:1::")
_LINKS_AT_MOST = 0x7E00


@dataclass(frozen=True)
class Session:
    """One BGP session, over IPv4 for both families (RFC 4760), between the two ends of a link."""

    interface: str
    own: Pair
    peer: Pair
    peer_as: int
    peer_name: str
    with_host: bool
    """Whether a MEC host is at either end: it announces the virtual address, and is told nothing."""
    waits: bool
    """Whether this end leaves it to the other to connect (a MEC host always connects), so that no two connections
    meet, of which one would have to be closed (RFC 4271 section 6.8)."""


@dataclass(frozen=True)
class Speaker:
    """A router or MEC host as BGP knows it."""

    name: str
    number: int
    """Its autonomous system."""
    loopback: Pair
    """On `lo` and announced at a router; at a MEC host its BGP identifier alone."""
    sessions: tuple[Session, ...]
    is_router: bool


@dataclass(frozen=True)
class RouterPort:
    """An interface of a router, as it is configured."""

    interface: str
    mac: str
    addresses: tuple[IPv4Interface | IPv6Interface, ...]
    attached: tuple[IPv4Address | IPv6Address, ...] = ()
    """Addresses that are out of this interface from the start: the host's on the link, and those of an access point
    where devices have others at each."""
    neighbours: tuple[tuple[IPv4Address | IPv6Address, str], ...] = ()
    """Addresses and MACs that need not be asked for: the host's, or every device's at an access point."""


def applies(plan: Plan) -> bool:
    """Whether the plan's edges and core are routers."""
    return plan.method.name == METHOD


def names(plan: Plan) -> tuple[str, ...]:
    """The routers, in the plan's order."""
    return tuple(node.name for node in plan.by_role(*ROLES))


def speakers(plan: Plan) -> dict[str, Speaker]:
    """Every router and MEC host by name. Raises `ScenarioError` where numbers or addresses run out."""
    nodes = {node.name: node for node in plan.by_role(*ROLES, "mec")}
    numbers = {name: number for number, name in enumerate(nodes)}
    if len(nodes) > SPEAKERS_AT_MOST or len(plan.links) > _LINKS_AT_MOST:
        found = f"{len(nodes)} edges and MEC hosts, {len(plan.links)} links"
        raise ScenarioError([Problem(("topology",), found, f"at most {SPEAKERS_AT_MOST} and {_LINKS_AT_MOST}")])
    sessions: dict[str, list[Session]] = {name: [] for name in nodes}
    for index, link in enumerate(plan.links):
        if link.a.node in nodes and link.b.node in nodes:
            hosts = [end.node for end in (link.a, link.b) if nodes[end.node].role == "mec"]
            connects = hosts[0] if hosts else min(link.a.node, link.b.node)
            own, peer = link_addresses(index)
            for here, there, ours, theirs in ((link.a, link.b, own, peer), (link.b, link.a, peer, own)):
                waits = here.node != connects
                number = FIRST_AS + numbers[there.node]
                session = Session(here.interface, ours, theirs, number, there.node, bool(hosts), waits)
                sessions[here.node].append(session)
    return {
        name: Speaker(name, FIRST_AS + number, loopback(number), tuple(sessions[name]), nodes[name].role in ROLES)
        for name, number in numbers.items()
    }


def loopback(number: int) -> Pair:
    """The addresses of the n-th speaker, from 0."""
    return _LOOPBACK_IPV4 + number + 1, _LOOPBACK_IPV6 + number + 1


def loopbacks(plan: Plan) -> dict[str, Pair]:
    """Every router's own addresses: where its program listens."""
    return {name: speaker.loopback for name, speaker in speakers(plan).items() if speaker.is_router}


def link_addresses(index: int) -> tuple[Pair, Pair]:
    """Addresses of both ends of the plan's n-th link, from 0: a /31 (RFC 3021) and a /64."""
    ipv4, ipv6 = _LINK_IPV4 + 2 * index, _LINK_IPV6 + (index << 64)
    return (ipv4, ipv6 + 1), (ipv4 + 1, ipv6 + 2)


def interfaces(pair: Pair) -> tuple[IPv4Interface, IPv6Interface]:
    """A link's addresses with their prefixes."""
    return IPv4Interface((pair[0], 31)), IPv6Interface((pair[1], 64))


def mac(port: Port, dpid: int) -> str:
    """The MAC of a router's port to another router."""
    return f"02:00:02:{dpid >> 8:02x}:{dpid & 255:02x}:{port.number:02x}"


def ports(plan: Plan, router: str) -> tuple[RouterPort, ...]:
    """The interfaces of a router, in the order of the plan's links."""
    nodes = {node.name: node for node in plan.nodes}
    sessions = {session.interface: session for session in speakers(plan)[router].sessions}
    found = []
    for link in plan.links:
        for own, other in ((link.a, link.b), (link.b, link.a)):
            if own.node == router:
                found.append(_port(plan, nodes[router], own, nodes[other.node], sessions.get(own.interface)))
    return tuple(found)


def _port(plan: Plan, router: PlannedNode, port: Port, other: PlannedNode, session: Session | None) -> RouterPort:
    link = interfaces(session.own) if session is not None else ()
    if other.role in ROLES:
        return RouterPort(port.interface, mac(port, router.dpid or 0), link)
    gateway = (IPv4Interface((GATEWAY_IPV4, 32)), IPv6Interface((GATEWAY_IPV6, 64)))
    if other.role == "ap":
        known = tuple((address, device.mac) for device in plan.devices for address in device.owned)
        here = tuple(a for device in plan.devices if device.anchored for a in device.addresses(other.name))
        return RouterPort(port.interface, GATEWAY_MAC, gateway, here, known)
    assert other.ipv4 is not None and other.ipv6 is not None and other.mac is not None, "hosts have addresses"
    known = ((other.ipv4, other.mac), (other.ipv6, other.mac))
    return RouterPort(port.interface, GATEWAY_MAC, (*gateway, *link), (other.ipv4, other.ipv6), known)


def access_ports(plan: Plan, router: str) -> dict[str, str]:
    """Access point to the router's interface towards it."""
    aps = {ap.name for ap in plan.access_points}
    ends = [(own, other) for link in plan.links for own, other in ((link.a, link.b), (link.b, link.a))]
    return {other.node: own.interface for own, other in ends if own.node == router and other.node in aps}
