"""Where a run's numbers come from: versions of everything, and what the network says of itself."""

import json
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import meclab
from experiments.processes import in_namespace

if TYPE_CHECKING:
    from topologies.network import Network  # it brings Mininet, which the command line does not need

PACKAGES = ("os-ken", "pyroute2", "pydantic", "starlette", "fastapi", "uvicorn", "dnslib", "scapy")
COMMANDS = {
    "openvswitch": ["ovs-vswitchd", "--version"],
    "dumpcap": ["dumpcap", "--version"],
    "mininet": ["mn", "--version"],
    "unbound": ["unbound", "-V"],
    "frr": ["/usr/lib/frr/zebra", "--version"],
}
OFFLOADS = ("tx-checksumming", "tcp-segmentation-offload", "generic-receive-offload", "large-receive-offload")
"""What makes a captured frame differ from one on a wire."""
_ROUTERS = ("edge", "core")
_NUMBER = re.compile(r"\d+(\.\d+)+\S*")


def versions() -> dict[str, str]:
    """Program or package to version; `not found` where it does not say."""
    found = {"meclab": meclab.VERSION}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not found"
    return found | {name: _command_version(argv) for name, argv in COMMANDS.items()}


def _command_version(argv: list[str]) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "not found"
    match = _NUMBER.search(done.stdout + done.stderr)
    return match.group() if match else "not found"


def write_network(run_dir: Path, network: "Network") -> None:
    """Writes what the network says of itself as `network.json`, in fields of the manifest, and every counter of
    links and air as `logs/links.json`."""
    stats = network.stats()
    processes = {name: part["process"] for name, part in stats.items() if "process" in part}
    qdiscs = _qdiscs(network)
    described = {
        "realtime": all(process["scheduling"] == "realtime" for process in processes.values()),
        "links_seeded": network.links.seeded,
        "calibration_ns": {
            f"{name} {cost}": process[f"{cost}_ns"]
            for name, process in processes.items()
            for cost in ("arrival", "departure")
        },
        "qdiscs": qdiscs,
        "offloads": {name: left for name in qdiscs if (left := _offloads(network, name))},
    }
    (run_dir / "network.json").write_text(json.dumps(described, indent=1))
    (run_dir / "logs" / "links.json").write_text(json.dumps(stats, indent=1))


def _qdiscs(network: "Network") -> dict[str, str]:
    """Interface to queueing disciplines, of the switches' namespace and every host's and router's."""
    commands: list[list[str]] = [[]]
    commands += [in_namespace(network.node_pid(name), []) for name in sorted(_with_namespace(network))]
    found: dict[str, str] = {}
    for command in commands:
        done = subprocess.run([*command, "tc", "-j", "qdisc", "show"], capture_output=True, text=True, check=False)
        for row in json.loads(done.stdout or "[]"):
            if row["dev"] != "lo":
                found[row["dev"]] = " ".join(filter(None, (found.get(row["dev"]), row["kind"])))
    return found


def _with_namespace(network: "Network") -> set[str]:
    """The nodes that have a network namespace of their own: hosts, and what routes."""
    routed = network.plan.method.name == "bgp-anycast"
    return {part.name for part in network.plan.nodes if part.mac is not None or (routed and part.role in _ROUTERS)}


def _offloads(network: "Network", interface: str) -> str:
    """The offloads of an interface that are on and change what a capture shows."""
    node = interface.partition("-")[0]
    inside = in_namespace(network.node_pid(node), []) if node in _with_namespace(network) else []
    done = subprocess.run([*inside, "ethtool", "-k", interface], capture_output=True, text=True, check=False)
    features = dict(line.strip().partition(": ")[::2] for line in done.stdout.splitlines())
    return " ".join(name for name in OFFLOADS if features.get(name, "").startswith("on"))


def of_network(run_dir: Path) -> dict[str, Any]:
    """What the network wrote of itself (`network.json`), as fields of the manifest; empty where it never ran."""
    try:
        return dict(json.loads((run_dir / "network.json").read_text()))
    except (OSError, ValueError):
        return {}
