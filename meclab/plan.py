"""The plan: everything about one run, computed (`meclab.planning`) before anything is built.

It is written to the run's folder as `plan.json`; every process of the lab reads its part from there.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal

from pydantic import BaseModel, ConfigDict

from meclab import addressing
from meclab.methods import Method
from meclab.model import Family
from meclab.scenario import Dataplane, Event, LinkClass, LinkShape, Policy, Probes, Radio, Session, Traffic
from meclab.settings import P4, Bgp, Devapp, Dns, Easdf, Http, Stub
from meclab.topology import SWITCH_ROLES, Role

ROOT = "root"
"""Name in the plan for the lab's own root namespace, where the switches live."""
MARKER_INTERFACE = "lab0"
SignallingRole = Literal[
    "openflow",
    "p4runtime",
    "northbound",
    "orchestrator",
    "dns",
    "rules",
    "mepm",
    "platform",
    "serving",
    "ualcmp",
    "callback",
    "neasdf",
    "nsmf",
    "device",
    "router",
    "bgp",
    "bfd",
]
RADIO_PORT = 1
"""OpenFlow port of every access point's radio; wired links follow from 2."""


class Part(BaseModel):
    """A part of the plan."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Port(Part):
    """One end of a link."""

    node: str
    interface: str
    number: int
    """OpenFlow port number at a switch; 0 at a host."""


class PlannedNode(Part):
    """A switch or a host. Hosts have a MAC, addresses and one data interface; switches a datapath id."""

    name: str
    role: Role
    site: int | None = None
    label: str = ""
    mac: str | None = None
    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None
    interface: str | None = None
    serves_vip: bool = False
    """Whether the virtual address sits on its `lo`."""
    serves_resolver: bool = False
    """Whether the access side's resolver address sits on its `lo`."""
    dpid: int | None = None


class PlannedLink(Part):
    """A wired link; `shape` holds for each direction."""

    name: str
    kind: LinkClass
    a: Port
    b: Port
    shape: LinkShape


class AddressesAt(Part):
    """A device's addresses at one access point."""

    ap: str
    ipv4: IPv4Address
    ipv6: IPv6Address


class PlannedDevice(Part):
    """A device: a host whose interface is a TAP in the air."""

    name: str
    ap: str
    mac: str
    ipv4: IPv4Address
    ipv6: IPv6Address
    interface: str
    radio: Radio
    joins_ns: int
    initial_host: str
    """MEC host that the policy gives it at the start, all hosts alive and idle."""
    server_ipv4: IPv4Address | None
    server_ipv6: IPv6Address | None
    """Where its client sends to at the start; where the method never tells it otherwise, for good. None where the
    client has to find out first."""
    resolver_ipv4: IPv4Address | None = None
    resolver_ipv6: IPv6Address | None = None
    """What the network hands it as resolver when it attaches for the first time; none where no name is looked up."""
    stretches_ttl: bool = False
    """Whether it keeps answers beyond their TTL (`Stub.stretch_to`)."""
    anchored: tuple[AddressesAt, ...] = ()
    """Its addresses at each access point, of which `ipv4` and `ipv6` are those where it starts; none where it keeps
    these (`Scenario.address`)."""

    def addresses(self, ap: str | None = None) -> tuple[IPv4Address, IPv6Address]:
        """Its addresses at an access point; where it starts, without one."""
        found = next((here for here in self.anchored if here.ap == ap), self)
        return found.ipv4, found.ipv6

    @property
    def owned(self) -> tuple[IPv4Address | IPv6Address, ...]:
        """Every address that it has anywhere; those where it starts come first."""
        everywhere = [self.addresses(), *((here.ipv4, here.ipv6) for here in self.anchored)]
        return tuple(dict.fromkeys(address for pair in everywhere for address in pair))


class AccessPoint(Part):
    """An access point's side of the air."""

    name: str
    interface: str
    """TAP in the root namespace, OpenFlow port `RADIO_PORT` of the switch."""
    location_ipv4: IPv4Network
    location_ipv6: IPv6Network
    """What client subnets call it."""
    resolver: str
    """MEC host nearest to it: its local resolver is the one that `edge-dns` hands out here."""


class Management(Part):
    """The link between the switches (root namespace) and the operations host."""

    interface_switches: str = "mgmt0"
    interface_operations: str = "ops-mgmt"
    ipv4_switches: IPv4Address = addressing.MANAGEMENT_SWITCHES
    ipv4_operations: IPv4Address = addressing.MANAGEMENT_OPERATIONS
    shape: LinkShape


class Breakout(Part):
    """Traffic between devices and `prefix` leaves to the local host at `edge`, without the anchor."""

    edge: str
    prefix: IPv4Network | IPv6Network
    device: str | None = None
    """The one device that it holds for; every device where it is none."""


class PlannedProgram(Part):
    """A program that runs on a node from the start."""

    node: str
    program: str


class CapturePoint(Part):
    """An interface to capture, and the file it goes to (several interfaces may share a file)."""

    node: str
    """A node's name, or `ROOT`."""
    interface: str
    file: str


