"""The plan: everything about one run, computed before anything is built.

`make` is pure: the same scenario, method and seed give the same plan. A plan is written to the run's
folder as `plan.json`; every process of the lab reads its part from there.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal

from pydantic import BaseModel, ConfigDict

from meclab import addressing, check, packets, policy, routing
from meclab.errors import ScenarioError
from meclab.scenario import (
    DEFAULT_LINKS,
    SECOND,
    Dataplane,
    Event,
    Family,
    Handover,
    LinkClass,
    LinkShape,
    Method,
    Policy,
    Probes,
    Radio,
    Scenario,
    Session,
    Traffic,
)
from meclab.topology import SWITCH_ROLES, Edge, Graph, Role

ROOT = "root"
"""Name in the plan for the lab's own root namespace, where the switches live."""
MARKER_INTERFACE = "lab0"
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
    dpid: int | None = None


class PlannedLink(Part):
    """A wired link; `shape` holds for each direction."""

    name: str
    kind: LinkClass
    a: Port
    b: Port
    shape: LinkShape


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
    server_ipv4: IPv4Address
    server_ipv6: IPv6Address
    """Where its client sends to at the start; where the method never tells it otherwise, for good."""


class AccessPoint(Part):
    """An access point's side of the air."""

    name: str
    interface: str
    """TAP in the root namespace, OpenFlow port `RADIO_PORT` of the switch."""


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


class CapturePoint(Part):
    """An interface to capture, and the file it goes to (several interfaces may share a file)."""

    node: str
    """A node's name, or `ROOT`."""
    interface: str
    file: str


class SignallingPort(Part):
    """How the measurement classifies control traffic: a port and who uses it."""

    role: Literal["openflow", "northbound", "orchestrator"]
    port: int
    own: bool
    """Whether the packets are the method's own, and not what every method needs to attach a device. Of
    OpenFlow only rules of class steer and pin are, whatever this says (`meclab.messages.RuleClass`)."""


class Plan(Part):
    """One run."""

    scenario: str
    summary: str
    method: Method
    dataplane: Dataplane
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
    breakouts: tuple[Breakout, ...]
    towards: dict[str, dict[str, int]]
    """Switch to target (access point, host, core) to output port, along the shortest paths."""
    distance_ns: dict[str, dict[str, int]]
    """Access point to host to one-way delay over the configured links, for the policy."""
    policy: Policy
    probes: Probes
    session: Session
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

    def address(self, name: str) -> IPv4Address | IPv6Address:
        """The address of a host or device in the family that the plan's probes use."""
        found: dict[str, PlannedNode | PlannedDevice] = {node.name: node for node in self.nodes}
        part = (found | {device.name: device for device in self.devices})[name]
        address = part.ipv4 if self.family == "ipv4" else part.ipv6
        assert address is not None, f"{name} is a host or a device"
        return address

    def vip(self, family: Family) -> IPv4Address | IPv6Address:
        return self.vip_ipv4 if family == "ipv4" else self.vip_ipv6


def make(
    scenario: Scenario, graph: Graph, method: Method, links_kind: Literal["netem", "wire"], seed: int | None = None
) -> Plan:
    """The plan of one run; raises `ScenarioError` with every problem of the scenario."""
    if found := check.problems(scenario, graph):
        raise ScenarioError(found)
    links = _links(scenario, graph)
    towards, distance_ns = _routes(graph, links)
    nodes = _nodes(scenario, graph)
    devices = _devices(scenario, graph, nodes, method, distance_ns)
    events = _events(scenario)
    last_ns = max([event.at for event in events] + [device.joins_ns for device in devices], default=0)
    return Plan(
        scenario=scenario.scenario,
        summary=scenario.summary,
        method=method,
        dataplane=scenario.dataplane,
        links_kind=links_kind,
        family=scenario.probes.family,
        seed=scenario.seed if seed is None else seed,
        nodes=nodes,
        links=links,
        devices=devices,
        access_points=tuple(AccessPoint(name=ap, interface=f"{ap}-radio") for ap in graph.named("ap")),
        management=Management(shape=_shape(scenario, "management")),
        vip_ipv4=scenario.addresses.vip_ipv4,
        vip_ipv6=scenario.addresses.vip_ipv6,
        breakouts=_breakouts(scenario, nodes, links) if scenario.breakout else (),
        towards=towards,
        distance_ns=distance_ns,
        policy=scenario.policy,
        probes=scenario.probes,
        session=scenario.session,
        traffic=scenario.traffic,
        events=events,
        duration_ns=scenario.duration or last_ns + 2 * SECOND + scenario.drain,
        drain_ns=scenario.drain,
        captures=_captures(scenario, nodes, links, devices),
        signalling=_signalling(method),
    )


