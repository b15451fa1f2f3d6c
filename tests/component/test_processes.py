"""Processes that are watched."""

import sys
from pathlib import Path

import pytest

from experiments.processes import Process, await_condition, last_lines
from meclab.errors import RunError


def python(code: str, log: Path) -> Process:
    return Process("helper", [sys.executable, "-c", code], log)


def test_a_process_that_dies_is_reported_with_its_last_words(tmp_path: Path) -> None:
    process = python("import sys; print('out of coffee'); sys.exit(3)", tmp_path / "helper.log")
    death = await_condition("its death", process.death, 10)
    assert death.startswith("helper ended with status 3")
    assert "helper.log: out of coffee" in death


def test_a_process_that_runs_has_no_death_and_can_be_stopped(tmp_path: Path) -> None:
    process = python("import time; time.sleep(60)", tmp_path / "helper.log")
    assert process.death() is None
    process.stop()
    assert "status -15" in (process.death() or "")


def test_a_wait_that_is_in_vain_names_what_it_waited_for() -> None:
    with pytest.raises(RunError, match=r"not there after 0.01 s: the end of the world"):
        await_condition("the end of the world", lambda: None, 0.01)


def test_only_the_end_of_a_log_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "long.log"
    log.write_text("".join(f"line {n}\n" for n in range(100)))
    shown = last_lines(log)
    assert "line 99" in shown
    assert "line 50" not in shown
    assert "(not there)" in last_lines(tmp_path / "absent.log")
