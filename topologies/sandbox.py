"""A lab's own namespaces: how its main process is started so that nothing is left when it ends.

    launcher ─> unshare ─> first process (PID 1, `topologies.first`) ─> main process

The network, mount, PID, IPC and UTS namespaces belong to the first process. Whoever of the launcher, `unshare`
and the first process dies, by any cause, takes the rest along, and the kernel removes every interface, mount and
process of the lab. Each step is told of the step above's death by the kernel (PR_SET_PDEATHSIG); as the parent
may have died before the child asked to be told, each checks once more after asking. A detached lab outlives its
launcher and its terminal.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from meclab.errors import RunError
from topologies import namespaces

COVERED = ("/run", "/tmp", "/var/tmp", "/var/log", "/var/lib/openvswitch", "/etc/openvswitch", "/dev/shm")
"""Directories that get an empty file system of the lab's own where they exist."""
PASSED_ON = (signal.SIGTERM, signal.SIGINT)
"""Signals that the first process passes on to the main one."""
PROJECT = Path(__file__).resolve().parent.parent
_NAMESPACES = ("--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc")


def start(
    argv: Sequence[str],
    *,
    keep: Sequence[Path] = (),
    detached: bool = False,
    log: Path | None = None,
    hostname: str = "lab",
    env: Mapping[str, str] | None = None,
    stdin: int | IO[bytes] | None = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Starts `argv` as the main process of a sandbox; the process returned is `unshare`, with the main's status.

    `keep` are paths that stay visible even below `COVERED`; the project, the interpreter and the working
    directory always do. With `log`, standard output and error go there. Unless `detached`, the sandbox dies with
    the thread that calls this, so call it from the main thread. The sandbox has a session of its own: a Ctrl-C
    on the terminal reaches the launcher only, which passes it on with `signal_first`.
    """
    lifeline, held = os.pipe()
    kept = [PROJECT, Path(sys.prefix), Path(sys.base_prefix), Path.cwd(), *keep]
    first = [sys.executable, "-m", "topologies.first", "--lifeline", f"{lifeline},{held}", "--hostname", hostname]
    for path in kept:
        first += ["--keep", os.path.abspath(path)]  # noqa: PTH100 - symlinks in it are meant to stay
    environment = {**(os.environ if env is None else env), "PYTHONPATH": _with_project(env)}
    launcher = os.getpid()

    def before_exec() -> None:
        # Blocked until the first process waits for them: none that comes earlier is lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
        if not detached:
            namespaces.die_with_parent(signal.SIGKILL)
            if os.getppid() != launcher:
                os._exit(1)

    output = log.open("ab") if log is not None else None
    try:
        return subprocess.Popen(
            ["unshare", *_NAMESPACES, "--", *first, "--", *argv],
            stdin=stdin,
            stdout=output or stdout,
            stderr=output or stderr,
            env=environment,
            pass_fds=(lifeline, held, *pass_fds),
            start_new_session=True,
            preexec_fn=before_exec,  # noqa: PLW1509 - system calls only, and asked of the main thread
        )
    finally:
        os.close(lifeline)
        os.close(held)
        if output is not None:
            output.close()


def _with_project(env: Mapping[str, str] | None) -> str:
    given = (os.environ if env is None else env).get("PYTHONPATH")
    return f"{PROJECT}:{given}" if given else str(PROJECT)


def first_process(unshare_pid: int) -> int | None:
    """The first process of a sandbox as seen from outside; none while it is not forked, or when it has ended."""
    try:
        children = Path(f"/proc/{unshare_pid}/task/{unshare_pid}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None


def signal_first(unshare_pid: int, number: int) -> bool:
    """Sends SIGTERM or SIGINT to the main process by way of the first one (`unshare` itself ignores them)."""
    if (pid := first_process(unshare_pid)) is None:
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def end(process: subprocess.Popen[bytes], wait_s: float = 10.0) -> int:
    """Asks the main process to end and, after `wait_s`, kills the sandbox; returns the exit status."""
    signal_first(process.pid, signal.SIGTERM)
    try:
        return process.wait(wait_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def require_inside() -> None:
    """Raises `RunError` unless this process runs in a sandbox, where it may build networks."""
    if b"topologies.first" not in Path("/proc/1/cmdline").read_bytes():
        raise RunError("a network is built in a sandbox only; start it with topologies.sandbox.start")