def _shape(scenario: Scenario, kind: LinkClass, link: Edge | None = None) -> LinkShape:
    """The class's default, the topology's own delay, the file's class and the file's pair, in that order."""
    values = dict(DEFAULT_LINKS[kind])
    if link is not None and link.delay_ns is not None:
        values["delay"] = link.delay_ns
    pair = (link.name, f"{link.b}-{link.a}") if link is not None else ()
    for key in (kind, *pair):
        if (given := scenario.links.get(key)) is not None:
            values |= {name: getattr(given, name) for name in given.model_fields_set}
    return LinkShape(**values)


def _links(scenario: Scenario, graph: Graph) -> tuple[PlannedLink, ...]:
    roles = {node.name: node.role for node in graph.nodes}
    next_port = {name: RADIO_PORT + 1 if role == "ap" else 1 for name, role in roles.items()}

    def port(name: str) -> Port:
        number = next_port[name]
        next_port[name] += 1
        if roles[name] in SWITCH_ROLES:
            return Port(node=name, interface=f"{name}-eth{number}", number=number)
        return Port(node=name, interface=f"{name}-eth{number - 1}", number=0)

    return tuple(
        PlannedLink(
            name=link.name, kind=link.kind, a=port(link.a), b=port(link.b), shape=_shape(scenario, link.kind, link)
        )
        for link in graph.links
    )


def _nodes(scenario: Scenario, graph: Graph) -> tuple[PlannedNode, ...]:
    nodes = []
    for index, node in enumerate(graph.nodes, 1):
        planned = PlannedNode(name=node.name, role=node.role, site=node.site, label=node.label)
        pair = addressing.node_addresses(scenario.addresses, node)
        if pair is None:
            nodes.append(planned.model_copy(update={"dpid": index}))
            continue
        host = {
            "mac": addressing.node_mac(index),
            "ipv4": pair[0],
            "ipv6": pair[1],
            "interface": f"{node.name}-eth0",
            "serves_vip": node.role == "mec",
        }
        nodes.append(planned.model_copy(update=host))
    return tuple(nodes)


def _routes(graph: Graph, links: Sequence[PlannedLink]) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]]:
    joined = [(link.a.node, link.b.node, link.shape.delay) for link in links]
    ports = {(end.node, other.node): end.number for link in links for end, other in _both_ways(link)}
    switches = frozenset(node.name for node in graph.nodes if node.role in SWITCH_ROLES)
    towards: dict[str, dict[str, int]] = {name: {} for name in sorted(switches)}
    distance_ns: dict[str, dict[str, int]] = {ap: {} for ap in graph.named("ap")}
    for target in graph.nodes:
        if target.role == "edge":
            continue
        next_hop, distance = routing.shortest_tree(joined, target.name, switches)
        for switch in switches - {target.name}:
            towards[switch][target.name] = ports[switch, next_hop[switch]]
        if target.role == "mec":
            for ap in distance_ns:
                distance_ns[ap][target.name] = distance[ap]
    return towards, distance_ns


def _both_ways(link: PlannedLink) -> tuple[tuple[Port, Port], tuple[Port, Port]]:
    return (link.a, link.b), (link.b, link.a)


