"""Whose message a captured packet is: the addresses of every node, and at which capture a message counts."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from meclab import routers
from meclab.plan import Plan

_LOOPBACK = frozenset({"127.0.0.1", "::1"})


class Owners:
    """The plan's addresses as text, by node."""

    def __init__(self, plan: Plan, captured: Iterable[str]) -> None:
        """`captured` are the nodes that have a capture of their own."""
        self._addresses = {name: frozenset(map(str, found)) for name, found in _addresses(plan).items()}
        self._addresses |= {node.name: self._addresses[node.name] | _LOOPBACK for node in plan.by_role("ops")}
        self._tell = frozenset().union(*(self._addresses.get(name, frozenset()) for name in captured))
        self._devices = {str(a): device.name for device in plan.devices for a in device.owned}
        self._host_of = {str(a): node.name for node in plan.nodes for a in (node.ipv4, node.ipv6) if a is not None}

    def concerns(self, node: str, source: str, destination: str) -> bool:
        """Whether a node is at either end."""
        own = self._addresses.get(node, frozenset())
        return source in own or destination in own

    def counts(self, node: str, source: str, destination: str) -> bool:
        """Whether a message counts at a node's capture: the node sent it, or it came to it from where no capture is,
        such as the switches."""
        own = self._addresses.get(node, frozenset())
        return source in own or (source not in self._tell and destination in own)

    def sender(self, node: str, source: str) -> str:
        """The node that sent what was seen at a node's capture; empty for the switches."""
        return node if source in self._addresses.get(node, frozenset()) else self.host(source)

    def device(self, *addresses: str) -> str:
        """The device that one of these addresses belongs to; empty for none."""
        return next((self._devices[address] for address in addresses if address in self._devices), "")

    def host(self, address: str) -> str:
        """The host that an address of its own belongs to; empty for shared addresses, devices and strangers."""
        return self._host_of.get(address, "")


def _addresses(plan: Plan) -> dict[str, list[IPv4Address | IPv6Address]]:
    found: dict[str, list[IPv4Address | IPv6Address]] = {}
    for node in plan.nodes:
        own = [address for address in (node.ipv4, node.ipv6) if address is not None]
        own += [plan.vip_ipv4, plan.vip_ipv6] if node.serves_vip else []
        own += [plan.resolver_ipv4, plan.resolver_ipv6] if node.serves_resolver else []
        own += [plan.management.ipv4_operations] if node.role == "ops" else []
        found[node.name] = own
    for device in plan.devices:
        found[device.name] = [*device.owned]
    if routers.applies(plan):
        for name, speaker in routers.speakers(plan).items():
            found[name] += speaker.loopback
            found[name] += [address for session in speaker.sessions for address in session.own]
    return found
