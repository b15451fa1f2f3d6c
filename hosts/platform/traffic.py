"""Traffic rules and the local breakouts that they stand for, without sockets.

A rule lets packets to its `dstAddress` leave to its host at the host's edge, and those that come back with them. With
`srcAddress` it holds for the devices of these addresses alone: one breakout for each. MODEL: the lab's data plane
knows addresses; ports, protocols and tunnels are refused. A device's own rule goes before one for every device,
whatever their priorities; FLOW and PACKET are the same.
"""

from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from meclab.errors import PeerError
from meclab.messages import BreakoutIntent
from meclab.plan import Plan, PlannedNode
from meclab.platforms import DestinationInterface, TrafficFilter, TrafficRule

IpNetwork = IPv4Network | IPv6Network
_PRIORITY = 100
_ADDRESSES = {"srcAddress", "dstAddress"}


def planned(plan: Plan, host: str) -> tuple[TrafficRule, ...]:
    """The rules that a host starts with: one for each prefix that breaks out to it."""
    names = {ip_network(address): name for name, address in _own(plan, plan.node(host)).items()}
    edge = _edge(plan, host)
    prefixes = [b.prefix for b in plan.breakouts if b.edge == edge and b.device is None and b.prefix in names]
    return tuple(_rule(f"{host}-{names[prefix]}", prefix) for prefix in dict.fromkeys(prefixes))


def _rule(identifier: str, prefix: IpNetwork) -> TrafficRule:
    return TrafficRule(
        trafficRuleId=identifier,
        filterType="FLOW",
        priority=_PRIORITY,
        trafficFilter=(TrafficFilter(dstAddress=(str(prefix),)),),
        action="FORWARD_DECAPSULATED",
        dstInterface=DestinationInterface(interfaceType="IP", dstIpAddress=str(prefix.network_address)),
        state="ACTIVE",
    )


def wanted(plan: Plan, host: str, rules: Iterable[TrafficRule]) -> frozenset[BreakoutIntent]:
    """The breakouts of the active ones among a host's rules. Raises `PeerError`."""
    active = [rule for rule in rules if rule.state == "ACTIVE"]
    return frozenset(intent for rule in active for intent in intents(plan, host, rule))


def intents(plan: Plan, host: str, rule: TrafficRule) -> tuple[BreakoutIntent, ...]:
    """The breakouts of a rule when it is active; raises `PeerError` for what the lab's data plane cannot do."""
    if rule.action != "FORWARD_DECAPSULATED":
        raise PeerError(f"action {rule.action}; the lab's data plane knows FORWARD_DECAPSULATED")
    own = _own(plan, plan.node(host))
    interface = rule.dstInterface
    if interface is not None:
        known = {str(address) for address in own.values()}
        if interface.interfaceType != "IP" or interface.dstIpAddress not in known:
            raise PeerError(f"dstInterface; expected IP and one of {', '.join(sorted(known))}")
    found: list[BreakoutIntent] = []
    for number, matched in enumerate(rule.trafficFilter):
        try:
            found += _of_filter(plan, _edge(plan, host), own.values(), matched)
        except ValueError as error:
            raise PeerError(f"trafficFilter.{number}: {error}") from error
    return tuple(found)


def _of_filter(
    plan: Plan, edge: str, own: Collection[IPv4Address | IPv6Address], matched: TrafficFilter
) -> list[BreakoutIntent]:
    beyond = [name for name in matched.model_fields_set - _ADDRESSES if getattr(matched, name) not in (None, ())]
    if beyond:
        raise ValueError(f"{', '.join(sorted(beyond))}; the lab's data plane knows srcAddress and dstAddress")
    if not matched.dstAddress:
        raise ValueError("no dstAddress; expected addresses or prefixes")
    prefixes = [_prefix(plan, stated, own) for stated in matched.dstAddress]
    if not matched.srcAddress:
        return [BreakoutIntent(edge=edge, prefix=prefix) for prefix in prefixes]
    devices = [_device(plan, stated) for stated in matched.srcAddress]
    found = [
        BreakoutIntent(edge=edge, prefix=prefix, device=device)
        for prefix in prefixes
        for version, device in devices
        if version == prefix.version
    ]
    if not found:
        raise ValueError("srcAddress and dstAddress are of different families")
    return found


def _prefix(plan: Plan, stated: str, own: Collection[IPv4Address | IPv6Address]) -> IpNetwork:
    """A destination: it must cover an address of the host's own, and nobody else's."""
    prefix = ip_network(stated)
    if not any(address in prefix for address in own):
        raise ValueError(f"dstAddress {stated}; expected {', '.join(map(str, own))} or a prefix with one of them")
    others = [(node.name, address) for node in plan.nodes for address in (node.ipv4, node.ipv6)]
    others += [(device.name, address) for device in plan.devices for address in device.owned]
    others += [("the virtual address", plan.vip_ipv4), ("the virtual address", plan.vip_ipv6)]
    others += [("the resolver", plan.resolver_ipv4), ("the resolver", plan.resolver_ipv6)]
    taken = [name for name, address in others if address is not None and address in prefix and address not in own]
    if taken or sum(address in prefix for address in own) > 1:
        raise ValueError(f"dstAddress {stated} covers {', '.join(taken) or 'several addresses of the host'}")
    return prefix


def _device(plan: Plan, stated: str) -> tuple[int, str]:
    """Family and name of the device that a source address is of."""
    source = ip_network(stated)
    for device in plan.devices:
        if any(source == ip_network(address) for address in device.owned):
            return source.version, device.name
    raise ValueError(f"srcAddress {stated}; expected the address of a device")


def _own(plan: Plan, node: PlannedNode) -> dict[str, IPv4Address | IPv6Address]:
    """A host's addresses, those shared with other hosts included, by what they are."""
    assert node.ipv4 is not None and node.ipv6 is not None, "a host has addresses"
    own: dict[str, IPv4Address | IPv6Address] = {"ipv4": node.ipv4, "ipv6": node.ipv6}
    if node.serves_vip:
        own |= {"vip-ipv4": plan.vip_ipv4, "vip-ipv6": plan.vip_ipv6}
    if node.serves_resolver:
        own |= {"resolver-ipv4": plan.resolver_ipv4, "resolver-ipv6": plan.resolver_ipv6}
    return own


def _edge(plan: Plan, host: str) -> str:
    """The edge that a host is at."""
    edges = {node.name for node in plan.by_role("edge")}
    for link in plan.links:
        for here, there in ((link.a.node, link.b.node), (link.b.node, link.a.node)):
            if there == host and here in edges:
                return here
    raise PeerError(f"{host} is not at an edge")
