"""What each method starts with: programs on the hosts, servers and resolvers of the devices, control ports."""

from collections.abc import Mapping, Sequence

from meclab import packets
from meclab.addressing import Pair
from meclab.methods import BY_ADDRESS, BY_NAME, Method
from meclab.plan import PlannedNode, PlannedProgram, SignallingPort, SignallingRole
from meclab.scenario import Dataplane, Scenario
from meclab.topology import Role

_PROGRAMS: dict[str, tuple[tuple[Role, str], ...]] = {
    "ecs": (("rdns", "rdns"), ("adns", "adns"), ("fwd", "fwd")),
    "edge-dns": (("rdns", "rdns"), ("adns", "adns"), ("mec", "ldns")),
    "easdf": (("rdns", "rdns"), ("adns", "adns"), ("easdf", "easdf"), ("smf", "smf")),
    "http-redirect": (("rdns", "rdns"), ("adns", "adns"), ("front", "front")),
    "devapp": (("ops", "ualcmp"),),
    "bgp-anycast": (("edge", "router"), ("core", "router"), ("mec", "speaker")),
}
"""Role of the hosts that run them, and the program; on hosts of the topology alone."""
_MANAGED: tuple[tuple[Role, str], ...] = (("ops", "mepm"), ("mec", "mep"))
"""MEC 011: everywhere but where no switch can be told of traffic rules."""
_EVERYWHERE: tuple[tuple[Role, str], ...] = (
    ("ops", "meo"),
    ("mec", "echo"),
    ("mec", "app"),
    ("cloud", "echo"),
    ("cloud", "app"),
)


def programs(scenario: Scenario, method: Method, nodes: Sequence[PlannedNode]) -> tuple[PlannedProgram, ...]:
    """Every program of the hosts and routers, in the order in which they are started."""
    managed = () if method.name == "bgp-anycast" else _MANAGED
    wanted = (*managed, *_EVERYWHERE, *_PROGRAMS.get(method.name, ()))
    if method.name == "http-redirect" and scenario.http.location == "address":
        wanted = tuple(pair for pair in wanted if pair[1] not in ("rdns", "adns"))
    if method.name == "ecs" and scenario.dns.ecs_source != "location":
        wanted = tuple(pair for pair in wanted if pair[1] != "fwd")
    return tuple(
        PlannedProgram(node=node.name, program=program)
        for role, program in wanted
        for node in nodes
        if node.role == role
    )


def server(scenario: Scenario, method: Method, first: PlannedNode, hosts: Mapping[str, PlannedNode]) -> Pair | None:
    """Where a client sends to at the start: the cloud, its first MEC host, the virtual address, the redirecting
    front; none where it has to find out first."""
    if method.name in BY_ADDRESS:
        return scenario.addresses.vip_ipv4, scenario.addresses.vip_ipv6
    node = {"cloud": hosts.get("cloud"), "sticky": first, "http-redirect": hosts.get("front")}.get(method.name)
    return None if node is None else pair(node)


def resolver(
    scenario: Scenario, method: Method, nearest: PlannedNode, hosts: Mapping[str, PlannedNode], bypasses: bool
) -> Pair | None:
    """The resolver that the network hands a device; `nearest` is the MEC host nearest to its access point."""
    anycast = scenario.addresses.resolver_ipv4, scenario.addresses.resolver_ipv6
    match method.name, method.variant:
        case "ecs", _:
            return anycast if scenario.dns.ecs_source == "location" else pair(hosts["rdns"])
        case "edge-dns", "anycast":
            return anycast
        case "edge-dns", _:
            return pair(nearest)
        case "easdf", _:
            return pair(hosts["rdns" if bypasses else "easdf"])
        case "http-redirect", _ if scenario.http.location == "name":
            return pair(hosts["rdns"])
    return None


def pair(node: PlannedNode) -> Pair:
    """A host's addresses."""
    assert node.ipv4 is not None and node.ipv6 is not None, "a host has addresses"
    return node.ipv4, node.ipv6


def serves_resolver(scenario: Scenario, method: Method, role: Role) -> bool:
    """Whether hosts of a role have the access side's resolver address."""
    if role == "fwd":
        return method.name == "ecs" and scenario.dns.ecs_source == "location"
    return role == "mec" and method.name == "edge-dns" and method.variant == "anycast"


def signalling(method: Method, dataplane: Dataplane, switches: int) -> tuple[SignallingPort, ...]:
    """Every control port of the lab; `own` by method. Each switch of P4 has a port of its own."""
    by_switch = method.name == "vip"
    by_name = method.name in BY_NAME
    easdf = method.name == "easdf"
    to_switches: tuple[tuple[SignallingRole, int, bool], ...] = (
        ("openflow", packets.OPENFLOW_PORT, by_switch or easdf),
    )
    if dataplane == "p4":
        ports = range(packets.P4RUNTIME_PORT, packets.P4RUNTIME_PORT + switches)
        to_switches = tuple(("p4runtime", port, by_switch or easdf) for port in ports)
    table: tuple[tuple[SignallingRole, int, bool], ...] = (
        *to_switches,
        ("northbound", packets.NORTHBOUND_PORT, by_switch or easdf),
        ("orchestrator", packets.ORCHESTRATOR_PORT, False),
        ("dns", packets.DNS_PORT, by_name or method.name == "http-redirect"),
        ("rules", packets.RULES_PORT, by_name),
        ("mepm", packets.MEPM_PORT, by_name),
        ("platform", packets.PLATFORM_PORT, by_name),
        ("serving", packets.SERVING_PORT, True),
        ("ualcmp", packets.UALCMP_PORT, True),
        ("callback", packets.CALLBACK_PORT, True),
        ("neasdf", packets.NEASDF_PORT, True),
        ("nsmf", packets.NSMF_PORT, True),
        ("router", packets.ROUTER_PORT, False),
        ("bgp", packets.BGP_PORT, True),
    )
    datagrams: tuple[tuple[SignallingRole, int], ...] = (
        ("dns", packets.DNS_PORT),
        ("device", packets.DEVICE_CONTROL_PORT),
        ("bfd", packets.BFD_PORT),
    )
    own = {role: own for role, _, own in table}
    return (
        *(SignallingPort(role=role, port=port, own=own) for role, port, own in table),
        *(SignallingPort(role=role, port=port, own=own.get(role, True), transport="udp") for role, port in datagrams),
    )
