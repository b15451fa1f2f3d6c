"""The path that a packet would take now, hop by hop: which rule of which switch sends it where.

Switches are asked one after the other (`ovs-appctl ofproto/trace`) with the packet as the one before has left it;
nothing is sent. Links and the air are walked by the plan and the devices' attachments.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address

from meclab.addressing import GATEWAY_MAC
from meclab.check import nearest
from meclab.errors import InputError
from meclab.model import Family
from meclab.packets import PROBE_PORT
from meclab.plan import RADIO_PORT, Plan, PlannedDevice, PlannedNode, Port

Explain = Callable[[str, str], str]
"""Switch and flow to Open vSwitch's explanation."""
_Address = IPv4Address | IPv6Address | None
_MOST_HOPS = 64
_RULE = re.compile(r"^ *(\d+)\. (.+?)(?:, priority (\d+))?(?:, cookie (0x[0-9a-f]+))?$")
_SET = re.compile(r"^(?:set_field:([0-9a-f:]{17})->(eth_dst|eth_src)|mod_dl_(dst|src):([0-9a-f:]{17}))$")


@dataclass(frozen=True)
class Rule:
    """A rule that matched, in the switch's own words."""

    table: int | str
    """Number, or name in a P4 program."""
    match: str
    """`No match` where the table had no rule for the packet."""
    priority: int | None
    cookie: int | None
    actions: tuple[str, ...]


@dataclass(frozen=True)
class Output:
    """A copy of the packet that leaves a switch."""

    port: int | None
    """None: to the controller."""
    source_mac: str
    destination_mac: str


@dataclass(frozen=True)
class Hop:
    """What happens to the packet at one node."""

    node: str
    in_port: int | None
    """OpenFlow port it came in by; none at a host."""
    rules: tuple[Rule, ...]
    """The rules that matched, in order of tables; none at a host."""
    out_port: int | None
    out_interface: str | None
    outcome: str
    """`sent`, `forwarded to NODE`, `delivered`, `to the controller`, or `dropped: why`."""


@dataclass(frozen=True)
class Packet:
    """The packet on its way."""

    source_mac: str
    destination_mac: str
    source: IPv4Address | IPv6Address
    destination: IPv4Address | IPv6Address

    def flow(self, in_port: int) -> str:
        """In the syntax of ovs-fields(7): a UDP probe, with a TTL that no path exhausts."""
        family = "udp,nw" if self.source.version == 4 else "udp6,ipv6"
        kind, prefix = family.split(",")
        return (
            f"in_port={in_port},{kind},dl_src={self.source_mac},dl_dst={self.destination_mac},"
            f"{prefix}_src={self.source},{prefix}_dst={self.destination},nw_ttl=64,udp_dst={PROBE_PORT}"
        )


def parse(text: str, packet: Packet, in_port: int) -> tuple[tuple[Rule, ...], tuple[Output, ...]]:
    """Rules and outputs in an explanation; each output with the MACs that the packet has by then."""
    rules: list[Rule] = []
    outputs: list[Output] = []
    body = text.partition("\nbridge(")[2].partition("\nFinal flow:")[0]
    for line in body.splitlines()[2:]:
        action = line.strip()
        if (rule := _RULE.match(line)) is not None:
            table, match, priority, cookie = rule.groups()
            rules.append(
                Rule(
                    int(table),
                    match.rstrip("."),
                    int(priority) if priority else None,
                    int(cookie, 16) if cookie else None,
                    (),
                )
            )
        elif action and rules:
            rules[-1] = replace(rules[-1], actions=(*rules[-1].actions, action))
            packet = _rewritten(packet, action)
            if (port := _output(action, in_port)) != 0:
                outputs.append(Output(port, packet.source_mac, packet.destination_mac))
    return tuple(rules), tuple(outputs)


def _rewritten(packet: Packet, action: str) -> Packet:
    if (match := _SET.match(action)) is None:
        return packet
    value = match[1] or match[4]
    if match[2] == "eth_dst" or match[3] == "dst":
        return replace(packet, destination_mac=value)
    return replace(packet, source_mac=value)


def _output(action: str, in_port: int) -> int | None:
    """The port of an action that outputs, none for the controller; 0 (no port has it) for any other action."""
    if action.startswith("CONTROLLER"):
        return None
    if action == "IN_PORT":
        return in_port
    number = action.removeprefix("output:")
    return int(number) if number != action and number.isdigit() else 0


def trace(
    plan: Plan,
    attachments: Mapping[str, str | None],
    source: str,
    target: str,
    explain: Explain,
    family: Family = "ipv4",
) -> list[Hop]:
    """The hops from a device or host to a node, `vip` or an address, until it arrives or is dropped."""
    packet = first_packet(plan, attachments, source, target, family)
    return _SwitchedWalk(plan, attachments, explain).run(source, packet)


def first_packet(plan: Plan, attachments: Mapping[str, str | None], source: str, target: str, family: Family) -> Packet:
    """The packet as its sender lets it go: to the gateway, in the family of the target where that is an address."""
    sender = _end(plan, source)
    destination = _address(plan, attachments, target, family)
    own = _own(sender, attachments)[0 if destination.version == 4 else 1]
    assert own is not None and sender.mac is not None, "hosts and devices have addresses"
    return Packet(sender.mac, GATEWAY_MAC, own, destination)


