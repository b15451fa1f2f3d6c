"""Whom the orchestrator tells, by method: names, what kind of interface they have, and where it is."""

from dataclasses import dataclass
from typing import Literal

from meclab import packets, routers
from meclab.methods import BY_NAME
from meclab.plan import Plan

Kind = Literal["controller", "mepm", "smf", "serving", "router"]
_OWN = "127.0.0.1"
"""What runs on the operations host, beside the orchestrator."""
CONTROLLER, MEPM, SMF, UALCMP, FRONT = "controller", "mepm", "smf", "ualcmp", "front"


@dataclass(frozen=True)
class Recipient:
    """One that is told over HTTP; devices are told by datagram (`meclab.messages.Notice`)."""

    name: str
    kind: Kind
    address: str
    port: int


def of(plan: Plan) -> tuple[Recipient, ...]:
    """Every recipient of a plan's method."""
    method = plan.method.name
    found = [] if method == "bgp-anycast" else [Recipient(CONTROLLER, "controller", _OWN, packets.NORTHBOUND_PORT)]
    if method in BY_NAME:
        found.append(Recipient(MEPM, "mepm", _OWN, packets.MEPM_PORT))
    if method == "easdf":
        found.append(Recipient(SMF, "smf", str(plan.address(SMF)), packets.NSMF_PORT))
    if method == "http-redirect":
        names = (FRONT, *(node.name for node in plan.mec_hosts))
        found += [Recipient(name, "serving", str(plan.address(name)), packets.SERVING_PORT) for name in names]
    if method == "devapp":
        found.append(Recipient(UALCMP, "serving", _OWN, packets.UALCMP_PORT))
    if method == "bgp-anycast":
        found += _routers(plan)
    return tuple(found)


def _routers(plan: Plan) -> list[Recipient]:
    """The edges, by the addresses on their `lo`."""
    speakers = routers.speakers(plan)
    found = []
    for name in (node.name for node in plan.by_role("edge")):
        loopback = speakers[name].loopback[0 if plan.family == "ipv4" else 1]
        found.append(Recipient(name, "router", str(loopback), packets.ROUTER_PORT))
    return found
