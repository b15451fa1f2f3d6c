"""The path that a packet would take through switches that run `edge.p4`: its stages, walked on the entries that they
hold now. Nothing is sent."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from meclab import p4
from meclab.addressing import ANCHOR_MAC, GATEWAY_MAC
from meclab.model import Family
from meclab.plan import Plan, Port
from topologies.p4tables import Entry, Tables, read
from topologies.trace import Hop, Packet, Rule, Walk, first_packet

_ETHER_TYPE = {4: 0x0800, 6: 0x86DD}


def trace(
    plan: Plan, attachments: Mapping[str, str | None], source: str, target: str, family: Family = "ipv4"
) -> list[Hop]:
    """The hops from a device or host to a node, `vip` or an address, until it arrives or is dropped."""
    return _ProgramWalk(plan, attachments).run(source, first_packet(plan, attachments, source, target, family))


class _ProgramWalk(Walk):
    """Through switches whose entries are read when the packet comes to them first."""

    def __init__(self, plan: Plan, attachments: Mapping[str, str | None]) -> None:
        super().__init__(plan, attachments)
        self._endpoints = p4.endpoints(plan)
        self._tables: dict[str, Tables] = {}

    def switch(self, here: Port, packet: Packet) -> tuple[Hop, Port | None, Packet]:
        if here.node not in self._tables:
            self._tables[here.node] = read(here.node, self._endpoints[here.node])
        stages = list(walk(self._tables[here.node], packet, here.number))
        rules = tuple(_rule(entry) for entry, _ in stages)
        last, packet = stages[-1] if stages else (None, packet)
        if last is None or last.action != "output":
            reason = "the switch has no entry for it" if last is None or last.is_default else "the entry says so"
            return Hop(here.node, here.number, rules, None, None, f"dropped: {reason}"), None, packet
        number = last.arguments["port"]
        interface, there, outcome = self.beyond(here.node, number, packet)
        return Hop(here.node, here.number, rules, number, interface, outcome), there, packet


def walk(tables: Tables, packet: Packet, in_port: int) -> Iterator[tuple[Entry, Packet]]:
    """The entries that a UDP packet hits one after the other, each with the packet as its action leaves it."""
    for entry in _stages(tables, packet, in_port):
        packet = _after(packet, entry)
        yield entry, packet
        if entry.action in ("output", "drop"):
            return
    if (out := tables.lookup("forward", destination=_mac(packet.destination_mac))) is not None:
        yield out, packet


def _stages(tables: Tables, packet: Packet, in_port: int) -> Iterator[Entry]:
    """What is hit before `forward`: the next MAC is known then."""
    if (joined := tables.hit("cross_connect", ingress_port=in_port)) is not None:
        yield joined
    elif (gateway := tables.hit("gateways", destination=_mac(packet.destination_mac))) is not None:
        yield gateway
        yield from _routed(tables, packet)
    elif (passed := tables.lookup("transit", ether_type=_ETHER_TYPE[packet.destination.version])) is not None:
        yield passed


def _routed(tables: Tables, packet: Packet) -> Iterator[Entry]:
    family = f"ipv{packet.destination.version}"
    source, destination = int(packet.source), int(packet.destination)
    if (steer := tables.hit(f"steer_{family}", source=source, destination=destination)) is not None:
        yield steer
        return
    found = tables.hit(f"breakouts_{family}", source=source, destination=destination)
    found = found or tables.lookup(f"routes_{family}", destination=destination)
    if found is None:
        return
    yield found
    if found.action == "to_devices":
        device = tables.lookup(f"devices_{family}", destination=destination)
        if device is not None:
            yield device


def _after(packet: Packet, entry: Entry) -> Packet:
    match entry.action:
        case "route":
            mac = entry.arguments["next"].to_bytes(6).hex(":")
            return replace(packet, source_mac=GATEWAY_MAC, destination_mac=mac)
        case "to_anchor":
            return replace(packet, destination_mac=ANCHOR_MAC)
    return packet


def _rule(entry: Entry) -> Rule:
    match = "anything else" if entry.is_default else entry.match
    cookie = int.from_bytes(entry.metadata) if entry.metadata else None
    return Rule(entry.table, match, entry.priority or None, cookie, (entry.text,))


def _mac(text: str) -> int:
    return int(text.replace(":", ""), 16)
