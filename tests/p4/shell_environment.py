"""p4runtime-shell in an environment of its own (it needs an older protobuf), made once, and scripts typed into it."""

import fcntl
import os
import subprocess
from pathlib import Path

PROJECT = Path(__file__).parents[2]
REQUIREMENTS = Path(__file__).parent / "shell-requirements.txt"
ENVIRONMENT = PROJECT / ".venv" / "p4runtime-shell"
STAMP = ENVIRONMENT / "stamp"


def environment():
    """The Python of the environment; made with pip and a cache of its own where it is missing or of other pins."""
    with (PROJECT / ".venv" / ".p4runtime-shell.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not STAMP.exists() or STAMP.read_bytes() != REQUIREMENTS.read_bytes():
            _make()
    return ENVIRONMENT / "bin" / "python"


def _make():
    cache = PROJECT / ".venv" / "pip-cache"
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--clear", ENVIRONMENT], check=True, timeout=60)
    install = ["install", "--quiet", "--disable-pip-version-check", "--cache-dir", cache, "--require-hashes"]
    command = [ENVIRONMENT / "bin" / "python", "-m", "pip", *install, "-r", REQUIREMENTS]
    subprocess.run(command, check=True, timeout=300)
    STAMP.write_bytes(REQUIREMENTS.read_bytes())


def run_shell(python, script, folder, device, address, *files):
    """Types a script into the shell, as a user would; returns what it says. `files`: P4Info text and device config."""
    path = folder / "session.py"
    path.write_text(script)
    pushed = ["--config", ",".join(map(str, files))] if files else []
    done = subprocess.run(
        [
            python,
            "-m",
            "p4runtime_sh",
            "--device-id",
            str(device),
            "--grpc-addr",
            address,
            "--election-id",
            "0,1",
            *pushed,
        ],
        input=f'exec(open("{path}").read())\nexit\n',
        env={**os.environ, "IPYTHONDIR": str(folder / "ipython"), "IPY_TEST_SIMPLE_PROMPT": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and "Traceback" not in done.stdout, done.stdout + done.stderr
    return done.stdout
