"""Exercises for classes: what a student hands in, and whether it is right.

An exercise is a folder of `experiments/labs/`: `README.md` (the task), `check.yaml` (what must hold), and `starter` and
`solution`, each with a `scenario.yaml` and an `answers.yaml`. A student works on a copy of the starter.
"""

import csv
import os
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from experiments import wireshark, yaml_source
from experiments.measurement import hops
from experiments.report.run import Run
from meclab import check, expectations
from meclab.errors import InputError
from meclab.methods import Method, MethodField
from meclab.model import Model, Name
from meclab.quantity import Fraction
from meclab.scenario import Expectation, Metric

FOLDER = Path(__file__).parent / "labs"
SCENARIO, ANSWERS, CHECK = "scenario.yaml", "answers.yaml", "check.yaml"


class Predicted(Model):
    """A number that the student predicted, against what was measured."""

    key: str
    """In `answers.yaml`."""
    metric: Metric | None = None
    """Median over the handovers; without it the median probe RTT of the whole run, in ms."""
    hop: tuple[Name, Name] | None = None
    """Two switches: the median time from one to the next, by the stamps of the probes that MEC hosts got, in ms."""
    method: MethodField | None = None
    """The first method of the scenario where it is left out."""
    within: Fraction
    """Share of the measured value by which the prediction may be off."""


class Captured(Model):
    """How many packets of a capture a display filter must show."""

    file: str
    filter: str
    method: MethodField | None = None
    at_most: int | None = None
    at_least: int | None = None

    @model_validator(mode="after")
    def _bounded(self) -> "Captured":
        if self.at_most is None and self.at_least is None:
            raise ValueError("at_most or at_least")
        return self


class Check(Model):
    """One thing that must hold; exactly one of `methods`, `expect`, `predicted`, `captured`."""

    hint: str
    methods: tuple[MethodField, ...] | None = None
    """Methods that the scenario must compare, at least."""
    expect: Expectation | None = None
    predicted: Predicted | None = None
    captured: Captured | None = None


