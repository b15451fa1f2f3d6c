"""What this machine has, and which of the lab's choices follow.

Everything is tried, not guessed: in a child process with namespaces of its own that leaves nothing behind. The
kernel loads a module by itself when a queueing discipline or a datapath is asked for, if the machine has one.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import platform
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from meclab.errors import SetupError
from meclab.scenario import LinkKind
from topologies import namespaces

Datapath = Literal["kernel", "user"]
COMMANDS = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "mnexec": "mininet",
    "ovs-vswitchd": "openvswitch-switch",
    "ovsdb-server": "openvswitch-switch",
    "ovs-vsctl": "openvswitch-switch",
    "ovs-ofctl": "openvswitch-switch",
    "vtysh": "frr",
    "dumpcap": "wireshark-common",
    "mergecap": "wireshark-common",
    "editcap": "wireshark-common",
    "tshark": "tshark",
    "tcpdump": "tcpdump",
    "ip": "iproute2",
    "ifconfig": "net-tools",
    "ethtool": "ethtool",
    "ping": "iputils-ping",
    "iperf3": "iperf3",
    "irtt": "irtt",
    "curl": "curl",
    "dig": "bind9-dnsutils",
}
"""Command to the Debian package that brings it."""
_SEARCHED = os.pathsep.join(("/usr/local/sbin", "/usr/sbin", "/sbin"))
_TUNSETIFF = 0x400454CA
_IFF_TAP_NO_PI = 0x0002 | 0x1000
_BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}


@dataclass(frozen=True)
class Machine:
    """What was found."""

    root: bool
    debian: str | None
    """`12` and the like; none where this is not Debian."""
    kernel: str
    cores: int
    memory_bytes: int
    clock_source: str
    namespaces: bool
    """Whether network, mount, PID, IPC and UTS namespaces can be made."""
    tun: bool
    netem: bool
    ovs_kernel: bool
    """Whether the kernel has Open vSwitch's datapath."""
    bpf: bool
    """Whether a BPF map can be made and a bpffs mounted."""
    realtime: bool
    """Whether SCHED_FIFO is permitted."""
    missing: tuple[str, ...]
    """Commands that are not installed."""


def inspect() -> Machine:
    """Looks at the machine; takes well under a second and changes nothing."""
    tried = _in_child(_TRIALS)
    return Machine(
        root=os.geteuid() == 0,
        debian=_debian(),
        kernel=platform.release(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        clock_source=_text("/sys/devices/system/clocksource/clocksource0/current_clocksource") or "unknown",
        missing=tuple(command for command in COMMANDS if which(command) is None),
        **tried,
    )


def which(command: str) -> str | None:
    """Where a command is, the administrator's directories included."""
    return shutil.which(command, path=os.environ.get("PATH", "/usr/bin:/bin") + os.pathsep + _SEARCHED)


def choices(machine: Machine, links_kind: LinkKind) -> tuple[Literal["netem", "wire"], Datapath]:
    """The link kind and datapath to use here; raises `SetupError` with everything that lacks and its remedy."""
    lacks = list(shortcomings(machine))
    if links_kind == "netem" and not machine.netem:
        lacks.append(
            f"kernel {machine.kernel} has no netem queueing discipline: choose --links wire (user space), or a kernel "
            "that has it: apt-get install linux-image-amd64, then boot it"
        )
    if lacks:
        raise SetupError("\n".join(lacks))
    kind: Literal["netem", "wire"] = (
        "netem" if links_kind == "netem" or (links_kind == "auto" and machine.netem) else "wire"
    )
    return kind, "kernel" if machine.ovs_kernel else "user"


def shortcomings(machine: Machine) -> list[str]:
    """What keeps the lab from running here, each with the command that mends it."""
    lacks = []
    if not machine.root:
        lacks.append("the lab needs root for its namespaces: run it with sudo")
        return lacks
    if machine.debian is None and machine.missing:
        lacks.append("this is not Debian: the lab installs nothing here by itself")
    if not machine.namespaces:
        lacks.append("no namespaces can be made: run the container with --privileged, or use the Vagrantfile's VM")
    if not machine.tun:
        lacks.append("no TUN/TAP device: modprobe tun, or run the container with --device /dev/net/tun --privileged")
    if machine.missing:
        packages = " ".join(sorted({COMMANDS[command] for command in machine.missing}))
        lacks.append(f"not installed: {', '.join(machine.missing)}: apt-get install {packages}")
    return lacks


def _debian() -> str | None:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return None
    return release.get("VERSION_ID", "unknown") if release.get("ID") == "debian" else None


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def _namespaces() -> None:
    namespaces.unshare(namespaces.SANDBOX)
    namespaces.mount("none", "/", flags=namespaces.MS_REC | namespaces.MS_PRIVATE)


def _tun() -> None:
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", b"try0", _IFF_TAP_NO_PI))


def _netem() -> None:
    from pyroute2 import IPRoute  # imported in the child only: it takes 0.15 s

    with IPRoute() as route:
        route.link("add", ifname="try1", kind="veth", peer="try2")
        route.tc("add", kind="netem", index=route.link_lookup(ifname="try1")[0], delay=1000)


def _ovs_kernel() -> None:
    from pyroute2.netlink import genlmsg
    from pyroute2.netlink.generic import GenericNetlinkSocket

    with GenericNetlinkSocket() as netlink:
        netlink.bind("ovs_datapath", genlmsg)


def _bpf() -> None:
    namespaces.mount("bpf", "/sys/fs/bpf", "bpf")
    attributes = struct.pack("IIII", 1, 4, 4, 1).ljust(72, b"\0")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(_BPF_SYSCALL[platform.machine()]), 0, attributes, len(attributes)) < 0:
        raise OSError(ctypes.get_errno(), "bpf")


def _realtime() -> None:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


_TRIALS: dict[str, Callable[[], None]] = {
    "namespaces": _namespaces,
    "tun": _tun,
    "netem": _netem,
    "ovs_kernel": _ovs_kernel,
    "bpf": _bpf,
    "realtime": _realtime,
}
"""In order: those after the first run in the namespaces that it makes, or not at all."""


def _in_child(trials: dict[str, Callable[[], None]]) -> dict[str, bool]:
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        outcome = dict.fromkeys(trials, False)
        try:
            for name, trial in trials.items():
                with contextlib.suppress(Exception):
                    trial()
                    outcome[name] = True
                if not outcome["namespaces"]:
                    break
        finally:
            os.write(writing, json.dumps(outcome).encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return {name: bool(value) for name, value in json.loads(answer or b"{}").items()} or dict.fromkeys(trials, False)
