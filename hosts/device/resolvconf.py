"""The device's own /etc/resolv.conf, so that `dig` and `curl` on the device ask whom its stub asks."""

import logging
from collections.abc import Iterable
from pathlib import Path

from hosts.device.cache import Address
from meclab import settings
from meclab.model import SECOND

log = logging.getLogger(__name__)
PATH = Path("/etc/resolv.conf")


class ResolvConf:
    """The file, where the device has one of its own."""

    def __init__(self, path: Path | None, limits: settings.Stub) -> None:
        self._path = path
        self._limits = limits

    def write(self, *resolvers: Address | None) -> None:
        """Names these resolvers, in place: a mounted file cannot be replaced. Without a resolver it stays as it is."""
        addresses = [address for address in resolvers if address is not None]
        if self._path is None or not addresses:
            return
        try:
            with self._path.open("r+") as file:
                file.write(text(addresses, self._limits))
                file.truncate()
        except OSError as error:
            log.warning("%s could not be written: %s", self._path, error)


def text(resolvers: Iterable[Address], limits: settings.Stub) -> str:
    """Its contents; resolv.conf(5) knows whole seconds only."""
    lines = [f"nameserver {address}" for address in resolvers]
    seconds = max(1, -(-limits.timeout // SECOND))
    return "\n".join([*lines, f"options timeout:{seconds} attempts:{limits.tries}", ""])


def own(node: str, mounts: str | None = None) -> Path | None:
    """The file, if the lab has bound one of this node's own over it; none otherwise: the machine's is never written.

    `mounts` is /proc/self/mountinfo (proc(5)): its fourth column is the file's path on its own file system, the
    fifth where it is mounted.
    """
    lines = (Path("/proc/self/mountinfo").read_text() if mounts is None else mounts).splitlines()
    target = PATH.resolve()
    bound = [columns[3] for line in lines if (columns := line.split())[4] == str(target)]
    ours = bool(bound) and bound[-1].endswith(f"/meclab/etc/{node}/{target.name}")
    return PATH if ours else None
