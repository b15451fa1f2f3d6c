"""The exercises on real traffic: what a class starts with fails, the solution passes."""

import subprocess
import sys
from pathlib import Path

import pytest

from experiments import exercise

PROJECT = Path(__file__).parents[2]
pytestmark = [pytest.mark.net, pytest.mark.timeout(240)]


def check(number: int, folder: Path, out: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "experiments", "exercise", "check", str(number), "--folder", str(folder)]
    return subprocess.run([*argv, "--out", str(out)], cwd=PROJECT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("one", exercise.every(), ids=lambda one: one.folder.name)
def test_the_starter_fails_with_a_hint(one: exercise.Exercise, tmp_path: Path) -> None:
    done = check(one.number, one.folder / "starter", tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAIL: " in done.stdout and "Hint: " in done.stdout


@pytest.mark.parametrize("one", exercise.every(), ids=lambda one: one.folder.name)
def test_the_solution_passes(one: exercise.Exercise, tmp_path: Path) -> None:
    done = check(one.number, one.folder / "solution", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS: " in done.stdout