class Checks(Model):
    """`check.yaml`."""

    title: str
    minutes: Annotated[int, Field(ge=5, le=240)]
    checks: Annotated[tuple[Check, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Exercise:
    """One exercise."""

    number: int
    folder: Path
    checks: Checks

    @property
    def task(self) -> str:
        """The task, as Markdown."""
        return (self.folder / "README.md").read_text()


@dataclass(frozen=True)
class Verdict:
    """What became of the first check that does not hold, or of all."""

    passed: bool
    sentence: str
    hint: str = ""


def every() -> list[Exercise]:
    """The exercises, by number."""
    return [_read(folder) for folder in sorted(FOLDER.glob("[0-9]*"))]


def find(number: int) -> Exercise:
    """One exercise; raises `InputError` where there is none of that number."""
    found = {exercise.number: exercise for exercise in every()}
    if number not in found:
        raise InputError(f"exercise: found {number}; expected {check.nearest(str(number), map(str, found))}")
    return found[number]


def _read(folder: Path) -> Exercise:
    checks = Checks.model_validate(yaml_source.plain(yaml_source.parse(folder / CHECK)))
    return Exercise(int(folder.name.partition("-")[0]), folder, checks)


def answers(folder: Path) -> dict[str, float]:
    """The student's predictions; raises `InputError` for what is no number, where it stands."""
    path = folder / ANSWERS
    content = yaml_source.plain(yaml_source.parse(path))
    for key, value in content.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise InputError(f"{path}: {key}: found {value!r}; expected a number, such as 12.5")
    return {key: float(value) for key, value in content.items() if value is not None}


def judge(exercise: Exercise, predictions: Mapping[str, float], runs: Sequence[Run]) -> Verdict:
    """The first check that does not hold, in words."""
    for one in exercise.checks.checks:
        if (wrong := _wrong(one, predictions, runs)) is not None:
            return Verdict(False, f"FAIL: {wrong}.", one.hint)
    return Verdict(True, f"PASS: {exercise.checks.title}: all {len(exercise.checks.checks)} checks hold.")


def _wrong(one: Check, predictions: Mapping[str, float], runs: Sequence[Run]) -> str | None:
    """Why a check does not hold; none if it does."""
    if one.methods is not None:
        missing = [method.label for method in one.methods if _run_of(runs, method) is None]
        return f"the scenario does not compare {' and '.join(missing)}" if missing else None
    if one.expect is not None:
        return _unexpected(one.expect, runs)
    if one.predicted is not None:
        return _mispredicted(one.predicted, predictions, runs)
    assert one.captured is not None, "one of the four"
    return _uncaptured(one.captured, runs)


def _unexpected(expected: Expectation, runs: Sequence[Run]) -> str | None:
    judged = [
        verdict
        for run in runs
        if run.plan is not None
        for verdict in expectations.judge([expected], run.plan.method, [h.model_dump() for h in run.handovers])
    ]
    if not judged:
        return f"no run says anything about {expected.metric}"
    return next((f"{v.statement} was expected, but found {v.found}" for v in judged if not v.holds), None)


def _mispredicted(asked: Predicted, predictions: Mapping[str, float], runs: Sequence[Run]) -> str | None:
    if (run := _run_of(runs, asked.method)) is None:
        return f"the scenario has no run with {asked.method.label if asked.method else 'any method'}"
    if asked.hop is not None:
        measured, what = _hop(run, *asked.hop), f"the median from {asked.hop[0]} to {asked.hop[1]}"
    else:
        measured = probe_rtt_ms(run) if asked.metric is None else _median(run, asked.metric)
        what = asked.metric or "the median RTT"
    if measured is None:
        return f"{what} was not measured with {run.label}"
    if (said := predictions.get(asked.key)) is None:
        return f"{ANSWERS} has no number for {asked.key}"
    if abs(said - measured) > asked.within * measured:
        return f"you predicted {said:g} for {asked.key}, but {what} with {run.label} was {measured:.1f}"
    return None


def _uncaptured(wanted: Captured, runs: Sequence[Run]) -> str | None:
    if (run := _run_of(runs, wanted.method)) is None:
        return f"the scenario has no run with {wanted.method.label if wanted.method else 'any method'}"
    count = packets(run.folder / "captures" / f"{wanted.file}.pcapng", wanted.filter)
    shown = f"{count} packets match {wanted.filter} in {wanted.file}.pcapng with {run.label}"
    if wanted.at_most is not None and count > wanted.at_most:
        return f"{shown}, and there should be at most {wanted.at_most}"
    if wanted.at_least is not None and count < wanted.at_least:
        return f"{shown}, and there should be at least {wanted.at_least}"
    return None


def _run_of(runs: Sequence[Run], method: Method | None) -> Run | None:
    return next((run for run in runs if run.plan and (method is None or run.plan.method == method)), None)


def _median(run: Run, metric: str) -> float | None:
    values = [expectations.value(handover.model_dump(), metric) for handover in run.handovers]
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _hop(run: Run, source: str, target: str) -> float | None:
    return hops.median_ms(run.plan, run.folder, source, target) if run.plan else None


def probe_rtt_ms(run: Run) -> float | None:
    """The median RTT over every answered probe of a run; none where there is none."""
    with (run.folder / "tables" / "probes.csv").open(newline="") as file:
        known = [float(row["rtt_ms"]) for row in csv.DictReader(file) if row["rtt_ms"]]
    return statistics.median(known) if known else None


def packets(capture: Path, display_filter: str) -> int:
    """How many packets of a capture file a display filter shows; raises `InputError` where tshark refuses."""
    argv = ["tshark", "-n", "-r", str(capture), "-Y", display_filter, "-T", "fields", "-e", "frame.number"]
    environment = {**os.environ, "WIRESHARK_CONFIG_DIR": str(wireshark.FOLDER)}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"tshark on {capture}: {done.stderr.strip()}")
    return len(done.stdout.split())