class SignallingPort(Part):
    """How the measurement classifies control traffic: a port and who uses it.

    Each message counts once: where it was sent, by the capture of the node whose address is its source."""

    role: SignallingRole
    port: int
    own: bool
    """Whether the packets are the method's own, and not what every method needs to attach a device. Of
    OpenFlow only rules of class steer and pin are, whatever this says (`meclab.messages.RuleClass`)."""
    transport: Literal["tcp", "udp"] = "tcp"


class Plan(Part):
    """One run."""

    scenario: str
    summary: str
    method: Method
    dataplane: Dataplane
    p4: P4
    links_kind: Literal["netem", "wire"]
    family: Family
    seed: int
    nodes: tuple[PlannedNode, ...]
    links: tuple[PlannedLink, ...]
    devices: tuple[PlannedDevice, ...]
    access_points: tuple[AccessPoint, ...]
    management: Management
    vip_ipv4: IPv4Address
    vip_ipv6: IPv6Address
    resolver_ipv4: IPv4Address
    resolver_ipv6: IPv6Address
    """The access side's, one address at every edge that has it."""
    breakout: bool
    """Whether there is local breakout at all (`Scenario.breakout`)."""
    breakouts: tuple[Breakout, ...]
    towards: dict[str, dict[str, int]]
    """Switch to target (access point, host, core) to output port, along the shortest paths."""
    distance_ns: dict[str, dict[str, int]]
    """Access point to host to one-way delay over the configured links, for the policy."""
    policy: Policy
    probes: Probes
    session: Session
    dns: Dns
    stub: Stub
    easdf: Easdf
    http: Http
    devapp: Devapp
    bgp: Bgp
    programs: tuple[PlannedProgram, ...]
    """Programs of the hosts, without the devices' agents, in the order in which they are started."""
    traffic: tuple[Traffic, ...]
    events: tuple[Event, ...]
    """In order of time, series of handovers unrolled."""
    duration_ns: int
    drain_ns: int
    captures: tuple[CapturePoint, ...]
    signalling: tuple[SignallingPort, ...]

    def node(self, name: str) -> PlannedNode:
        return next(node for node in self.nodes if node.name == name)

    def device(self, name: str) -> PlannedDevice:
        return next(device for device in self.devices if device.name == name)

    def by_role(self, *roles: Role) -> tuple[PlannedNode, ...]:
        """The nodes of these roles, in order."""
        return tuple(node for node in self.nodes if node.role in roles)

    @property
    def switches(self) -> tuple[PlannedNode, ...]:
        return tuple(node for node in self.nodes if node.role in SWITCH_ROLES)

    @property
    def mec_hosts(self) -> tuple[PlannedNode, ...]:
        return self.by_role("mec")

    def link(self, a: str, b: str) -> PlannedLink:
        """The link between two nodes, in either order; raises `KeyError` where there is none."""
        for link in self.links:
            if {link.a.node, link.b.node} == {a, b}:
                return link
        raise KeyError(f"{a}-{b}")

    def interfaces(self, name: str) -> list[str]:
        """The interfaces of a switch, host or device; for `ROOT` those of every switch, management and markers."""
        switches = {node.name for node in self.switches}
        wanted = switches if name == ROOT else {name}
        found = [ap.interface for ap in self.access_points if ap.name in wanted]
        found += [end.interface for link in self.links for end in (link.a, link.b) if end.node in wanted]
        found += [device.interface for device in self.devices if device.name in wanted]
        if name == ROOT:
            found += [self.management.interface_switches, MARKER_INTERFACE]
        elif name in {node.name for node in self.by_role("ops")}:
            found += [self.management.interface_operations, "lo"]
        return found

    def host_name(self, name: str) -> str:
        """A host's own name in the application's zone, with its final dot."""
        return f"{name}.{self.dns.zone}"

    def runs(self, program: str) -> tuple[str, ...]:
        """The nodes on which a program runs."""
        return tuple(planned.node for planned in self.programs if planned.program == program)

    @property
    def serves_tls(self) -> bool:
        """Whether the hosts serve the application over TLS too: where sessions use it, and where HTTPS records of the
        application's name say so."""
        return self.http.tls or bool(self.runs("adns"))

    def location(self, ap: str) -> tuple[IPv4Network, IPv6Network]:
        """The prefixes by which client subnets name an access point."""
        found = next(point for point in self.access_points if point.name == ap)
        return found.location_ipv4, found.location_ipv6

    @property
    def renumbers(self) -> bool:
        """Whether devices have other addresses at each access point."""
        return any(device.anchored for device in self.devices)

    def address(self, name: str, ap: str | None = None) -> IPv4Address | IPv6Address:
        """The address of a host, or of a device at an access point (where it starts, without one), in the family that
        the plan's probes use."""
        found: dict[str, PlannedNode | PlannedDevice] = {node.name: node for node in self.nodes}
        part = (found | {device.name: device for device in self.devices})[name]
        ipv4, ipv6 = part.addresses(ap) if isinstance(part, PlannedDevice) else (part.ipv4, part.ipv6)
        address = ipv4 if self.family == "ipv4" else ipv6
        assert address is not None, f"{name} is a host or a device"
        return address

    def vip(self, family: Family) -> IPv4Address | IPv6Address:
        return self.vip_ipv4 if family == "ipv4" else self.vip_ipv6
