"""A scenario becomes a plan: addresses, ports, routes, breakouts, events and captures of one run.

Pure: the same scenario, network, method and seed give the same plan.
"""

from collections.abc import Sequence
from random import Random
from typing import Literal

from meclab import addressing, breakouts, check, policy, provision, routing, services
from meclab.errors import ScenarioError
from meclab.methods import BY_NAME, Method
from meclab.model import SECOND
from meclab.plan import (
    MARKER_INTERFACE,
    RADIO_PORT,
    ROOT,
    AccessPoint,
    AddressesAt,
    CapturePoint,
    Management,
    Plan,
    PlannedDevice,
    PlannedLink,
    PlannedNode,
    Port,
)
from meclab.scenario import DEFAULT_LINKS, Event, Handover, LinkClass, LinkShape, Scenario
from meclab.topology import SWITCH_ROLES, Edge, Graph


def make(
    scenario: Scenario, graph: Graph, method: Method, links_kind: Literal["netem", "wire"], seed: int | None = None
) -> Plan:
    """The plan of one run; raises `ScenarioError` with every problem of the scenario."""
    graph = services.extend(graph, scenario, [method])
    if found := [*check.applicable(scenario, method), *check.problems(scenario, graph)]:
        raise ScenarioError(found)
    seed = scenario.seed if seed is None else seed
    links = _links(scenario, graph)
    towards, distance_ns = _routes(graph, links)
    nodes = _nodes(scenario, graph, method)
    points = _access_points(scenario, graph, distance_ns)
    devices = _devices(scenario, points, nodes, method, distance_ns, seed)
    events = _events(scenario, seed)
    last_ns = max([event.at for event in events] + [device.joins_ns for device in devices], default=0)
    return Plan(
        scenario=scenario.scenario,
        summary=scenario.summary,
        method=method,
        dataplane=scenario.dataplane,
        p4=scenario.p4,
        links_kind=links_kind,
        family=scenario.probes.family,
        seed=seed,
        nodes=nodes,
        links=links,
        devices=devices,
        access_points=points,
        management=Management(shape=_shape(scenario, "management")),
        vip_ipv4=scenario.addresses.vip_ipv4,
        vip_ipv6=scenario.addresses.vip_ipv6,
        resolver_ipv4=scenario.addresses.resolver_ipv4,
        resolver_ipv6=scenario.addresses.resolver_ipv6,
        breakout=scenario.breakout,
        breakouts=breakouts.planned(scenario, method, nodes, links),
        towards=towards,
        distance_ns=distance_ns,
        policy=scenario.policy,
        probes=scenario.probes,
        session=scenario.session,
        dns=scenario.dns,
        stub=scenario.stub,
        easdf=scenario.easdf,
        http=scenario.http,
        devapp=scenario.devapp,
        bgp=scenario.bgp,
        programs=provision.programs(scenario, method, nodes),
        traffic=scenario.traffic,
        events=events,
        duration_ns=scenario.duration or last_ns + _settling_ns(scenario) + scenario.drain,
        drain_ns=scenario.drain,
        captures=_captures(scenario, method, nodes, links, devices),
        signalling=provision.signalling(method, scenario.dataplane, sum(node.dpid is not None for node in nodes)),
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


def _nodes(scenario: Scenario, graph: Graph, method: Method) -> tuple[PlannedNode, ...]:
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
            "serves_resolver": provision.serves_resolver(scenario, method, node.role),
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


def _access_points(scenario: Scenario, graph: Graph, distance_ns: dict[str, dict[str, int]]) -> tuple[AccessPoint, ...]:
    found = []
    for number, ap in enumerate(graph.named("ap"), 1):
        location_ipv4, location_ipv6 = addressing.location(scenario.addresses, number)
        nearest = min(distance_ns[ap], key=lambda host: (distance_ns[ap][host], host))
        found.append(
            AccessPoint(
                name=ap,
                interface=f"{ap}-radio",
                location_ipv4=location_ipv4,
                location_ipv6=location_ipv6,
                resolver=nearest,
            )
        )
    return tuple(found)


def _devices(
    scenario: Scenario,
    points: Sequence[AccessPoint],
    nodes: Sequence[PlannedNode],
    method: Method,
    distance_ns: dict[str, dict[str, int]],
    seed: int,
) -> tuple[PlannedDevice, ...]:
    idle = {node.name: policy.HostState() for node in nodes if node.role == "mec"}
    hosts = {node.name: node for node in nodes if node.interface is not None}
    nearest = {point.name: hosts[point.resolver] for point in points}
    listed = list(addressing.device_names(scenario.devices))
    stretching = _chosen([name for *_, name in listed], scenario.stub.stretch_share, seed)
    devices = []
    for number, (_, device, name) in enumerate(listed, 1):
        ap = device.ap or points[(number - 1) % len(points) if device.count else 0].name
        among = policy.candidates(distance_ns[ap], idle)
        first = policy.decide(scenario.policy, name, among, None, None, "attach", 0)
        assert first is not None, "a topology has at least one MEC host"
        anchored = _anchored(scenario, points, number)
        own = next(((here.ipv4, here.ipv6) for here in anchored if here.ap == ap), None)
        ipv4, ipv6 = own or addressing.device_addresses(scenario.addresses, device, number)
        server = provision.server(scenario, method, hosts[first.host], hosts) or (None, None)
        resolver = provision.resolver(scenario, method, nearest[ap], hosts, device.bypasses_easdf) or (None, None)
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
                resolver_ipv4=resolver[0],
                resolver_ipv6=resolver[1],
                stretches_ttl=name in stretching,
                anchored=anchored,
            )
        )
    return tuple(devices)


