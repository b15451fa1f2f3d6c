"""Runs in the virtual machine: commands come in on standard input, one JSON object a line.

An answer is a JSON object too, in pieces of one line each and an empty piece at its end: the virtual machine's port
loses what is written beyond 32 KiB at once.
"""

import json
import subprocess
import sys

PIECE = 8_000
"""Characters; escaped, they may be twice as many bytes."""


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


def answer(content: dict[str, object]) -> None:
    """Sends an answer."""
    text = json.dumps(content)
    for start in range(0, len(text), PIECE):
        print(json.dumps({"piece": text[start : start + PIECE]}), flush=True)
    print(json.dumps({"piece": ""}), flush=True)


if __name__ == "__main__":
    answer({"ready": True})
    for line in sys.stdin:
        answer(run(**json.loads(line)))