class Walk:
    """One packet's way through the network; what a switch does with it is the subclass's."""

    def __init__(self, plan: Plan, attachments: Mapping[str, str | None]) -> None:
        self._plan = plan
        self._attachments = attachments
        self._switches = {node.name for node in plan.switches}
        self._radios = {ap.name: ap.interface for ap in plan.access_points}
        self._peers: dict[tuple[str, int], tuple[Port, Port]] = {}
        for link in plan.links:
            self._peers[link.a.node, link.a.number] = (link.a, link.b)
            self._peers[link.b.node, link.b.number] = (link.b, link.a)

    def run(self, source: str, packet: Packet) -> list[Hop]:
        """Hops until the packet arrives, is dropped, or has gone on for too long."""
        hops, here = self._first(source)
        while here is not None:
            if len(hops) >= _MOST_HOPS:
                hops.append(Hop(here.node, here.number, (), None, None, f"dropped: a loop of over {_MOST_HOPS} hops"))
                break
            if here.node in self._switches:
                hop, here, packet = self.switch(here, packet)
            else:
                hop, here = self._arrival(here.node, packet), None
            hops.append(hop)
        return hops

    def _first(self, source: str) -> tuple[list[Hop], Port | None]:
        if any(device.name == source for device in self._plan.devices):
            ap = self._attachments.get(source)
            interface = self._plan.device(source).interface
            if ap is None:
                return [Hop(source, None, (), None, interface, "dropped: attached to no access point")], None
            there = Port(node=ap, interface=self._radios[ap], number=RADIO_PORT)
            return [Hop(source, None, (), None, interface, f"sent to {ap} over the air")], there
        mine, there = self._peers[source, 0]
        return [Hop(source, None, (), None, mine.interface, f"sent to {there.node}")], there

    def switch(self, here: Port, packet: Packet) -> tuple[Hop, Port | None, Packet]:
        """What happens at a switch that the packet came to, where it comes to next (none: it ends), and as what."""
        raise NotImplementedError

    def beyond(self, switch: str, number: int, packet: Packet) -> tuple[str, Port | None, str]:
        """Interface that a port is, where it leads (none: the packet ends), and in words."""
        if number == RADIO_PORT and switch in self._radios:
            for device in self._plan.devices:
                if device.mac == packet.destination_mac and self._attachments.get(device.name) == switch:
                    there = Port(node=device.name, interface=device.interface, number=0)
                    return self._radios[switch], there, f"forwarded to {device.name} over the air"
            return self._radios[switch], None, f"dropped: nobody attached has {packet.destination_mac}"
        if (pair := self._peers.get((switch, number))) is None:
            return f"port {number}", None, f"dropped: nothing is linked to port {number}"
        return pair[0].interface, pair[1], f"forwarded to {pair[1].node}"

    def _arrival(self, name: str, packet: Packet) -> Hop:
        end = _end(self._plan, name)
        addresses = {*_own(end, self._attachments)}
        if isinstance(end, PlannedNode) and end.serves_vip:
            addresses |= {self._plan.vip_ipv4, self._plan.vip_ipv6}
        if end.mac != packet.destination_mac:
            outcome = f"dropped: sent to {packet.destination_mac}, which is not {name}"
        elif packet.destination not in addresses:
            outcome = f"dropped: {name} does not have {packet.destination}"
        else:
            outcome = "delivered"
        return Hop(name, None, (), None, None, outcome)


class _SwitchedWalk(Walk):
    """Through switches that say what they would do."""

    def __init__(self, plan: Plan, attachments: Mapping[str, str | None], explain: Explain) -> None:
        super().__init__(plan, attachments)
        self._explain = explain

    def switch(self, here: Port, packet: Packet) -> tuple[Hop, Port | None, Packet]:
        text = self._explain(here.node, packet.flow(here.number))
        rules, outputs = parse(text, packet, here.number)
        ports = [output for output in outputs if output.port is not None]
        if not ports:
            outcome = "to the controller" if outputs else f"dropped: {self._reason(rules)}"
            return Hop(here.node, here.number, rules, None, None, outcome), None, packet
        left = ports[0]
        packet = replace(packet, source_mac=left.source_mac, destination_mac=left.destination_mac)
        interface, there, outcome = self.beyond(here.node, left.port or 0, packet)
        also = " (copied to the controller)" if len(ports) < len(outputs) else ""
        return Hop(here.node, here.number, rules, left.port, interface, outcome + also), there, packet

    def _reason(self, rules: tuple[Rule, ...]) -> str:
        if rules and rules[-1].match == "No match":
            return f"no rule in table {rules[-1].table}"
        return "the rule says so" if rules else "the switch says nothing"


def _end(plan: Plan, name: str) -> PlannedNode | PlannedDevice:
    ends: dict[str, PlannedNode | PlannedDevice] = {node.name: node for node in plan.nodes if node.mac is not None}
    ends |= {device.name: device for device in plan.devices}
    if name not in ends:
        raise InputError(f"no host or device {name}: {nearest(name, ends)}")
    return ends[name]


def _own(end: PlannedNode | PlannedDevice, attachments: Mapping[str, str | None]) -> tuple[_Address, _Address]:
    """Its addresses now."""
    return end.addresses(attachments.get(end.name)) if isinstance(end, PlannedDevice) else (end.ipv4, end.ipv6)


def _address(
    plan: Plan, attachments: Mapping[str, str | None], target: str, family: Family
) -> IPv4Address | IPv6Address:
    if target == "vip":
        return plan.vip(family)
    try:
        return ip_address(target)
    except ValueError:
        end = _end(plan, target)
    address = _own(end, attachments)[0 if family == "ipv4" else 1]
    assert address is not None, "hosts and devices have addresses"
    return address
