"""Runs in the virtual machine: commands come in on standard input, one JSON object a line, and answers go out so."""

import json
import subprocess
import sys


def run(command: list[str], timeout_s: float) -> dict[str, object]:
    """What became of a command; no status where it was stopped because its time was over."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        output, errors = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        return {"status": None, "output": output, "errors": errors}
    return {"status": process.returncode, "output": output, "errors": errors}


if __name__ == "__main__":
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)
