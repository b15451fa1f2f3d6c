"""What the network is told to do: who is attached where, who serves whom, what breaks out, what is pinned.

Pure: a transaction gives new intents or an `IntentError`, and never changes the old ones.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address

from meclab.check import nearest
from meclab.errors import LabError
from meclab.messages import BreakoutIntent, Transaction
from meclab.plan import Breakout, Plan, PlannedNode

Address = IPv4Address | IPv6Address


class IntentError(LabError):
    """Intents that cannot be: `status` is the HTTP status of the refusal."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Connection:
    """A TCP connection of a device to the virtual address."""

    device: str
    source: Address
    source_port: int
    destination: Address
    destination_port: int


@dataclass(frozen=True)
class Intents:
    """Everything that is wanted of the network at one moment."""

    attachments: Mapping[str, str] = field(default_factory=dict)
    """Device to access point."""
    serving: Mapping[str, str] = field(default_factory=dict)
    """Device to the MEC host that serves the virtual address to it."""
    breakouts: frozenset[Breakout] = frozenset()
    pins: Mapping[str, Mapping[Connection, str]] = field(default_factory=dict)
    """Device to its connections, each with the MEC host that it stays with."""

    def pin(self, connection: Connection) -> str | None:
        """The host that a connection stays with."""
        return self.pins.get(connection.device, {}).get(connection)

    def with_pin(self, connection: Connection, host: str | None) -> "Intents":
        """These intents with a connection that stays with a host; with none, it is forgotten."""
        pins = {known: at for known, at in self.pins.get(connection.device, {}).items() if known != connection}
        if host is not None:
            pins[connection] = host
        return replace(self, pins={**self.pins, connection.device: pins})


