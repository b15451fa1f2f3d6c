"""The operator's recursive resolver: Unbound, started with a configuration made from the plan, and watched."""

import logging
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from dnslib import DNSRecord

from hosts.naming import unbound
from hosts.naming.unbound import Resolver
from hosts.program import Context
from hosts.system import linux
from meclab.errors import RunError, SetupError

log = logging.getLogger(__name__)
_PATH: Final = f"{os.defpath}:/usr/sbin:/sbin"
_START_S: Final = 15.0
_ASK_S: Final = 0.2
_AGAIN_S: Final = 0.01
_ANSWER_BYTES: Final = 4_096


def main(context: Context) -> int:
    """Serves until SIGTERM."""
    return run(unbound.of_plan(context.plan), context.run_dir / "logs", context.node, context.ready)


def run(resolver: Resolver, folder: Path, name: str, ready: Callable[[], None]) -> int:
    """Runs Unbound until SIGTERM; its end is the program's, and so are its last words: they share the log."""
    process = start(resolver, folder, name)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    await_answers(process, resolver.listen)
    log.info("Unbound answers on %s; %s", ", ".join(resolver.listen), limits(resolver))
    ready()
    status = process.wait()
    log.info("Unbound ended with status %d", status)
    return status


def start(resolver: Resolver, folder: Path, name: str) -> subprocess.Popen[bytes]:
    """Unbound as a child that ends with this process; its configuration is kept in `folder`.

    Raises `SetupError` where it is not installed.
    """
    binary = shutil.which("unbound", path=_PATH)
    if binary is None:
        raise SetupError("unbound is not installed; `apt-get install unbound` brings it")
    root_file, configuration = folder / f"{name}-root.zone", folder / f"{name}-unbound.conf"
    root_file.write_text(unbound.root_zone(resolver))
    configuration.write_text(unbound.configuration(resolver, str(root_file)))
    parent = os.getpid()
    return subprocess.Popen(
        [binary, "-d", "-p", "-c", str(configuration)],
        stdin=subprocess.DEVNULL,
        preexec_fn=lambda: linux.die_with_parent(parent, signal.SIGKILL),  # noqa: PLW1509 - one thread, system calls
    )


def await_answers(process: subprocess.Popen[bytes], addresses: Sequence[str], seconds: float = _START_S) -> None:
    """Returns once it answers on every `ADDRESS@PORT`; raises `RunError` where it ended or takes too long."""
    deadline = time.monotonic() + seconds
    for address in addresses:
        while not _answers(address):
            if (status := process.poll()) is not None:
                raise RunError(f"unbound ended with status {status} before it answered")
            if time.monotonic() > deadline:
                raise RunError(f"unbound does not answer on {address} after {seconds:g} s")
            time.sleep(_AGAIN_S)


def _answers(listen: str) -> bool:
    """Whether the resolver answers for the root, which it knows without asking anybody."""
    address, _, port = listen.partition("@")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    question = bytes(DNSRecord.question(".", "SOA").pack())
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(_ASK_S)
        try:
            client.connect((address, int(port)))
            client.send(question)
            return client.recv(_ANSWER_BYTES)[:2] == question[:2]
        except OSError:
            return False


def limits(resolver: Resolver) -> str:
    """What bounds the resolver's cache, in words."""
    if resolver.subnets is None:
        stale = "expired answers while the authority is silent" if resolver.serve_stale else "no expired answers"
        return f"no client subnets; {stale}"
    subnets = resolver.subnets
    return (
        f"client subnets for {resolver.zone} up to /{subnets.ipv4_bits} and /{subnets.ipv6_bits}; {subnets.most} of "
        "them kept for each name, type and family, beyond that the one unused for longest goes, others when their TTL "
        f"is over; failures are kept for {unbound.FAILURE_CACHED_S} s"
    )
