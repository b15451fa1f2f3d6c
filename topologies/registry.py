"""Which labs run on this machine, and how to enter one from another terminal.

A lab's run folder holds `lab.json`, which names its `unshare` process by number and start time, and `nodes.json`,
which names a process in each node's namespaces. A lock whose process is gone, or is another one by now, is stale
and counts for nothing.
"""

import difflib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from meclab.errors import LabError, RunError
from meclab.plan import ROOT
from topologies import sandbox

LOCK = "lab.json"
NODES = "nodes.json"


class NoSuchLab(LabError):
    """There is no running lab, or no node, of that name."""

    exit_status = 2


@dataclass(frozen=True)
class Lab:
    """A lab that was started."""

    scenario: str
    run_dir: Path
    unshare_pid: int
    started: int
    """Start time of the `unshare` process in clock ticks since boot."""
    boot: str
    """The boot that `started` counts from."""

    @property
    def is_alive(self) -> bool:
        return self.boot == boot_id() and start_time(self.unshare_pid) == self.started


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> int | None:
    """Start time of a living process in clock ticks since boot (proc(5), field 22 of stat)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def enlist(run_dir: Path, scenario: str, unshare_pid: int) -> Lab:
    """Writes a lab's lock into its run folder; raises `RunError` where its process has ended already."""
    started = start_time(unshare_pid)
    if started is None:
        raise RunError(f"the lab in {run_dir} ended before it was ready")
    lab = Lab(scenario, run_dir.resolve(), unshare_pid, started, boot_id())
    _write(run_dir / LOCK, {**asdict(lab), "run_dir": str(lab.run_dir)})
    return lab


def strike(run_dir: Path) -> None:
    """Takes a lab off the list when it has ended."""
    (run_dir / LOCK).unlink(missing_ok=True)


def running(runs_dir: Path) -> list[Lab]:
    """The live labs whose run folders lie up to two levels below a folder, oldest first."""
    locks = [lock for depth in ("", "*/", "*/*/") for lock in runs_dir.glob(depth + LOCK)]
    labs = [lab for lock in locks if (lab := _read(lock)) is not None and lab.is_alive]
    return sorted(labs, key=lambda lab: lab.started)


def find(runs_dir: Path, name: str | None = None) -> Lab:
    """The one live lab, or the one of that scenario or run folder; raises `NoSuchLab`."""
    labs = running(runs_dir)
    if name is not None:
        matching = [lab for lab in labs if name in (lab.scenario, lab.run_dir.name, str(lab.run_dir))]
    else:
        matching = labs
    if len(matching) == 1:
        return matching[0]
    listed = ", ".join(f"{lab.scenario} ({lab.run_dir.name})" for lab in labs) or "none"
    if not matching:
        raise NoSuchLab(
            f"no lab {name + ' ' if name else ''}is running (running: {listed}); start one with: ./lab up SCENARIO"
        )
    raise NoSuchLab(f"more than one lab matches; name one with --lab, by its run folder: {listed}")


def write_nodes(run_dir: Path, pids: Mapping[str, int]) -> None:
    """Writes which process (by its number inside the lab) is in each node's namespaces."""
    _write(run_dir / NODES, dict(pids))


def node_pid(lab: Lab, node: str) -> int | None:
    """A process in a node's namespaces, by its number inside the lab; none for the root namespace and switches."""
    try:
        pids = json.loads((lab.run_dir / NODES).read_text())
    except OSError as error:
        raise RunError(f"the lab in {lab.run_dir} has no nodes yet") from error
    if node == ROOT:
        return None
    if node not in pids:
        close = difflib.get_close_matches(node, pids, n=1)
        hint = f"; did you mean {close[0]}?" if close else f"; one of {', '.join([*pids, ROOT])}"
        raise NoSuchLab(f"no node {node} in this lab{hint}")
    pid: int | None = pids[node]
    return pid


def enter_command(lab: Lab, pid: int | None, argv: Sequence[str], directory: Path | None = None) -> list[str]:
    """The command that runs `argv` in a lab, and there in the network and mount namespaces of process `pid`.

    The exit status and the terminal are the command's own. It starts in `directory` where that exists in the
    lab, else in `/`.
    """
    if (first := sandbox.first_process(lab.unshare_pid)) is None:
        raise NoSuchLab(f"the lab in {lab.run_dir} has ended")
    shell = ["sh", "-c", 'cd "$0" 2>/dev/null || cd /; exec "$@"', str(directory or Path.cwd()), *argv]
    node = [] if pid is None else ["nsenter", f"--target={pid}", "--net", "--mount", "--"]
    return ["nsenter", f"--target={first}", "--mount", "--uts", "--ipc", "--net", "--pid", "--", *node, *shell]


def prompt_command(lab: Lab) -> list[str]:
    """The command that runs Mininet's prompt on a lab, on the terminal that it is run from."""
    prompt = [sys.executable, "-m", "topologies.prompt", str(lab.run_dir)]
    return enter_command(lab, None, ["env", f"PYTHONPATH={sandbox.PROJECT}", *prompt])


def _write(path: Path, content: Mapping[str, object]) -> None:
    """Whole or not at all: a reader never sees half a file."""
    scratch = path.with_suffix(".part")
    scratch.write_text(json.dumps(content, indent=1) + "\n")
    scratch.replace(path)


def _read(lock: Path) -> Lab | None:
    try:
        content = json.loads(lock.read_text())
        return Lab(**{**content, "run_dir": Path(content["run_dir"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
