"""Whether anything is left on the machine when a lab is killed, and whether two labs meet."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from experiments.benchmarks.row import Row
from topologies import registry, sandbox

Tell = Callable[[str], None]
MOMENTS = 10
SEED = 1
_SYSCTLS = ("net/ipv4", "net/ipv6", "net/core", "kernel", "vm", "fs")
_CHANGING = ("random", "ns_last_pid", "nr_open", "inode", "dentry", "file-nr", "pty/nr", "quota", "aio-nr", "epoll")


def snapshot() -> dict[str, frozenset[str]]:
    """What a lab could leave behind: interfaces, bridges, namespaces, processes' commands, mounts, sysctls, files."""
    return {
        "interfaces": frozenset(path.name for path in Path("/sys/class/net").iterdir()),
        "network namespaces": _namespaces("net"),
        "mount namespaces": _namespaces("mnt"),
        "processes": frozenset(_lab_processes()),
        "mounts": frozenset(Path("/proc/self/mountinfo").read_text().splitlines()),
        "sysctls": frozenset(_sysctls()),
        "files": frozenset(_files()),
    }


def _namespaces(kind: str) -> frozenset[str]:
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found.add(str((entry / "ns" / kind).readlink()))
    return frozenset(found)


def _lab_processes() -> Iterator[str]:
    words = (
        "ovs",
        "mininet",
        "dumpcap",
        "topologies",
        "experiments.inside",
        "controller",
        "hosts",
        "unshare",
        "mnexec",
    )
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_text().replace("\0", " ").strip()
            if any(word in command for word in words) and int(entry.name) != os.getpid():
                yield f"{entry.name} {command}"


def _sysctls() -> Iterator[str]:
    for folder in _SYSCTLS:
        for path in sorted(Path("/proc/sys", folder).rglob("*")):
            if any(word in str(path) for word in _CHANGING):
                continue
            try:
                if path.is_file():
                    yield f"{path}={path.read_text().strip()}"
            except (OSError, UnicodeDecodeError):
                continue


def _files() -> Iterator[str]:
    for folder in (
        "/run",
        "/var/run",
        "/etc/openvswitch",
        "/var/lib/openvswitch",
        "/var/log",
        "/sys/fs/bpf",
        "/dev/shm",
    ):
        for path in Path(folder).rglob("*"):
            yield str(path)


def _start(out: Path) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "experiments", "run", "handover", "--method", "vip", "--out", str(out)]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=sandbox.PROJECT)


def _victim(launcher: subprocess.Popen[bytes], role: str, runs: Path) -> int | None:
    """The process to kill: the launcher, `unshare` (the lab's parent) or the lab's first process."""
    if role == "launcher":
        return launcher.pid
    for lab in registry.running(runs):
        return lab.unshare_pid if role == "parent" else sandbox.first_process(lab.unshare_pid)
    return None


def killed(out: Path, tell: Tell) -> Iterator[Row]:
    """`kill -9` of a lab's processes at ten random moments leaves the machine as it was."""
    chance = random.Random(SEED)
    left: list[str] = []
    for number in range(MOMENTS):
        role = ("launcher", "parent", "first process")[number % 3]
        moment_s = chance.uniform(1.0, 8.0)
        runs = out / f"killed-{number}"
        before = snapshot()
        launcher = _start(runs)
        time.sleep(moment_s)
        victim = _victim(launcher, role, runs)
        if victim is not None:
            os.kill(victim, signal.SIGKILL)
        launcher.wait(60)
        left += _differences(before)
        tell(f"  {role} killed after {moment_s:.1f} s: {len(left)} traces so far")
    yield Row(
        benchmark="isolation",
        what=f"kill -9 at {MOMENTS} random moments: interfaces, namespaces, processes, mounts, sysctls, files left",
        measured=f"{len(left)}" + (f": {'; '.join(left[:5])}" if left else ""),
        target="0",
        holds=not left,
    )


def _differences(before: dict[str, frozenset[str]]) -> list[str]:
    """What differs from a snapshot, given the kernel a few seconds to take a lab away."""
    deadline = time.monotonic() + 5
    while True:
        after = snapshot()
        found = [f"{kind}: {item}" for kind in before for item in sorted(before[kind] ^ after[kind])]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)