class Network:
    """The names of a plan that intents may use, and which edge each access point and host belongs to."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.devices = {device.name: device for device in plan.devices}
        self.hosts = {node.name: node for node in plan.mec_hosts}
        self.host_of_mac = {node.mac: node.name for node in plan.mec_hosts}
        self._local = self.hosts | {node.name: node for node in plan.by_role("fwd")}
        self._device_at = {address: device.name for device in plan.devices for address in device.owned}
        self.edges = {node.name for node in plan.by_role("edge")}
        aps = {ap.name for ap in plan.access_points}
        ends = [(link.a.node, link.b.node) for link in plan.links]
        joined = ends + [(b, a) for a, b in ends]
        self.edge_of_ap = {a: b for a, b in joined if a in aps and b in self.edges}
        self.edge_of_host = {a: b for a, b in joined if a in self._local and b in self.edges}

        self._peers = {
            (end.node, end.number): other.node
            for link in plan.links
            for end, other in ((link.a, link.b), (link.b, link.a))
        }
        self.hops = {ap: {switch: self._hops(switch, ap) for switch in plan.towards} for ap in aps}
        """Access point to switch to number of links between, along the forwarding paths."""

    def hops_from_core(self, host: str) -> int:
        """Number of links from the core to a host."""
        return self._hops(self.plan.by_role("core")[0].name, host)

    def _hops(self, switch: str, target: str) -> int:
        node, passed = switch, 0
        while node != target:
            node, passed = self._peers[node, self.plan.towards[node][target]], passed + 1
        return passed

    def initial(self) -> Intents:
        """The intents that the plan starts with: its breakouts."""
        return Intents(breakouts=frozenset(self.plan.breakouts))

    def change(self, intents: Intents, transaction: Transaction) -> Intents:
        """The intents after a transaction; raises `IntentError` and changes nothing where any part cannot be."""
        for device, ap in transaction.attach.items():
            self._known("device", device, self.devices)
            self._known("access point", ap, self.edge_of_ap)
        serving = dict(intents.serving)
        for device, host in transaction.serve.items():
            self._known("device", device, self.devices)
            if host is None:
                serving.pop(device, None)
                continue
            self._known("MEC host", host, self.hosts)
            serving[device] = host
        return replace(
            intents,
            attachments={**intents.attachments, **transaction.attach},
            serving=serving,
            breakouts=self._breakouts(intents.breakouts, transaction),
            pins=self._pins(intents, transaction) if self.plan.renumbers else intents.pins,
        )

    def _pins(self, intents: Intents, transaction: Transaction) -> Mapping[str, Mapping[Connection, str]]:
        """The connections that go on: those of an address that a device has no more are over."""
        kept = dict(intents.pins)
        for device, ap in transaction.attach.items():
            own = self.devices[device].addresses(ap)
            kept[device] = {pin: host for pin, host in intents.pins.get(device, {}).items() if pin.source in own}
        return kept

    def addresses(self, device: str, edge: str) -> tuple[Address, ...]:
        """A device's addresses at an edge's access points; where it keeps them, those that it has."""
        known = self.devices[device]
        here = (known.addresses(ap) for ap, other in self.edge_of_ap.items() if other == edge)
        return tuple(dict.fromkeys(one for pair in here for one in pair)) if known.anchored else known.owned

    def _breakouts(self, current: frozenset[Breakout], transaction: Transaction) -> frozenset[Breakout]:
        added = {self._breakout(intent) for intent in transaction.breakout}
        removed = {self._breakout(intent) for intent in transaction.remove_breakout}
        if both := added & removed:
            named = next(iter(both))
            raise IntentError(409, f"breakout of {_described(named)} is both added and removed")
        for breakout in removed - current:
            raise IntentError(404, f"no breakout of {_described(breakout)}")
        return (current | added) - removed

    def _breakout(self, intent: BreakoutIntent) -> Breakout:
        self._known("edge", intent.edge, self.edges)
        if intent.device is not None:
            self._known("device", intent.device, self.devices)
        breakout = Breakout(edge=intent.edge, prefix=intent.prefix, device=intent.device)
        if self.breakout_host(breakout) is None:
            local = [name for name, edge in self.edge_of_host.items() if edge == intent.edge]
            has = f"it has {', '.join(local)} and the virtual address" if local else "it has no MEC host"
            raise IntentError(422, f"{intent.prefix} cannot break out at {intent.edge}: {has}")
        if others := self._covered(breakout):
            raise IntentError(422, f"{intent.prefix} cannot break out at {intent.edge}: it covers {', '.join(others)}")
        return breakout

    def _covered(self, breakout: Breakout) -> list[str]:
        """Whose addresses a breakout would take along, beside the local host's or the virtual address."""
        host = self.breakout_host(breakout)
        owners: list[tuple[str, tuple[Address | None, ...]]]
        owners = [(node.name, (node.ipv4, node.ipv6)) for node in self.plan.nodes if node.name != host]
        owners += [(device.name, device.owned) for device in self.plan.devices]
        if not self.is_vip(breakout):
            owners.append(("the virtual address", (self.plan.vip_ipv4, self.plan.vip_ipv6)))
        if not self.is_resolver(breakout):
            owners.append(("the resolver", (self.plan.resolver_ipv4, self.plan.resolver_ipv6)))
        prefix = breakout.prefix
        return [name for name, own in owners if any(one is not None and one in prefix for one in own)]

    def is_vip(self, breakout: Breakout) -> bool:
        """Whether a breakout is of the virtual address."""
        return _is_one_of(breakout, self.plan.vip_ipv4, self.plan.vip_ipv6)

    def is_resolver(self, breakout: Breakout) -> bool:
        """Whether a breakout is of the access side's resolver."""
        return _is_one_of(breakout, self.plan.resolver_ipv4, self.plan.resolver_ipv6)

    def breakout_host(self, breakout: Breakout) -> str | None:
        """The local host whose address lies in a breakout's prefix; for a shared address any local one that has it."""
        for name, edge in self.edge_of_host.items():
            if edge == breakout.edge and self._has(self._local[name], breakout):
                return name
        return None

    def _has(self, node: PlannedNode, breakout: Breakout) -> bool:
        if self.is_vip(breakout):
            return node.serves_vip
        if self.is_resolver(breakout):
            return node.serves_resolver
        address = node.ipv4 if breakout.prefix.version == 4 else node.ipv6
        return address is not None and address in breakout.prefix

    def edge_of_device(self, intents: Intents, device: str) -> str | None:
        """The edge that a device is attached behind; none before its first attach."""
        ap = intents.attachments.get(device)
        return None if ap is None else self.edge_of_ap[ap]

    def connection(self, source: Address, source_port: int, destination: Address, port: int) -> Connection | None:
        """The connection of a device to the virtual address; none for anything else."""
        device = self._device_at.get(source)
        if device is None or destination not in (self.plan.vip_ipv4, self.plan.vip_ipv6):
            return None
        return Connection(device, source, source_port, destination, port)

    @staticmethod
    def _known(what: str, name: str, valid: Iterable[str]) -> None:
        if name not in valid:
            raise IntentError(404, f"no {what} {name!r}; expected {nearest(name, valid)}")


def _described(breakout: Breakout) -> str:
    alone = f" for {breakout.device}" if breakout.device else ""
    return f"{breakout.prefix} at {breakout.edge}{alone}"


def _is_one_of(breakout: Breakout, *addresses: Address) -> bool:
    prefix = breakout.prefix
    return prefix.prefixlen == prefix.max_prefixlen and prefix.network_address in addresses
