"""One short run of every method, shared by the tests that look at it from different sides."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
MOVES = ["--set", "events.0.handovers.times=2", "--set", "duration=9500ms", "--set", "expect=[]"]
"""Two moves of the main scenario, each with time for every method's bound."""


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The public result of a run of every method, by `method` or `method:variant`; `run_dir` is its folder."""
    out = tmp_path_factory.mktemp("runs")
    argv = [sys.executable, "-m", "experiments", "run", "handover", *MOVES, "--json", "--out", str(out)]
    done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, timeout=580, check=False)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {f"{row['method']}:{row['variant']}" if row["variant"] else row["method"]: row for row in rows}
