"""The P4 program of a run, compiled into the run's folder before its switches start."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from meclab import p4
from meclab.errors import InputError, SetupError
from meclab.plan import Plan
from topologies import machine, sandbox

OWN = sandbox.PROJECT / "dataplane" / "programs" / "edge.p4"
_SECONDS = 120
_NEEDED = {
    "ebpf": {"clang": "apt-get install clang"},
    "bmv2": {
        "simple_switch_grpc": "build it from https://github.com/p4lang/behavioral-model",
        "p4c-bm2-ss": "build it from https://github.com/p4lang/p4c",
    },
}
"""Target to the commands that it needs, each with what brings it."""


def require(plan: Plan) -> None:
    """Raises `SetupError` with everything that the machine lacks for a plan's P4 target, and its remedy."""
    if plan.dataplane != "p4":
        return
    needed = _NEEDED[plan.p4.target]
    lacks = [f"{command}: {remedy}" for command, remedy in needed.items() if machine.which(command) is None]
    if lacks and plan.p4.target == "bmv2":
        lacks.append("or leave --p4-target bmv2 out: the lab's own switch needs none of this")
    if lacks:
        raise SetupError(f"dataplane p4 with target {plan.p4.target} is not installed here\n" + "\n".join(lacks))


def build(plan: Plan, run_dir: Path) -> None:
    """Compiles a plan's program into its run's folder; raises `InputError` with what the compiler says of it."""
    if plan.dataplane != "p4":
        return
    folder = run_dir / p4.FOLDER
    folder.mkdir()
    program = Path(plan.p4.program) if plan.p4.program else OWN
    argv = _bmv2(program, folder) if plan.p4.target == "bmv2" else _ebpf(program, folder)
    done = subprocess.run(argv, cwd=sandbox.PROJECT, capture_output=True, text=True, check=False, timeout=_SECONDS)
    if done.returncode == SetupError.exit_status:
        raise SetupError(done.stderr.strip())
    if done.returncode != 0:
        raise InputError(f"{program} does not compile\n{(done.stderr or done.stdout).strip()}")
    shutil.copy(program, folder)


def _ebpf(program: Path, folder: Path) -> Sequence[str]:
    return [sys.executable, "-m", "dataplane", "compile", str(program), "-I", str(OWN.parent), "-o", str(folder)]


def _bmv2(program: Path, folder: Path) -> Sequence[str]:
    info = ["--p4runtime-files", str(folder / p4.BMV2_INFO)]
    return ["p4c-bm2-ss", "-I", str(OWN.parent), *info, "-o", str(folder / p4.BMV2_PROGRAM), str(program)]
