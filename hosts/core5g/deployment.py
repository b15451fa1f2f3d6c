"""What the session function knows of the network and of where the application is deployed (EAS deployment
information, TS 23.548 clause 6.2.3.4), from the plan."""

from ipaddress import ip_network

from hosts.core5g.neasdf import Network
from hosts.core5g.templates import Address
from hosts.naming.locating import cut
from meclab.messages import BreakoutIntent
from meclab.plan import Plan, PlannedDevice, PlannedNode


class Deployment:
    """Edges, their MEC hosts, and how client subnets name a device."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.dynamic = plan.method.variant == "dynamic"
        """Whether local breakout follows what devices look up; else it is there from the start."""
        edges = {node.name for node in plan.by_role("edge")}
        ends = [(link.a.node, link.b.node) for link in plan.links]
        self._edge_of = {one: edge for a, b in ends for one, edge in ((a, b), (b, a)) if edge in edges}
        self.hosts = {node.name: node for node in plan.mec_hosts}
        self.servers = tuple(plan.address(node.name) for node in plan.by_role("adns"))
        """The application's authoritative name servers, in the run's family."""
        self.access_points = {ap.name for ap in plan.access_points}
        self._prefixes = {name: tuple(map(ip_network, _addresses(node))) for name, node in self.hosts.items()}
        self._host_at = {address: node.name for node in plan.mec_hosts for address in _addresses(node)}

    def edge(self, ap: str) -> str:
        """The edge that an access point is joined to."""
        return self._edge_of[ap]

    def local_hosts(self, ap: str) -> tuple[str, ...]:
        """The MEC hosts at an access point's edge: what can break out there, if anything does."""
        if not self.plan.breakout:
            return ()
        return tuple(name for name in self.hosts if self._edge_of.get(name) == self.edge(ap))

    def host_at(self, address: Address) -> str | None:
        """The MEC host with an address."""
        return self._host_at.get(address)

    def addresses(self, host: str) -> tuple[Address, ...]:
        """A MEC host's addresses."""
        return _addresses(self.hosts[host])

    def breakouts(self, device: str, ap: str, host: str) -> frozenset[BreakoutIntent]:
        """What lets a device reach a host at its own edge without the anchor; nothing where the host is elsewhere."""
        if host not in self.local_hosts(ap):
            return frozenset()
        edge, prefixes = self.edge(ap), self.prefixes(host)
        return frozenset(BreakoutIntent(edge=edge, prefix=prefix, device=device) for prefix in prefixes)

    def prefixes(self, host: str) -> tuple[Network, ...]:
        """A MEC host's addresses as networks."""
        return self._prefixes[host]

    def subnet(self, device: PlannedDevice, ap: str) -> Network:
        """The client subnet of a device at an access point, in the run's family (`dns.ecs_source`)."""
        ipv4 = self.plan.family == "ipv4"
        own = device.addresses(ap)
        address: Address = own[0 if ipv4 else 1]
        length = self.plan.dns.ecs_prefix_ipv4 if ipv4 else self.plan.dns.ecs_prefix_ipv6
        match self.plan.dns.ecs_source:
            case "host":
                return ip_network(address)
            case "address":
                return cut(ip_network(address), length)
        return cut(self.plan.location(ap)[0 if ipv4 else 1], length)


def _addresses(node: PlannedNode) -> tuple[Address, ...]:
    return tuple(address for address in (node.ipv4, node.ipv6) if address is not None)
