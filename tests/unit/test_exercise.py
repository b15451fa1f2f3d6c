"""An exercise's verdict: the first check that does not hold, in one sentence with a hint."""

from pathlib import Path
from typing import Any

import pytest
from report_runs import write_run

from experiments import exercise
from experiments.report import run
from meclab.errors import InputError


def one(*checks: dict[str, Any]) -> exercise.Exercise:
    made = exercise.Checks.model_validate(
        {"title": "try", "minutes": 30, "checks": [{"hint": "look", **c} for c in checks]}
    )
    return exercise.Exercise(9, Path("nowhere"), made)


def judged(tmp_path: Path, check: dict[str, Any], predictions: dict[str, float] | None = None) -> exercise.Verdict:
    write_run(tmp_path / "run", "vip:immediate", steer_ms=20.0)
    return exercise.judge(one(check), predictions or {}, [run.read(tmp_path / "run")])


def test_all_checks_that_hold_are_a_pass(tmp_path: Path) -> None:
    verdict = judged(tmp_path, {"methods": ["vip:immediate"]})
    assert verdict.passed and verdict.sentence == "PASS: try: all 1 checks hold."


@pytest.mark.parametrize(
    ("check", "predictions", "sentence"),
    [
        ({"methods": ["vip:immediate", "ecs"]}, {}, "FAIL: the scenario does not compare ecs."),
        (
            {"expect": {"metric": "steer_ms", "at_most": 10}},
            {},
            "FAIL: vip-immediate: every steer_ms at most 10 was expected, but found 20.",
        ),
        (
            {"expect": {"metric": "steer_ms", "method": "ecs", "at_most": 10}},
            {},
            "FAIL: no run says anything about steer_ms.",
        ),
        (
            {"predicted": {"key": "steer", "metric": "steer_ms", "within": "10%"}},
            {"steer": 30.0},
            "FAIL: you predicted 30 for steer, but steer_ms with vip immediate was 20.0.",
        ),
        (
            {"predicted": {"key": "steer", "metric": "steer_ms", "within": "10%"}},
            {},
            "FAIL: answers.yaml has no number for steer.",
        ),
    ],
)
def test_the_first_check_that_does_not_hold_is_told_with_its_hint(
    tmp_path: Path, check: dict[str, Any], predictions: dict[str, float], sentence: str
) -> None:
    verdict = judged(tmp_path, check, predictions)
    assert (verdict.passed, verdict.sentence, verdict.hint) == (False, sentence, "look")


def test_a_prediction_may_be_off_by_the_share_that_the_check_gives(tmp_path: Path) -> None:
    check = {"predicted": {"key": "steer", "metric": "steer_ms", "within": "10%"}}
    assert judged(tmp_path, check, {"steer": 22.0}).passed
    assert not judged(tmp_path, check, {"steer": 22.1}).passed


def test_without_a_metric_the_probes_round_trip_is_meant(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    (tmp_path / "run" / "tables" / "probes.csv").write_text("device,rtt_ms\nue1,7.0\nue1,\nue1,9.0\n")
    assert exercise.probe_rtt_ms(run.read(tmp_path / "run")) == 8.0


def test_an_answer_that_is_no_number_is_named(tmp_path: Path) -> None:
    (tmp_path / "answers.yaml").write_text("rtt: fast\n")
    with pytest.raises(InputError, match=r"answers\.yaml: rtt: found 'fast'; expected a number"):
        exercise.answers(tmp_path)


def test_an_answer_left_empty_is_none_given(tmp_path: Path) -> None:
    (tmp_path / "answers.yaml").write_text("rtt:\nother: 3\n")
    assert exercise.answers(tmp_path) == {"other": 3.0}


def test_every_exercise_has_a_task_that_says_what_a_class_needs() -> None:
    for found in exercise.every():
        for heading in ("**Goal:**", "**Time:**", "## Run it", "## Predict", "## Change something"):
            assert heading in found.task, f"{heading} in exercise {found.number}"
        assert "Wireshark" in found.task and "## Troubleshooting" in found.task
        for state in ("starter", "solution"):
            exercise.answers(found.folder / state)


def test_an_unknown_exercise_is_refused() -> None:
    with pytest.raises(InputError, match=r"exercise: found 77; expected one of 1, 2, 3"):
        exercise.find(77)
