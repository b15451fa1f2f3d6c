"""A virtual machine with Debian's kernel, booted once for all tests that want it.

It sees this machine's files (virtme-ng), read-only or with its changes in its own memory, and has no network. Without
hardware virtualization everything in it takes about ten times longer than here.
"""

import json
import os
import platform
import queue
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
BOOT_S = 240.0


@dataclass(frozen=True)
class Done:
    """What became of a command in the virtual machine."""

    status: int | None
    """None where it was stopped because its time was over."""
    output: str
    errors: str


class Guest:
    """A running virtual machine that takes commands."""

    def __init__(self, kernel: Path, log: Path) -> None:
        shared = {"usr": Path("/usr"), "project": PROJECT}
        drives = " ".join(
            f"-virtfs local,path={path},mount_tag={tag},security_model=none,readonly=on,multidevs=remap"
            for tag, path in shared.items()
        )
        argv = [str(Path(sys.executable).with_name("vng")), "--run", str(kernel), "--disable-kvm"]
        argv += ["--cpus", "2", "--memory", "2G", f"--qemu-opts={drives}"]
        argv += ["--", "sh", shlex.quote(str(Path(__file__).with_name("guest.sh"))), shlex.quote(str(PROJECT))]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin", "/sbin"])
        self._log = log
        self._lines: queue.Queue[str] = queue.Queue()
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                argv,
                cwd=PROJECT,
                env=os.environ | {"PATH": path},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        threading.Thread(target=self._read, daemon=True).start()
        self._answer(BOOT_S)

    def run(self, command: list[str], timeout_s: float = 60.0) -> Done:
        """Runs a command in the project's folder, as root."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"command": command, "timeout_s": timeout_s}) + "\n")
        self._process.stdin.flush()
        return Done(**self._answer(timeout_s + 30.0))

    def text(self, path: Path) -> str:
        """A file in the virtual machine."""
        done = self.run(["cat", str(path)])
        assert done.status == 0, done.errors
        return done.output

    def stop(self) -> None:
        """Its first command ends with its input, and the machine with it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, 9)
            self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):  # and not what the machine's start prints
                self._lines.put(line)
        self._lines.put("")

    def _answer(self, timeout_s: float) -> dict[str, Any]:
        text = ""
        while True:
            try:
                line = self._lines.get(timeout=timeout_s)
            except queue.Empty:
                line = ""
            if not line:
                raise RuntimeError(f"the virtual machine does not answer; it said:\n{self._log.read_text()[-2000:]}")
            if not (piece := json.loads(line)["piece"]):
                answer: dict[str, Any] = json.loads(text)
                return answer
            text += piece


@pytest.fixture(scope="session")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    if platform.machine() != "x86_64":
        pytest.skip("the virtual machine is for x86-64 only")
    kernels = sorted(Path("/boot").glob("vmlinuz-*-amd64"))
    assert kernels, "no kernel in /boot: apt-get install linux-image-amd64 (./lab test does)"
    machine = Guest(kernels[-1], tmp_path_factory.mktemp("vm") / "boot.log")
    yield machine
    machine.stop()