def _anchored(scenario: Scenario, points: Sequence[AccessPoint], number: int) -> tuple[AddressesAt, ...]:
    """The n-th device's addresses at each access point, where it does not keep those that it has."""
    if scenario.address == "fixed":
        return ()
    pairs = [(at.name, addressing.anchored_addresses(scenario.addresses, n, number)) for n, at in enumerate(points, 1)]
    return tuple(AddressesAt(ap=ap, ipv4=pair[0], ipv6=pair[1]) for ap, pair in pairs)


def _chosen(names: Sequence[str], share: float, seed: int) -> frozenset[str]:
    """A share of the names, by lot."""
    return frozenset(Random(f"{seed}/stretch").sample(list(names), round(share * len(names))))


def _events(scenario: Scenario, seed: int) -> tuple[Event, ...]:
    unrolled: list[Event] = []
    for number, event in enumerate(scenario.events):
        if (series := event.handovers) is None:
            unrolled.append(event)
            continue
        later = _stratified(series.times, series.spread, f"{seed}/handovers/{number}")
        for turn in range(series.times):
            move = Handover(device=series.device, to=series.through[turn % len(series.through)])
            unrolled.append(Event(at=event.at + turn * series.every + later[turn], handover=move))
    return tuple(sorted(unrolled, key=lambda event: event.at))


def _stratified(count: int, spread_ns: int, seed: str) -> list[int]:
    """One instant in each of `count` equal parts of the spread, uniform in it, in an order by lot."""
    chance = Random(seed)
    strata = list(range(count))
    chance.shuffle(strata)
    return [round((stratum + chance.random()) / count * spread_ns) for stratum in strata]


def _settling_ns(scenario: Scenario) -> int:
    """From the last event to the drain: what names take to follow, where a method uses them."""
    by_name = any(method.name in BY_NAME for method in scenario.methods)
    return 2 * SECOND + (scenario.dns.ttl + SECOND if by_name else 0)


def _captures(
    scenario: Scenario,
    method: Method,
    nodes: Sequence[PlannedNode],
    links: Sequence[PlannedLink],
    devices: Sequence[PlannedDevice],
) -> tuple[CapturePoint, ...]:
    points = [CapturePoint(node=ROOT, interface=MARKER_INTERFACE, file="markers")]
    if scenario.capture == "all":
        switches = {node.name: node.role for node in nodes if node.dpid is not None}
        radios = [f"{node.name}-radio" for node in nodes if node.role == "ap"]
        points += [CapturePoint(node=ROOT, interface=name, file="switches") for name in radios]
        for end in (end for link in links for end in (link.a, link.b) if end.node in switches):
            routed = method.name == "bgp-anycast" and switches[end.node] != "ap"
            where, file = (end.node, end.node) if routed else (ROOT, "switches")
            points.append(CapturePoint(node=where, interface=end.interface, file=file))
    for node in nodes:
        if node.interface is not None:
            points.append(CapturePoint(node=node.name, interface=node.interface, file=node.name))
        if node.role == "ops":
            points.append(CapturePoint(node=node.name, interface="ops-mgmt", file=node.name))
            points.append(CapturePoint(node=node.name, interface="lo", file=node.name))
    points += [CapturePoint(node=d.name, interface=d.interface, file=d.name) for d in devices]
    return tuple(points)
