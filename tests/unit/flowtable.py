"""A flow table that answers without a switch: would this frame leave port 3, and rewritten how? And a network of
them, wired as a plan says, that a packet can be walked through."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address

from controller import rules as r
from controller.intents import Intents
from controller.transaction import Step
from meclab.addressing import ANCHOR_MAC, GATEWAY_MAC
from meclab.plan import RADIO_PORT, Plan

CONTROLLER = -1
IN_PORT = -2


@dataclass(frozen=True)
class Packet:
    """What rules look at and change."""

    source: IPv4Address | IPv6Address
    destination: IPv4Address | IPv6Address
    eth_src: str = "02:00:00:00:00:99"
    eth_dst: str = GATEWAY_MAC
    ttl: int = 64
    tcp_ports: tuple[int, int] | None = None
    syn: bool = False
    arp: bool = False
    """An ARP request for `destination`."""
    solicitation: bool = False
    """A neighbour solicitation for `destination`."""


def matches(match: r.Match, packet: Packet, in_port: int) -> bool:
    """Whether a rule with this match looks at the packet; fields of other protocols than the packet's never do."""
    is_ip = not packet.arp
    multicast = packet.eth_dst.startswith("33:33:") and packet.source.version == 6 and is_ip
    return all(
        (
            match.in_port in (None, in_port),
            match.eth_dst in (None, packet.eth_dst),
            match.arp_target is None or (packet.arp and packet.destination == match.arp_target),
            not match.arp or packet.arp,
            match.solicited is None or (packet.solicitation and packet.destination == match.solicited),
            not match.multicast_ipv6 or multicast,
            match.source is None or (is_ip and packet.source in match.source),
            match.destination is None or (is_ip and packet.destination in match.destination),
            match.tcp_ports is None or match.tcp_ports == packet.tcp_ports,
            not match.tcp_syn or packet.syn,
        )
    )


class FlowTable:
    """The rules of one switch."""

    def __init__(self, rules: Iterable[r.Rule] = ()) -> None:
        self.rules: dict[r.Key, r.Rule] = {}
        for rule in rules:
            assert rule.key not in self.rules, f"twice: {rule.key}"
            self.rules[rule.key] = rule

    def add(self, rule: r.Rule) -> None:
        self.rules[rule.key] = rule

    def remove(self, rule: r.Rule) -> None:
        self.rules.pop(rule.key, None)

    def _best(self, table: r.Table, packet: Packet, in_port: int) -> r.Rule | None:
        found = [rule for key, rule in self.rules.items() if key.table == table and matches(key.match, packet, in_port)]
        if not found:
            return None
        highest = max(rule.key.priority for rule in found)
        first, *others = [rule for rule in found if rule.key.priority == highest]
        assert all(other.actions == first.actions for other in others), f"which of {first} and {others}?"
        return first

    def outputs(self, packet: Packet, in_port: int) -> list[tuple[int, Packet]]:
        """Where a frame that came in by a port leaves, and as what; empty where it is dropped."""
        found: list[tuple[int, Packet]] = []
        table: r.Table | None = r.Table.INTERCEPT
        from_port = in_port
        while table is not None:
            rule = self._best(table, packet, in_port)
            table = None
            for action in rule.actions if rule is not None else ():
                match action:
                    case r.Route(mac):
                        packet = replace(packet, eth_src=GATEWAY_MAC, eth_dst=mac, ttl=packet.ttl - 1)
                    case r.Hop():
                        packet = replace(packet, ttl=packet.ttl - 1)
                    case r.ToAnchor():
                        packet = replace(packet, eth_dst=ANCHOR_MAC)
                    case r.AnyPort():
                        from_port = 0
                    case r.ToController():
                        found.append((CONTROLLER, packet))
                    case r.AnswerArp():
                        found.append((IN_PORT, replace(packet, eth_src=GATEWAY_MAC, eth_dst=packet.eth_src)))
                    case r.Output(port):
                        found += [(port, packet)] if port != from_port else []
                    case r.Goto(following):
                        table = following
                if packet.ttl <= 0:
                    return found
        return found


@dataclass(frozen=True)
class End:
    """Where a packet's way ended."""

    node: str
    """Host, access point (it went into the air there) or the switch that dropped it."""
    packet: Packet
    path: tuple[str, ...]
    """The switches that it passed, in order."""
    dropped: bool = False


Change = tuple[str, Callable[[FlowTable], None]]
"""A switch, and one thing that is done to its table."""


@dataclass
class Fabric:
    """The switches of a plan and the links between."""

    plan: Plan
    tables: dict[str, FlowTable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._peers = {}
        for link in self.plan.links:
            for end, other in ((link.a, link.b), (link.b, link.a)):
                self._peers[end.node, end.number] = (other.node, other.number)

    def load(self, rules: r.Rules, intents: Intents) -> "Fabric":
        """Every switch as if it had just connected."""
        for switch in self.plan.switches:
            self.tables[switch.name] = FlowTable(rules.of_switch(intents, switch.name))
        return self

    def apply(self, change: Change) -> None:
        switch, done = change
        done(self.tables[switch])

    def state(self) -> dict[str, dict[r.Key, r.Rule]]:
        """The rules of every switch now, for `restore`."""
        return {switch: dict(table.rules) for switch, table in self.tables.items()}

    def restore(self, state: dict[str, dict[r.Key, r.Rule]]) -> None:
        for switch, rules in state.items():
            self.tables[switch].rules = rules

    def send(self, node: str, packet: Packet, meanwhile: Callable[[], None] = lambda: None) -> End:
        """Walks a packet from an access point's radio, or from a host, to its end; `meanwhile` before each hop."""
        at, in_port = (node, RADIO_PORT) if node in self.tables else self._peers[node, 0]
        path: list[str] = []
        while at in self.tables:
            assert len(path) < 64, f"goes in circles: {path}"
            path.append(at)
            meanwhile()
            out = [(port, sent) for port, sent in self.tables[at].outputs(packet, in_port) if port != CONTROLLER]
            if not out:
                return End(at, packet, tuple(path), dropped=True)
            ((port, packet),) = out
            if (at, port) not in self._peers:
                assert port == RADIO_PORT, f"no port {port} at {at}"
                return End(at, packet, tuple(path))
            at, in_port = self._peers[at, port]
        return End(at, packet, tuple(path))


def changes(step: Step, order: Callable[[list[str]], str]) -> Iterable[Change]:
    """A step's single changes: in order within a switch, between switches as `order` chooses."""
    waiting = {
        switch: [_adding(rule) for rule in step.add.get(switch, ())]
        + [_removing(rule) for rule in step.remove.get(switch, ())]
        for switch in sorted(step.switches)
    }
    while left := [switch for switch, rest in waiting.items() if rest]:
        switch = order(left)
        yield switch, waiting[switch].pop(0)


def _adding(rule: r.Rule) -> Callable[[FlowTable], None]:
    return lambda table: table.add(rule)


def _removing(rule: r.Rule) -> Callable[[FlowTable], None]:
    return lambda table: table.remove(rule)
