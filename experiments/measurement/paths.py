"""The way of a device's packets to a host and back over the plan's links, for runs whose switches are not captured."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise, product

from experiments.measurement.topography import Crossing, Step, Steps, steps
from meclab.methods import BY_ADDRESS
from meclab.model import Family
from meclab.packets import Marker
from meclab.plan import Breakout, Plan, PlannedDevice, PlannedLink, Port

Attach = tuple[int, str]
"""When (ns), and to which access point."""


def up(plan: Plan, ap: str, host: str, family: Family, vip: bool) -> tuple[PlannedLink, ...]:
    """Links from an access point to a host: straight where the destination breaks out at the edge, else by the core."""
    core = plan.by_role("core")[0].name
    edge = _walk(plan, ap, core)[0]
    access = plan.link(ap, edge)
    if edge == core or _breaks_out(plan, edge, host, family, vip):
        return access, *_links(plan, edge, host)
    return access, *_links(plan, edge, core), *_links(plan, core, host)


def down(plan: Plan, host: str, ap: str, family: Family, vip: bool) -> tuple[PlannedLink, ...]:
    """Links from a host to an access point, by the same rule for the source at the host's own switch."""
    core = plan.by_role("core")[0].name
    local = next(link for link in plan.links if host in (link.a.node, link.b.node))
    switch = local.a.node if local.b.node == host else local.b.node
    if switch == core or _breaks_out(plan, switch, host, family, vip):
        return local, *_links(plan, switch, ap)
    return local, *_links(plan, switch, core), *_links(plan, core, ap)


def crossings(plan: Plan, markers: Sequence[Marker]) -> tuple[Crossing, ...]:
    """Both ways between every device and every host as one crossing each, which changes with every attach.

    MODEL: packets under way at an attach, and those that take the anchor until a rule is in place, are compared
    with the path of the new access point.
    """
    vip = plan.method.name in BY_ADDRESS
    routed = plan.method.name == "bgp-anycast"
    configured = {link.name: steps(link.shape, markers, link) for link in plan.links}

    @cache
    def way(ap: str, host: str, upward: bool) -> tuple[PlannedLink, ...]:
        if routed:
            return _links(plan, ap, host)
        return up(plan, ap, host, plan.family, vip) if upward else down(plan, host, ap, plan.family, vip)

    def history(attaches: Sequence[Attach], host: str, upward: bool) -> list[tuple[int, list[Steps]]]:
        return [(at_ns, [configured[link.name] for link in way(ap, host, upward)]) for at_ns, ap in attaches]

    found = []
    for device, host in product(plan.devices, plan.by_role("mec", "cloud")):
        attaches = _attaches(device, markers)
        air = (0, device.radio.delay, device.radio.jitter, device.radio.rate)
        ends = (device.name, device.interface), (host.name, host.interface or "")
        for upward, ((a, a_interface), (b, b_interface)) in ((True, ends), (False, ends[::-1])):
            sums = tuple(_summed(history(attaches, host.name, upward), air))
            found.append(Crossing(f"{device.name}~{host.name}", a, b, a_interface, b_interface, "path", sums, False))
    return tuple(found)


def _attaches(device: PlannedDevice, markers: Sequence[Marker]) -> list[Attach]:
    seen = [(m.at_ns, m.fields["ap"]) for m in markers if m.event == "attach" and m.fields["device"] == device.name]
    return seen or [(0, device.ap)]


def _summed(path: Sequence[tuple[int, list[Steps]]], air: Step) -> Iterator[Step]:
    """The configuration of the whole way at every instant when it changes."""
    instants = sorted({at_ns for at_ns, _ in path} | {step[0] for _, links in path for link in links for step in link})
    for now_ns in instants:
        links = next((links for at_ns, links in reversed(path) if at_ns <= now_ns), path[0][1])
        parts = [air, *(next(step for step in reversed(link) if step[0] <= now_ns) for link in links)]
        rates = [rate for *_, rate in parts if rate is not None]
        yield now_ns, sum(part[1] for part in parts), sum(part[2] for part in parts), min(rates, default=None)


def _breaks_out(plan: Plan, edge: str, host: str, family: Family, vip: bool) -> bool:
    node = plan.node(host)
    address = plan.vip(family) if vip else node.ipv4 if family == "ipv4" else node.ipv6
    return any(_holds(breakout, edge, address) for breakout in plan.breakouts)


def _holds(breakout: Breakout, edge: str, address: object) -> bool:
    return breakout.edge == edge and address in breakout.prefix


def _walk(plan: Plan, start: str, target: str) -> list[str]:
    """The nodes after `start` up to `target`, along the plan's output ports."""
    ports = {(end.node, end.number): other for link in plan.links for end, other in _ends(link)}
    nodes = [start]
    while nodes[-1] != target:
        nodes.append(ports[nodes[-1], plan.towards[nodes[-1]][target]].node)
    return nodes[1:]


def _links(plan: Plan, start: str, target: str) -> tuple[PlannedLink, ...]:
    nodes = [start, *_walk(plan, start, target)]
    return tuple(plan.link(a, b) for a, b in pairwise(nodes))


def _ends(link: PlannedLink) -> tuple[tuple[Port, Port], tuple[Port, Port]]:
    return (link.a, link.b), (link.b, link.a)
