"""The control socket of a running lab."""

from pathlib import Path
from typing import Any

import pytest

from experiments.control import ControlServer, Refused, request
from meclab.errors import Problem, RunError, ScenarioError


def move(fields: dict[str, Any]) -> dict[str, Any]:
    if fields["device"] != "ue1":
        raise ScenarioError([Problem(("device",), repr(fields["device"]), "one of ue1")])
    return {"to": fields["ap"]}


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A folder whose path is longer than a socket's address may be."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    ControlServer(folder, {"move": move})
    return folder


def test_a_request_is_answered(run_dir: Path) -> None:
    assert request(run_dir, "move", device="ue1", ap="ap2") == {"to": "ap2"}


def test_a_refusal_keeps_its_words_and_its_exit_status(run_dir: Path) -> None:
    with pytest.raises(Refused, match="device: found 'ue9'; expected one of ue1") as caught:
        request(run_dir, "move", device="ue9", ap="ap2")
    assert caught.value.exit_status == 2


@pytest.mark.parametrize("fields", [{"do": "dance"}, {"do": "move"}])
def test_what_is_no_request_is_refused(run_dir: Path, fields: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="not a request of the lab"):
        request(run_dir, **fields)


def test_a_lab_that_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not answer"):
        request(tmp_path, "move", device="ue1", ap="ap2")