def _devices(
    scenario: Scenario,
    graph: Graph,
    nodes: Sequence[PlannedNode],
    method: Method,
    distance_ns: dict[str, dict[str, int]],
) -> tuple[PlannedDevice, ...]:
    aps = graph.named("ap")
    idle = {host: policy.HostState() for host in graph.named("mec")}
    hosts = {node.name: node for node in nodes if node.interface is not None}
    devices = []
    for number, (_, device, name) in enumerate(addressing.device_names(scenario.devices), 1):
        ap = device.ap or aps[(number - 1) % len(aps) if device.count else 0]
        among = policy.candidates(distance_ns[ap], idle)
        first = policy.decide(scenario.policy, name, among, None, None, "attach", 0)
        assert first is not None, "a topology has at least one MEC host"
        ipv4, ipv6 = addressing.device_addresses(scenario.addresses, device, number)
        server = _server(scenario, method, hosts[first.host], hosts["cloud"])
        devices.append(
            PlannedDevice(
                name=name,
                ap=ap,
                mac=addressing.device_mac(number),
                ipv4=ipv4,
                ipv6=ipv6,
                interface=f"{name}-eth0",
                radio=device.radio or scenario.radio,
                joins_ns=device.joins,
                initial_host=first.host,
                server_ipv4=server[0],
                server_ipv6=server[1],
            )
        )
    return tuple(devices)


def _server(scenario: Scenario, method: Method, first: PlannedNode, cloud: PlannedNode) -> addressing.Pair:
    """Where a client sends to: the cloud, its first MEC host, or the virtual address."""
    match method.name:
        case "vip":
            return scenario.addresses.vip_ipv4, scenario.addresses.vip_ipv6
        case "sticky":
            node = first
        case "cloud":
            node = cloud
    assert node.ipv4 is not None and node.ipv6 is not None, "a host has addresses"
    return node.ipv4, node.ipv6


def _events(scenario: Scenario) -> tuple[Event, ...]:
    unrolled: list[Event] = []
    for event in scenario.events:
        if (series := event.handovers) is None:
            unrolled.append(event)
            continue
        for turn in range(series.times):
            move = Handover(device=series.device, to=series.through[turn % len(series.through)])
            unrolled.append(Event(at=event.at + turn * series.every, handover=move))
    return tuple(sorted(unrolled, key=lambda event: event.at))


def _breakouts(scenario: Scenario, nodes: Sequence[PlannedNode], links: Sequence[PlannedLink]) -> tuple[Breakout, ...]:
    """At each edge with a MEC host: that host's addresses and the virtual address."""
    hosts = {node.name: node for node in nodes if node.role == "mec"}
    found: list[Breakout] = []
    for link in links:
        for edge, other in _both_ways(link):
            if (host := hosts.get(other.node)) is None or host.ipv4 is None or host.ipv6 is None:
                continue
            for address in (host.ipv4, host.ipv6, scenario.addresses.vip_ipv4, scenario.addresses.vip_ipv6):
                network = IPv4Network(address) if isinstance(address, IPv4Address) else IPv6Network(address)
                found.append(Breakout(edge=edge.node, prefix=network))
    return tuple(found)


def _captures(
    scenario: Scenario,
    nodes: Sequence[PlannedNode],
    links: Sequence[PlannedLink],
    devices: Sequence[PlannedDevice],
) -> tuple[CapturePoint, ...]:
    points = [CapturePoint(node=ROOT, interface=MARKER_INTERFACE, file="markers")]
    if scenario.capture == "all":
        switches = {node.name for node in nodes if node.dpid is not None}
        ports = [end.interface for link in links for end in (link.a, link.b) if end.node in switches]
        radios = [f"{node.name}-radio" for node in nodes if node.role == "ap"]
        points += [CapturePoint(node=ROOT, interface=name, file="switches") for name in [*radios, *ports]]
    for node in nodes:
        if node.interface is not None:
            points.append(CapturePoint(node=node.name, interface=node.interface, file=node.name))
        if node.role == "ops":
            points.append(CapturePoint(node=node.name, interface="ops-mgmt", file=node.name))
            points.append(CapturePoint(node=node.name, interface="lo", file=node.name))
    points += [CapturePoint(node=d.name, interface=d.interface, file=d.name) for d in devices]
    return tuple(points)


def _signalling(method: Method) -> tuple[SignallingPort, ...]:
    return (
        SignallingPort(role="openflow", port=packets.OPENFLOW_PORT, own=method.name == "vip"),
        SignallingPort(role="northbound", port=packets.NORTHBOUND_PORT, own=method.name == "vip"),
        SignallingPort(role="orchestrator", port=packets.ORCHESTRATOR_PORT, own=False),
    )
