"""Intents as flow rules, neutral of any data plane.

The pipeline of an edge or core switch:

| table | name | what it decides |
|---|---|---|
| 0 | intercept | ARP and ND for the gateway are answered, packets for it routed, others in transit forwarded |
| 1 | steer | virtual address: pinned connections, then the device's serving host |
| 2 | route | local breakout, else to the anchor; at the anchor every host |
| 3 | devices | which device's MAC belongs to the destination address |
| 4 | forward | out of which port the destination MAC is |

An access point has table 0 alone: radio to uplink, uplink to radio.

Every switch that a packet passes takes one off its TTL (RFC 1812 section 5.3.1), in transit too, and may send it
back where it came from: what is on its way to a device that has just moved turns round, and what two switches
would send to and fro, because one of them could not be told, ends.

Rules come by subject (a switch, a host, a device, a breakout), so that a change computes only what it touches.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cache, cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from controller.intents import Connection, Intents, Network
from meclab.addressing import ANCHOR_MAC, GATEWAY_IPV4, GATEWAY_IPV6, GATEWAY_MAC
from meclab.messages import RuleClass
from meclab.plan import RADIO_PORT, Breakout, PlannedNode

IpNetwork = IPv4Network | IPv6Network
_ANY = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
PIN_IDLE_S = 10
"""A pinned connection that is silent for so long is forgotten."""


class Table(IntEnum):
    """Tables of the pipeline, in the order in which a frame meets them."""

    INTERCEPT = 0
    STEER = 1
    ROUTE = 2
    DEVICES = 3
    FORWARD = 4


@dataclass(frozen=True)
class Match:
    """What a rule looks at; what is none matches everything."""

    in_port: int | None = None
    eth_dst: str | None = None
    arp_target: IPv4Address | None = None
    """An ARP request for this address."""
    solicited: IPv6Address | None = None
    """A neighbour solicitation for this address (RFC 4861 section 4.3)."""
    multicast_ipv6: bool = False
    arp: bool = False
    source: IpNetwork | None = None
    destination: IpNetwork | None = None
    tcp_ports: tuple[int, int] | None = None
    """Source and destination port."""
    tcp_syn: bool = False
    """First segment of a TCP connection: SYN without ACK."""


@dataclass(frozen=True)
class Output:
    """Out of a port."""

    port: int


@dataclass(frozen=True)
class Goto:
    """On to a later table."""

    table: Table


@dataclass(frozen=True)
class Route:
    """As a router does: the next MAC as destination, the gateway's as source, one off the TTL."""

    mac: str


@dataclass(frozen=True)
class ToAnchor:
    """Leaves routing to the anchor: its MAC as destination, nothing else changes."""


@dataclass(frozen=True)
class AnyPort:
    """The frame may leave by the port that it came in by."""


@dataclass(frozen=True)
class Hop:
    """One off the TTL."""


@dataclass(frozen=True)
class AnswerArp:
    """Back where it came from, as the answer to an ARP request: the gateway's MAC."""


@dataclass(frozen=True)
class ToController:
    """A copy to the controller, as the frame is now."""


Action = Output | Goto | Route | ToAnchor | AnyPort | Hop | AnswerArp | ToController


@dataclass(frozen=True)
class Key:
    """What tells one rule of a switch from another."""

    table: Table
    priority: int
    match: Match

    @cached_property
    def _hash(self) -> int:
        return hash((self.table, self.priority, self.match))

    def __hash__(self) -> int:
        """Of addresses and networks, and asked for several times in each transaction."""
        return self._hash


@dataclass(frozen=True)
class Rule:
    """A flow rule; without actions it drops."""

    key: Key
    actions: tuple[Action, ...]
    kind: RuleClass
    idle_s: int = 0
    """Seconds without a packet after which the switch takes the rule away and says so; 0 for never."""


SwitchRule = tuple[str, Rule]
"""Switch and rule."""


def _rule(
    table: Table, priority: int, match: Match, *actions: Action, kind: RuleClass = RuleClass.BASE, idle_s: int = 0
) -> Rule:
    return Rule(Key(table, priority, match), actions, kind, idle_s)


@cache
def network_of(address: IPv4Address | IPv6Address) -> IpNetwork:
    """The network of one address: /32 or /128."""
    return IPv4Network(address) if isinstance(address, IPv4Address) else IPv6Network(address)


@cache
def _forwarding_key(mac: str) -> Key:
    return Key(Table.FORWARD, 10, Match(eth_dst=mac))


@cache
def _steering_key(source: IPv4Address | IPv6Address, vip: IpNetwork) -> Key:
    return Key(Table.STEER, 10, Match(source=network_of(source), destination=vip))


