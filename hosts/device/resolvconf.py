"""The device's own /etc/resolv.conf, so that `dig` and `curl` on the device ask whom its stub asks."""

from collections.abc import Iterable
from pathlib import Path

from hosts.device.cache import Address
from meclab import settings
from meclab.model import SECOND

PATH = Path("/etc/resolv.conf")


def text(resolvers: Iterable[Address], limits: settings.Stub) -> str:
    """Its contents; resolv.conf(5) knows whole seconds only."""
    lines = [f"nameserver {address}" for address in resolvers]
    seconds = max(1, -(-limits.timeout // SECOND))
    return "\n".join([*lines, f"options timeout:{seconds} attempts:{limits.tries}", ""])


def own(node: str, mounts: str) -> Path | None:
    """The file, if the lab has bound one of this node's own over it; none otherwise: the machine's is never written.

    `mounts` is /proc/self/mountinfo (proc(5)): its fourth column is the file's path on its own file system, the
    fifth where it is mounted.
    """
    target = str(PATH.resolve())
    bound = [columns[3] for line in mounts.splitlines() if (columns := line.split())[4] == target]
    ours = bool(bound) and bound[-1].endswith(f"/meclab/etc/{node}/{PATH.name}")
    return PATH if ours else None


def write(path: Path, content: str) -> None:
    """Changes the file in place: a mounted file cannot be replaced. Raises `OSError`."""
    with path.open("r+") as file:
        file.write(content)
        file.truncate()
