"""Where a run's numbers come from: versions of everything, and what the network says of itself."""

import json
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import meclab

PACKAGES = ("os-ken", "pyroute2", "pydantic", "starlette", "uvicorn", "scapy")
COMMANDS = {
    "openvswitch": ["ovs-vswitchd", "--version"],
    "dumpcap": ["dumpcap", "--version"],
    "mininet": ["mn", "--version"],
}
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
    except OSError:
        return "not found"
    match = _NUMBER.search(done.stdout + done.stderr)
    return match.group() if match else "not found"


def of_network(run_dir: Path) -> dict[str, Any]:
    """What the network wrote of itself (`network.json`), as fields of the manifest; empty where it never ran."""
    try:
        return dict(json.loads((run_dir / "network.json").read_text()))
    except (OSError, ValueError):
        return {}
