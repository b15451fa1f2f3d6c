"""Each node's own /etc/hosts and /etc/resolv.conf, bound over the machine's in the host's mount namespace."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from meclab import routers
from meclab.errors import RunError
from meclab.plan import Plan
from topologies import namespaces

FOLDER = Path("/run/meclab/etc")
"""In the sandbox's private /run: a full run folder does not break name resolution."""


def hosts_text(plan: Plan) -> str:
    """Every host, router and device by name, and the virtual address as `vip`."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost"]
    named = [(node.name, node.ipv4, node.ipv6) for node in plan.nodes]
    if routers.applies(plan):
        named += [(name, *pair) for name, pair in routers.loopbacks(plan).items()]
    named += [(device.name, device.ipv4, device.ipv6) for device in plan.devices]
    for name, ipv4, ipv6 in (*named, ("vip", plan.vip_ipv4, plan.vip_ipv6)):
        if ipv4 is not None:
            lines += [f"{ipv4} {name}", f"{ipv6} {name}"]
    return "\n".join(lines) + "\n"


def bind(pids: Mapping[str, int], hosts: str, resolver: str = "# no resolver in this scenario\n") -> None:
    """Gives each of these nodes files of its own with these contents; `pids` are in their mount namespaces."""
    targets = [target for name in ("hosts", "resolv.conf") if (target := Path("/etc", name).resolve()).exists()]
    contents = {Path("/etc/hosts").resolve(): hosts, Path("/etc/resolv.conf").resolve(): resolver}
    for name in pids:
        (FOLDER / name).mkdir(parents=True, exist_ok=True)
        for target in targets:
            (FOLDER / name / target.name).write_text(contents[target])
    in_mount_namespaces(pids, lambda name: [(FOLDER / name / target.name, target) for target in targets])


def in_mount_namespaces(pids: Mapping[str, int], mounts: Callable[[str], list[tuple[Path, Path]]]) -> None:
    """Binds paths over others in the mount namespace of each node; `mounts` gives a node's (source, target).

    Entering a mount namespace asks for a process with one thread; a child is that, and goes with its work.
    """
    sys.stdout.flush()
    if (child := os.fork()) == 0:
        status = 1
        try:
            for name, pid in pids.items():
                namespaces.enter(pid, "mnt")
                for source, target in mounts(name):
                    namespaces.mount(str(source), str(target), flags=namespaces.MS_BIND)
            status = 0
        except OSError as error:
            os.write(2, f"{error}\n".encode())
        finally:
            os._exit(status)
    if os.waitpid(child, 0)[1] != 0:
        raise RunError(f"files of their own could not be bound at {', '.join(pids)}")
