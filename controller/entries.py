"""Flow rules as table entries of `dataplane/programs/edge.p4`.

| table of the rules | tables of the program |
|---|---|
| intercept | `cross_connect`, `arp_requests`, `solicitations`, `gateways`, `transit` |
| steer | `pins_*`, `openings_*`, `steer_*` |
| route | `breakouts_*` where the source counts, `routes_*` |
| devices | `devices_*` |
| forward | `forward` |

`*` is `ipv4` or `ipv6`. A rule that matches everything is the default action of both families' tables; one that says
what the program does anyway (drop what nobody wants, go on from `steer` to `route`) is no entry at all.
"""

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from finsy import P4CloneSessionEntry, P4TableAction, P4TableEntry, P4TableMatch

from controller.packets import Ends
from controller.rules import Action, Goto, IpNetwork, Match, Output, Route, Rule, Table, ToAnchor, ToController
from meclab.messages import RuleClass
from meclab.plan import PlannedNode

PINS = ("pins_ipv4", "pins_ipv6")
CPU_PORT = 510
CPU_SESSION = 1
FIRST_SEGMENT, SOLICITATION = 2, 1
"""Why a packet comes to the controller (`Reason` in `headers.p4`)."""
_COPY_BYTES = 128
_PROBE_VERSION = 1
_ETHER_TYPE = {4: 0x0800, 6: 0x86DD}
_ENCODED = 1 << 15
_NS = 1_000_000_000


@lru_cache(_ENCODED)
def entries(rule: Rule) -> tuple[P4TableEntry, ...]:
    """The entries that a rule is: one, none, or the default actions of two tables. They are not to be changed."""
    match rule.key.table:
        case Table.INTERCEPT:
            return tuple(_intercept(rule))
        case Table.STEER:
            return tuple(_steer(rule))
        case Table.ROUTE:
            return tuple(_route(rule))
        case Table.DEVICES:
            return tuple(_devices(rule))
        case Table.FORWARD:
            return tuple(_forward(rule))


def of_switch(switch: PlannedNode) -> tuple[P4TableEntry, ...]:
    """What a switch holds beside its rules: its number, which it writes into probes that come by."""
    where = {"version": _PROBE_VERSION}
    return (_entry("stamping", where, P4TableAction("stamp", node=switch.dpid), _metadata(RuleClass.BASE)),)


def copies() -> P4CloneSessionEntry:
    """Where copies of first segments go: the controller, their headers alone."""
    return P4CloneSessionEntry(CPU_SESSION, packet_length_bytes=_COPY_BYTES, replicas=[CPU_PORT])


def class_of(entry: P4TableEntry) -> int:
    """The class of the rule that an entry is, from its metadata; 0 for a stranger's."""
    return entry.metadata[0] if entry.metadata else 0


def pinned_connection(entry: P4TableEntry) -> Ends:
    """The connection that a pinning entry is for."""
    address = IPv4Address if entry.table_id == "pins_ipv4" else IPv6Address
    source, destination = address(int(entry["source"])), address(int(entry["destination"]))
    return Ends(source, int(entry["source_port"]), destination, int(entry["destination_port"]))


def _intercept(rule: Rule) -> Iterator[P4TableEntry]:
    match rule.key.match:
        case Match(in_port=int(port)):
            yield _of(rule, "cross_connect", {"ingress_port": port})
        case Match(arp_target=target) if target is not None:
            yield _of(rule, "arp_requests", {"target": target}, P4TableAction("answer_arp"))
        case Match(solicited=target) if target is not None:
            yield _of(rule, "solicitations", {"target": target}, P4TableAction("to_controller"))
        case Match(eth_dst=str(mac)):
            yield _of(rule, "gateways", {"destination": mac}, P4TableAction("to_gateway"))
        case Match(destination=network) if network is not None:
            yield _of(rule, "transit", {"ether_type": _ETHER_TYPE[network.version]}, P4TableAction("pass_on"))


def _steer(rule: Rule) -> Iterator[P4TableEntry]:
    found = rule.key.match
    if found.source is None or found.destination is None:
        return
    family, destination = f"ipv{found.source.version}", found.destination.network_address
    if found.tcp_ports is not None:
        where: dict[str, Any] = {"source": found.source.network_address, "destination": destination}
        where |= {"source_port": found.tcp_ports[0], "destination_port": found.tcp_ports[1]}
        yield _of(rule, f"pins_{family}", where)
    else:
        table = "openings" if found.tcp_syn else "steer"
        yield _of(rule, f"{table}_{family}", {"source": found.source, "destination": destination})


def _route(rule: Rule) -> Iterator[P4TableEntry]:
    source, destination = rule.key.match.source, rule.key.match.destination
    if source is not None:
        where = {"source": _masked(source)} | ({} if destination is None else {"destination": _masked(destination)})
        yield _of(rule, f"breakouts_ipv{source.version}", where, priority=rule.key.priority)
    elif destination is not None:
        yield _of(rule, f"routes_ipv{destination.version}", {"destination": destination})
    else:
        yield from _defaults(rule, "routes")


def _devices(rule: Rule) -> Iterator[P4TableEntry]:
    destination = rule.key.match.destination
    if destination is not None:
        yield _of(rule, f"devices_ipv{destination.version}", {"destination": destination.network_address})
    else:
        yield from _defaults(rule, "devices")


def _forward(rule: Rule) -> Iterator[P4TableEntry]:
    if (mac := rule.key.match.eth_dst) is not None:
        yield _of(rule, "forward", {"destination": mac})


def _defaults(rule: Rule, table: str) -> Iterator[P4TableEntry]:
    for family in ("ipv4", "ipv6"):
        yield P4TableEntry(f"{table}_{family}", action=_action(rule.actions), is_default_action=True)


def _of(
    rule: Rule, table: str, where: dict[str, Any], action: P4TableAction | None = None, priority: int = 0
) -> P4TableEntry:
    found = action or _action(rule.actions)
    return _entry(table, where, found, _metadata(rule.kind), priority, rule.idle_s * _NS)


def _entry(
    table: str, where: dict[str, Any], action: P4TableAction, metadata: bytes, priority: int = 0, idle_ns: int = 0
) -> P4TableEntry:
    return P4TableEntry(
        table,
        match=P4TableMatch(where),
        action=action,
        priority=priority,
        metadata=metadata,
        idle_timeout_ns=idle_ns,
    )


def _action(actions: tuple[Action, ...]) -> P4TableAction:
    """The action of the program that does what a rule's actions do one after the other."""
    match actions:
        case ():
            return P4TableAction("drop")
        case (Output(port),):
            return P4TableAction("output", port=port)
        case (Route(mac), Goto(Table.FORWARD)):
            return P4TableAction("route", next=mac)
        case (Route(mac), ToController(), Goto(Table.FORWARD)):
            return P4TableAction("route_and_copy", next=mac)
        case (ToAnchor(), Goto(Table.FORWARD)):
            return P4TableAction("to_anchor")
        case (Goto(Table.DEVICES),):
            return P4TableAction("to_devices")
    raise NotImplementedError(f"edge.p4 has no action for {actions}")


def _masked(network: IpNetwork) -> tuple[int, int]:
    return int(network.network_address), int(network.netmask)


def _metadata(kind: RuleClass) -> bytes:
    """The class of a rule, as measurements read it (`experiments.measurement.p4runtime`)."""
    return bytes((kind,))
