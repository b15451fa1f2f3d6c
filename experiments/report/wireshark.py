"""Display filters that fit a run, to see in Wireshark what the report tells."""

from collections.abc import Sequence
from dataclasses import dataclass

from meclab.packets import MARKER_PORT, PROBE_PORT
from meclab.plan import Plan


@dataclass(frozen=True)
class Filter:
    """A display filter and what it shows."""

    purpose: str
    text: str


def filters(plans: Sequence[Plan]) -> tuple[Filter, ...]:
    """Markers, the traffic to the servers that the clients use, and the controller's rules."""
    servers: dict[str, None] = {}
    for plan in plans:
        for device in plan.devices:
            address = device.server_ipv4 if plan.family == "ipv4" else device.server_ipv6
            field = "ip.addr" if plan.family == "ipv4" else "ipv6.addr"
            servers[f"{field} == {address}"] = None
    vip = any(plan.method.name == "vip" for plan in plans)
    whose = "the virtual address" if vip and len(servers) == 1 else "the servers' addresses"
    return (
        Filter(
            "instants of the run: attach, detach, decision (the packet comment says which)",
            f"udp.port == {MARKER_PORT}",
        ),
        Filter(f"application traffic, by {whose}", " || ".join(list(servers)[:4]) or f"udp.port == {PROBE_PORT}"),
        Filter("rules that the controller sends to the switches (OpenFlow FLOW_MOD)", "openflow_v4.type == 14"),
    )
