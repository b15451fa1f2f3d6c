"""The path that a packet would take through Linux routers, by each kernel's own answer (`ip route get`)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from meclab import routers
from meclab.addressing import GATEWAY_MAC
from meclab.model import Family
from meclab.plan import RADIO_PORT, Plan, Port
from topologies.trace import Hop, Packet, Rule, Walk, first_packet

NextHop = tuple[str, str | None]
"""Interface, and gateway or none where the destination is on the link."""
Lookup = Callable[[str, IPv4Address | IPv6Address], NextHop | None]
"""Router and destination to the next hop, none where there is no route."""
_MAIN_TABLE = 254
"""The kernel's main routing table (RT_TABLE_MAIN)."""


def trace(
    plan: Plan,
    attachments: Mapping[str, str | None],
    source: str,
    target: str,
    lookup: Lookup,
    family: Family = "ipv4",
) -> list[Hop]:
    """As `topologies.trace.trace`, for a network of routers."""
    return RoutedWalk(plan, attachments, lookup).run(source, first_packet(plan, attachments, source, target, family))


class RoutedWalk(Walk):
    """One packet's way: access points hand it on as it is, routers send it to their next hop."""

    def __init__(self, plan: Plan, attachments: Mapping[str, str | None], lookup: Lookup) -> None:
        super().__init__(plan, attachments)
        self._lookup = lookup
        self._routers = set(routers.names(plan))
        self._numbers = {end.interface: end.number for link in plan.links for end in (link.a, link.b)}
        self._macs = {port.interface: port.mac for name in self._routers for port in routers.ports(plan, name)}
        self._at_link = {
            neighbour: mac
            for name in self._routers
            for port in routers.ports(plan, name)
            for neighbour, mac in port.neighbours
        }

    def switch(self, here: Port, packet: Packet) -> tuple[Hop, Port | None, Packet]:
        if here.node not in self._routers:
            number = self._plan.towards[here.node][self._plan.by_role("core")[0].name]
            out = number if here.number == RADIO_PORT else RADIO_PORT
            rule = Rule(0, f"in_port={here.number}", None, None, (f"output:{out}",))
            return self._leave(here, out, packet, rule)
        found = self._lookup(here.node, packet.destination)
        if found is None or found[0] == "lo":
            outcome = "dropped: no route" if found is None else "delivered"
            return Hop(here.node, here.number, (), None, None, outcome), None, packet
        interface, gateway = found
        leaving = replace(packet, source_mac=self._macs[interface])
        leaving = replace(leaving, destination_mac=self._destination_mac(interface, leaving))
        via = () if gateway is None else (f"via {gateway}",)
        rule = Rule(_MAIN_TABLE, str(packet.destination), None, None, (*via, f"dev {interface}"))
        return self._leave(here, self._numbers[interface], leaving, rule)

    def _leave(self, here: Port, number: int, packet: Packet, rule: Rule) -> tuple[Hop, Port | None, Packet]:
        interface, there, outcome = self.beyond(here.node, number, packet)
        return Hop(here.node, here.number, (rule,), number, interface, outcome), there, packet

    def _destination_mac(self, interface: str, packet: Packet) -> str:
        """The next router's, else that of the address, else that of the host at the link's other end."""
        for link in self._plan.links:
            for own, other in ((link.a, link.b), (link.b, link.a)):
                if own.interface != interface:
                    continue
                if other.node in self._routers:
                    return self._macs[other.interface]
                mac = self._plan.node(other.node).mac
                return self._at_link.get(packet.destination) or mac or GATEWAY_MAC
        return GATEWAY_MAC
