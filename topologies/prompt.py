"""Mininet's own prompt on a lab that runs, from any terminal.

`python -m topologies.prompt RUN_DIR`, run inside the lab (`registry.prompt_command` gives the whole command),
describes the lab to Mininet from its plan and opens further shells in its nodes; the lab's own process is not
disturbed, and leaving the prompt changes nothing.
"""

import json
import sys
from pathlib import Path

from mininet.cli import CLI
from mininet.log import setLogLevel

from meclab.plan import Plan
from topologies import nodes, registry


class Prompt(CLI):  # type: ignore[misc]
    """Mininet's prompt without the history file that it would leave in the user's home."""

    prompt = "lab> "

    @classmethod
    def initReadline(cls) -> None:
        """Line editing, and no file."""
        import readline  # noqa: F401 - importing it turns line editing on


def enter(plan: Plan, pids: dict[str, int]) -> nodes.LabNet:
    """Mininet's view of a lab that runs; `pids` are in its nodes' namespaces."""
    net = nodes.LabNet(len(pids) + len(plan.switches))
    for name, pid in pids.items():
        net.addHost(name, cls=nodes.EnteredHost, pid=pid, ip=None)
    nodes.describe(net, plan)
    return net


def main(run_dir: Path) -> None:
    """Runs the prompt on this terminal, or the commands of a standard input that is none."""
    setLogLevel("output")
    plan = Plan.model_validate_json((run_dir / "plan.json").read_text())
    net = enter(plan, json.loads((run_dir / registry.NODES).read_text()))
    try:
        Prompt(net)
    finally:
        net.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