class Rules:
    """Rules of each subject in a network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.plan = network.plan
        self.core = self.plan.by_role("core")[0].name
        self.routers = [*sorted(network.edges), self.core]
        self._hosts = {node.name: node for node in self.plan.nodes if node.mac is not None}
        self._macs = {name: node.mac or "" for name, node in self._hosts.items()}
        self._vip_breakouts = {
            (edge, vip): Breakout(edge=edge, prefix=vip)
            for edge in network.edges
            for vip in (network_of(self.plan.vip_ipv4), network_of(self.plan.vip_ipv6))
        }
        self._pinned = self.plan.method.variant == "pinned"
        self._steered: dict[tuple[str, str, int, str], tuple[Rule, ...]] = {}
        """Rules that were asked for before, by device, switch, version of the virtual address and host."""

    def base(self, switch: PlannedNode) -> Iterator[Rule]:
        """What a switch needs with no device at all."""
        if switch.role == "ap":
            uplink = self.plan.towards[switch.name][self.core]
            yield _rule(Table.INTERCEPT, 10, Match(in_port=RADIO_PORT), Output(uplink))
            yield _rule(Table.INTERCEPT, 10, Match(in_port=uplink), Output(RADIO_PORT))
            return
        yield from self._intercept(switch.name)
        yield _rule(Table.STEER, 0, Match(), Goto(Table.ROUTE))
        yield _rule(Table.FORWARD, 0, Match())
        if switch.name == self.core:
            yield from self._anchor_routes()
        else:
            yield _rule(Table.ROUTE, 0, Match(), ToAnchor(), Goto(Table.FORWARD))
            yield _rule(Table.DEVICES, 0, Match(), ToAnchor(), Goto(Table.FORWARD))
            yield _rule(Table.FORWARD, 10, Match(eth_dst=ANCHOR_MAC), Output(self.plan.towards[switch.name][self.core]))
        for name, mac in self._macs.items():
            yield _rule(Table.FORWARD, 10, Match(eth_dst=mac), Output(self.plan.towards[switch.name][name]))
        for device in self.plan.devices:
            for address in device.owned:
                match = Match(destination=network_of(address))
                yield _rule(Table.DEVICES, 10, match, Route(device.mac), Goto(Table.FORWARD))

    def _intercept(self, switch: str) -> Iterator[Rule]:
        routed = [GATEWAY_MAC, ANCHOR_MAC] if switch == self.core else [GATEWAY_MAC]
        for mac in routed:
            yield _rule(Table.INTERCEPT, 10, Match(eth_dst=mac), AnyPort(), Goto(Table.STEER))
        for any_address in _ANY:
            yield _rule(Table.INTERCEPT, 5, Match(destination=any_address), AnyPort(), Hop(), Goto(Table.FORWARD))
        yield _rule(Table.INTERCEPT, 0, Match())
        yield _rule(Table.INTERCEPT, 30, Match(arp_target=GATEWAY_IPV4), AnswerArp())
        yield _rule(Table.INTERCEPT, 30, Match(solicited=GATEWAY_IPV6), ToController())
        yield _rule(Table.INTERCEPT, 20, Match(arp=True))
        yield _rule(Table.INTERCEPT, 20, Match(multicast_ipv6=True))

    def _anchor_routes(self) -> Iterator[Rule]:
        yield _rule(Table.ROUTE, 0, Match(), Goto(Table.DEVICES))
        yield _rule(Table.DEVICES, 0, Match())
        for name, node in self._hosts.items():
            for address in (node.ipv4, node.ipv6):
                if address is not None:
                    match = Match(destination=network_of(address))
                    yield _rule(Table.ROUTE, 10, match, Route(self._macs[name]), Goto(Table.FORWARD))
        yield from self._anchor_resolver()

    def _anchor_resolver(self) -> Iterator[Rule]:
        """Edges without a resolver of their own send what is for it here: to the nearest by number of links."""
        hops = {name: self.network.hops_from_core(name) for name, node in self._hosts.items() if node.serves_resolver}
        if not hops:
            return
        nearest = min(hops, key=lambda name: (hops[name], name))
        for address in (self.plan.resolver_ipv4, self.plan.resolver_ipv6):
            match = Match(destination=network_of(address))
            yield _rule(Table.ROUTE, 10, match, Route(self._macs[nearest]), Goto(Table.FORWARD))

    def breakout(self, breakout: Breakout) -> Iterator[SwitchRule]:
        """Traffic of devices, or of one, to a local prefix, and back, without the anchor."""
        host = self.network.breakout_host(breakout)
        above, kind = (0, RuleClass.BASE) if breakout.device is None else (10, RuleClass.STEER)
        for device in self._device_prefixes(breakout):
            back = Match(source=breakout.prefix, destination=device)
            yield breakout.edge, _rule(Table.ROUTE, 20 + above, back, Goto(Table.DEVICES), kind=kind)
            if not self.network.is_vip(breakout) and host is not None:
                match = Match(source=device, destination=breakout.prefix)
                to_host = (Route(self._macs[host]), Goto(Table.FORWARD))
                yield breakout.edge, _rule(Table.ROUTE, 10 + above, match, *to_host, kind=kind)

    def _device_prefixes(self, breakout: Breakout) -> list[IpNetwork | None]:
        """Whom it holds for: the device's addresses at that edge, or none for everybody."""
        if breakout.device is None:
            return [None]
        own = self.network.addresses(breakout.device, breakout.edge)
        return [network_of(address) for address in own if address.version == breakout.prefix.version]

    def attachment(self, device: str, ap: str, unlike: str | None = None) -> Iterator[SwitchRule]:
        """Where a device's MAC is, at every switch that forwards; with `unlike`, an access point, only at those that
        forward to that one by another port."""
        key = _forwarding_key(self.network.devices[device].mac)
        for switch in self.routers:
            port = self.plan.towards[switch][ap]
            if unlike is None or port != self.plan.towards[switch][unlike]:
                yield switch, Rule(key, (Output(port),), RuleClass.ATTACH)

    def steering(self, intents: Intents, device: str) -> Iterator[SwitchRule]:
        """Who serves the virtual address to a device: at its edge where it breaks out there, and at the anchor, which
        knows every address that the device may have, so that what comes before or after a move meets no hole."""
        host = intents.serving.get(device)
        if host is None:
            return
        for vip in (network_of(self.plan.vip_ipv4), network_of(self.plan.vip_ipv6)):
            for switch in self._steering_switches(intents, device, vip):
                place = device, switch, vip.version, host
                if place not in self._steered:
                    self._steered[place] = tuple(self._steering_at(device, switch, vip, host))
                for rule in self._steered[place]:
                    yield switch, rule

    def _steering_at(self, device: str, switch: str, vip: IpNetwork, host: str) -> Iterator[Rule]:
        for source in self._sources(device, switch):
            if source.version == vip.version:
                yield from self._to_host(_steering_key(source, vip), host)

    def _sources(self, device: str, switch: str) -> tuple[IPv4Address | IPv6Address, ...]:
        at_core = switch == self.core
        return self.network.devices[device].owned if at_core else self.network.addresses(device, switch)

    def _to_host(self, key: Key, host: str) -> Iterator[Rule]:
        to_host = (Route(self._macs[host]), Goto(Table.FORWARD))
        yield Rule(key, to_host, RuleClass.STEER)
        if self._pinned:
            first = replace(key.match, tcp_syn=True)
            yield _rule(Table.STEER, 20, first, to_host[0], ToController(), to_host[1], kind=RuleClass.PIN)

    def watch(self, intents: Intents, connection: Connection) -> str:
        """The switch that sees a connection's packets, and whose rule ends by silence."""
        return next(self._steering_switches(intents, connection.device, network_of(connection.destination)))

    def pin(self, intents: Intents, connection: Connection, host: str) -> Iterator[SwitchRule]:
        """A connection that stays with its host, at the switches that steer its device.

        Only the first one's rule ends by silence: the anchor sees no packet of a connection that breaks out at the
        edge, so its rule goes when the edge's has gone.
        """
        match = Match(
            source=network_of(connection.source),
            destination=network_of(connection.destination),
            tcp_ports=(connection.source_port, connection.destination_port),
        )
        watch = self.watch(intents, connection)
        for switch in self._steering_switches(intents, connection.device, network_of(connection.destination)):
            idle_s = PIN_IDLE_S if switch == watch else 0
            actions = (Route(self._macs[host]), Goto(Table.FORWARD))
            yield switch, _rule(Table.STEER, 30, match, *actions, kind=RuleClass.PIN, idle_s=idle_s)

    def _steering_switches(self, intents: Intents, device: str, vip: IpNetwork) -> Iterator[str]:
        """The device's edge first, if the virtual address breaks out there; then the anchor."""
        edge = self.network.edge_of_device(intents, device)
        if edge is not None and self._vip_breaks_out(intents, edge, vip, device):
            yield edge
        yield self.core

    def _vip_breaks_out(self, intents: Intents, edge: str, vip: IpNetwork, device: str) -> bool:
        """For everybody or for this device."""
        if self._vip_breakouts[edge, vip] in intents.breakouts:
            return True
        return Breakout(edge=edge, prefix=vip, device=device) in intents.breakouts

    def of_device(self, intents: Intents, device: str, unlike: Intents | None = None) -> Iterator[SwitchRule]:
        """All that depends on one device's intents; of its forwarding entries, with `unlike`, those that are not the
        same by these other intents."""
        if (ap := intents.attachments.get(device)) is not None:
            yield from self.attachment(device, ap, None if unlike is None else unlike.attachments.get(device))
        yield from self.steering(intents, device)
        for connection, host in intents.pins.get(device, {}).items():
            yield from self.pin(intents, connection, host)

    def of_switch(self, intents: Intents, switch: str) -> list[Rule]:
        """Everything that one switch has to hold."""
        subjects = [self.breakout(breakout) for breakout in intents.breakouts]
        subjects += [self.of_device(intents, device) for device in self.network.devices]
        found = list(self.base(self.plan.node(switch)))
        return found + [rule for subject in subjects for name, rule in subject if name == switch]
