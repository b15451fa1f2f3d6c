"""A sweep makes every combination once, and goes on where it was interrupted."""

import json
from pathlib import Path

import pytest
from report_runs import write_run

from experiments import scenario_file, sweep
from experiments.commands.sweep import values
from experiments.runner import Job
from meclab.errors import InputError, ScenarioError
from meclab.planning import make


def jobs(**changes: object) -> list[Job]:
    scenarios = scenario_file.load("handover", {"methods": ["cloud", "vip"], "expect": [], **changes})
    return [
        Job(scenario, make(scenario, scenario_file.graph(scenario), method, "wire", seed), "user")
        for scenario in scenarios
        for seed in (1, 2)
        for method in scenario.methods
    ]


def test_the_same_runs_have_the_same_folder_and_others_another(tmp_path: Path) -> None:
    folder = sweep.make(jobs(), tmp_path).folder
    assert sweep.make(jobs(), tmp_path).folder == folder
    assert sweep.make(jobs(drain="2s"), tmp_path).folder != folder
    assert sweep.make(jobs(), tmp_path, "mine").folder == tmp_path / "sweeps" / "mine"


def test_every_parameter_method_and_seed_tells_runs_apart() -> None:
    swept = jobs(sweep={"radio.interruption": ["10ms", "30ms"], "dns.ttl": ["1s", "5s"]})
    assert len({sweep.digest(job) for job in swept}) == len(swept) == 16


def test_what_is_done_is_not_made_again(tmp_path: Path) -> None:
    wanted = sweep.make(jobs(), tmp_path)
    assert wanted.left() == list(wanted.jobs)
    first = write_run(wanted.folder / "handover" / "a", "cloud")
    wanted.note(wanted.jobs[0], first)
    again = sweep.make(jobs(), tmp_path)
    assert again.left() == list(wanted.jobs[1:])
    assert again.folders() == [first]


@pytest.mark.parametrize("trouble", ["incomplete", "gone"])
def test_a_run_that_broke_off_or_is_gone_is_made_again(tmp_path: Path, trouble: str) -> None:
    wanted = sweep.make(jobs(), tmp_path)
    run_dir = write_run(
        wanted.folder / "handover" / "a", "cloud", status="incomplete" if trouble == "incomplete" else "ok"
    )
    wanted.note(wanted.jobs[0], run_dir)
    if trouble == "gone":
        (run_dir / "manifest.json").unlink()
    assert wanted.left() == list(wanted.jobs)


def test_a_run_that_failed_an_expectation_is_done(tmp_path: Path) -> None:
    wanted = sweep.make(jobs(), tmp_path)
    wanted.note(wanted.jobs[0], write_run(wanted.folder / "handover" / "a", "cloud", status="failed"))
    assert len(wanted.left()) == len(wanted.jobs) - 1


def test_a_state_that_is_none_is_named(tmp_path: Path) -> None:
    wanted = sweep.make(jobs(), tmp_path)
    wanted.folder.mkdir(parents=True)
    (wanted.folder / sweep.STATE).write_text(json.dumps([1]))
    with pytest.raises(InputError, match=r"sweep\.json: found no state of a sweep"):
        wanted.left()


def test_values_are_read_as_yaml() -> None:
    read = values(("dns.ttl=1s,5s", "easdf.rediscovery=all,none", "stub.tries=1,2"))
    assert read == {"dns.ttl": ["1s", "5s"], "easdf.rediscovery": ["all", "none"], "stub.tries": [1, 2]}


@pytest.mark.parametrize("text", ["dns.ttl", "=1s", "dns.ttl="])
def test_what_names_no_values_is_refused(text: str) -> None:
    with pytest.raises(ScenarioError, match=r"--vary: found .*; expected PATH=V1,V2"):
        values((text,))


def test_a_parameter_is_varied_once() -> None:
    with pytest.raises(ScenarioError, match=r"the parameter twice"):
        values(("dns.ttl=1s", "dns.ttl=2s"))
