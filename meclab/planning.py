"""A scenario becomes a plan: addresses, ports, routes, breakouts, events and captures of one run.

Pure: the same scenario, network, method and seed give the same plan.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Literal

from meclab import addressing, check, packets, policy, routing
from meclab.errors import ScenarioError
from meclab.plan import (
    MARKER_INTERFACE,
    RADIO_PORT,
    ROOT,
    AccessPoint,
    Breakout,
    CapturePoint,
    Management,
    Plan,
    PlannedDevice,
    PlannedLink,
    PlannedNode,
    Port,
    SignallingPort,
)
from meclab.scenario import (
    DEFAULT_LINKS,
    SECOND,
    Event,
    Handover,
    LinkClass,
    LinkShape,
    Method,
    Scenario,
)
from meclab.topology import SWITCH_ROLES, Edge, Graph


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
