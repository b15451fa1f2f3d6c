"""What the plan says in the terms of what is built: switches with their ports, links with their ends."""

from collections.abc import Mapping
from dataclasses import dataclass

from meclab import routers
from meclab.plan import RADIO_PORT, Plan
from meclab.scenario import LinkShape

MANAGEMENT = "management"
"""The link between the switches and the operations host, beside the links that the plan names."""


@dataclass(frozen=True)
class Bridge:
    """One switch as Open vSwitch is told of it."""

    name: str
    dpid: int
    ports: Mapping[str, int]
    """Interface to OpenFlow port number."""


@dataclass(frozen=True)
class End:
    """One end of a link: an interface in the network namespace of a process (none: the lab's root namespace)."""

    interface: str
    pid: int | None
    mac: str | None = None


@dataclass(frozen=True)
class WiredLink:
    """A link to be made; `shape` holds for each direction."""

    name: str
    a: End
    b: End
    shape: LinkShape


def bridges(plan: Plan) -> tuple[Bridge, ...]:
    """Every switch with its ports: wired ones, and an access point's radio."""
    ports: dict[str, dict[str, int]] = {node.name: {} for node in plan.switches}
    for ap in plan.access_points:
        ports[ap.name][ap.interface] = RADIO_PORT
    for link in plan.links:
        for end in (link.a, link.b):
            if end.node in ports:
                ports[end.node][end.interface] = end.number
    return tuple(Bridge(node.name, node.dpid or 0, ports[node.name]) for node in plan.switches)


def wired(plan: Plan, pids: Mapping[str, int]) -> list[WiredLink]:
    """Every wired link, the management link first; `pids` are in the namespaces of hosts and routers."""
    macs = {node.interface: node.mac for node in plan.nodes}
    if routers.applies(plan):
        macs |= {port.interface: port.mac for name in routers.names(plan) for port in routers.ports(plan, name)}
    management = plan.management
    found = [
        WiredLink(
            MANAGEMENT,
            End(management.interface_switches, None),
            End(management.interface_operations, pids.get(plan.by_role("ops")[0].name)),
            management.shape,
        )
    ]
    for link in plan.links:
        a, b = (End(end.interface, pids.get(end.node), macs.get(end.interface)) for end in (link.a, link.b))
        found.append(WiredLink(link.name, a, b, link.shape))
    return found
