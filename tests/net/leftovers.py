"""Kills one process of a sandbox and prints, as JSON, what that left behind on the machine.

Run as `leftovers.py VICTIM MOMENT RUN_DIR` in namespaces that nobody else uses: they are the machine here.
VICTIM is launcher, unshare, first or none (the sandbox ends by itself); MOMENT is a number of seconds after the
start, or `ready`.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from topologies import sandbox

LAUNCHER = """
import sys
from pathlib import Path
from topologies import sandbox
process = sandbox.start([sys.executable, "-c", sys.argv[2]], keep=[Path(sys.argv[1])])
print(process.pid, flush=True)
sys.exit(process.wait())
"""
LAB = """
import subprocess, sys
from pathlib import Path
from topologies import interfaces, namespaces, openvswitch
run_dir = Path(sys.argv[1])
with interfaces.netlink(None) as kernel:
    kernel.veth("left0", "left1")
interfaces.set_sysctls(None, interfaces.SYSCTLS_OF_SWITCHES)
switch = openvswitch.OpenVSwitch(run_dir)
switch.launch()
switch.await_ready()
openvswitch.create_bridges([openvswitch.Bridge("edge1", 1, {"left0": 1})], "user")
for path in ("/tmp/left", "/run/left", "/var/log/left", "/dev/shm/left"):
    Path(path).write_text("left behind")
namespaces.mount("tmpfs", "/mnt", "tmpfs")
orphan = "import os, signal; os.fork() or os.setsid(); signal.pause()"
node = subprocess.Popen(["unshare", "--net", "--mount", sys.executable, "-c", orphan])
(run_dir / "ready").write_text("yes")
END
"""
VOLATILE = {
    "ns_last_pid",
    "random",
    "pty",
    "nf_conntrack_count",
    "perf_event_max_sample_rate",
    "cad_pid",
    "sched_domain",
}
FOLDERS = (
    "/tmp",
    "/run",
    "/var/tmp",
    "/var/log",
    "/var/lib/openvswitch",
    "/etc/openvswitch",
    "/dev/shm",
    "/sys/fs/bpf",
    "/mnt",
)


def snapshot() -> dict[str, list[str]]:
    processes = [path for path in Path("/proc").glob("[0-9]*") if int(path.name) != os.getpid()]
    return {
        "interfaces": sorted(path.name for path in Path("/sys/class/net").iterdir()),
        "processes": sorted(text(path / "cmdline") or f"nameless {path.name}" for path in processes),
        "namespaces": sorted({link for path in Path("/proc").glob("[0-9]*/ns/*") if (link := target(path))}),
        "mounts": sorted(Path("/proc/self/mounts").read_text().splitlines()),
        "sysctls": sorted(settings()),
        "files": sorted(str(path) for folder in FOLDERS if Path(folder).is_dir() for path in Path(folder).iterdir()),
    }


def text(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def target(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def settings() -> list[str]:
    found = []
    for tree in ("net", "kernel", "fs/mqueue", "vm"):
        for path in Path("/proc/sys", tree).rglob("*"):
            if path.is_file() and not VOLATILE & set(path.parts):
                found.append(f"{path}={text(path)}")
    return found


def descendants(pid: int) -> list[int]:
    found = [pid]
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in text(path).split():
            found += descendants(int(child))
    return found


def await_(condition, what: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"timed out waiting for {what}; {snapshot()}")
        select.select([], [], [], 0.01)


def main(victim: str, moment: str, run_dir: Path) -> None:
    before = snapshot()
    lab = LAB.replace("END", "import signal; signal.pause()" if victim != "none" else "")
    lab = lab.replace("sys.argv[1]", repr(str(run_dir)))
    launcher = subprocess.Popen([sys.executable, "-c", LAUNCHER, str(run_dir), lab], stdout=subprocess.PIPE)
    if moment == "ready":
        await_((run_dir / "ready").exists, "the lab")
    else:
        select.select([], [], [], float(moment))
    everything = descendants(launcher.pid)
    if victim != "none":
        kill(victim, launcher, moment)
    await_(lambda: all(gone(pid) for pid in everything if pid != launcher.pid), "the end of the lab's processes")
    launcher.wait(20)
    assert launcher.stdout is not None
    launcher.stdout.close()
    deadline = time.monotonic() + 5  # the kernel clears up a namespace a moment after its last process
    while (after := snapshot()) != before and time.monotonic() < deadline:
        reap_orphans()
        select.select([], [], [], 0.02)
    print(json.dumps({key: sorted(set(after[key]) ^ set(before[key])) for key in before}))


def reap_orphans() -> None:
    """This is process 1 of its machine: what loses its parent becomes its child."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def kill(victim: str, launcher: subprocess.Popen, moment: str) -> None:
    if victim == "launcher":
        launcher.kill()
        return
    unshare = int(launcher.stdout.readline())
    if victim == "unshare":
        os.kill(unshare, signal.SIGKILL)
        return
    await_(lambda: sandbox.first_process(unshare) or gone(unshare), "the first process")
    sandbox.signal_first(unshare, signal.SIGKILL)


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}/cmdline").exists() or not text(Path(f"/proc/{pid}/cmdline"))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
