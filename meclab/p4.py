"""Switches that run a P4 program: where their control plane is reached."""

from dataclasses import dataclass
from ipaddress import IPv4Address

from meclab.packets import P4RUNTIME_PORT
from meclab.plan import Plan

FOLDER = "p4"
"""In a run's folder: the compiled program, its sources beside it."""
BMV2_INFO, BMV2_PROGRAM = "bmv2.p4info.txtpb", "bmv2.json"
"""There, for BMv2: what its controller brings to each switch."""
CPU_PORT = 510
"""Where the program has packets for the controller (`CPU_PORT` in `dataplane/programs/headers.p4`)."""


@dataclass(frozen=True)
class Endpoint:
    """Where a switch serves P4Runtime: the switches' side of the management link, a port each."""

    address: IPv4Address
    port: int
    device_id: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


def endpoints(plan: Plan) -> dict[str, Endpoint]:
    """Every switch by name, in order of the plan."""
    address = plan.management.ipv4_switches
    return {
        node.name: Endpoint(address, P4RUNTIME_PORT + number, node.dpid or 0)
        for number, node in enumerate(plan.switches)
    }
