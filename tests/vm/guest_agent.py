"""Runs inside the virtual machine: commands come in on standard input, a JSON line each, and answers go out likewise."""

import json
import subprocess
import sys


def run(command: list[str], timeout_s: float) -> dict[str, object]:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        return {"status": None, "output": _text(error.stdout), "errors": _text(error.stderr)}
    return {"status": done.returncode, "output": done.stdout, "errors": done.stderr}


def _text(output: bytes | None) -> str:
    return (output or b"").decode(errors="replace")


if __name__ == "__main__":
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)
