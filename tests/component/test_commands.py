"""The command line as its callers see it: exit statuses, what goes to which stream, and the launcher's refusals."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
NOBODY = 65534


def lab(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "experiments", *arguments]
    return subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)


def test_help_names_every_command_in_the_order_of_need_and_is_no_error() -> None:
    done = lab("--help")
    assert done.returncode == 0
    words = ("demo", "run", "report", "up", "ps", "exec", "cli", "move", "link", "trace", "capture", "down", "check")
    places = [done.stdout.index(f"\n  {word} ") for word in (*words, "test", "bench")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "command", ["demo", "run", "up", "move", "link", "capture", "trace", "bench", "check", "policy"]
)
def test_every_command_explains_itself(command: str) -> None:
    done = lab(command, "--help")
    assert done.returncode == 0 and done.stdout.startswith("Usage: ")


def test_an_unknown_command_is_bad_input() -> None:
    done = lab("runn", "handover")
    assert done.returncode == 2
    assert "No such command 'runn'" in done.stderr
    assert done.stdout == ""


def test_an_unknown_option_is_bad_input() -> None:
    done = lab("run", "handover", "--metod", "vip")
    assert done.returncode == 2 and "--metod" in done.stderr and done.stdout == ""


def test_a_bad_scenario_is_bad_input_with_every_problem_on_standard_error() -> None:
    done = lab("run", "tests/scenarios_bad/unknown-node-in-an-event.yaml", "--dry-run")
    assert done.returncode == 2
    assert "5 problems" in done.stderr
    assert "events[0].handover.to: found 'ap7'" in " ".join(done.stderr.split())
    assert done.stdout == ""


def test_a_value_set_on_the_command_line_is_checked_like_the_file_s() -> None:
    done = lab("run", "handover", "--set", "radio.interruption=100", "--dry-run")
    assert done.returncode == 2 and "--set radio.interruption: found 100" in done.stderr


def test_an_unknown_method_is_bad_input() -> None:
    done = lab("run", "handover", "--method", "anycast", "--dry-run")
    assert done.returncode == 2 and "--method: found 'anycast'" in done.stderr


def test_a_dry_run_prints_a_plan_for_each_method_and_seed_and_makes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    argv = ["run", "handover", "--method", "cloud", "--method", "vip:pinned", "--repeats", "2", "--seed", "7"]
    done = lab(*argv, "--links", "wire", "--out", str(out), "--dry-run")
    assert done.returncode == 0, done.stderr
    decoder, text, plans = json.JSONDecoder(), done.stdout.strip(), []
    while text:
        plan, end = decoder.raw_decode(text)
        plans.append((plan["method"]["name"], plan["method"]["variant"], plan["seed"], plan["links_kind"]))
        text = text[end:].strip()
    assert plans == [
        ("cloud", None, 7, "wire"),
        ("vip", "pinned", 7, "wire"),
        ("cloud", None, 8, "wire"),
        ("vip", "pinned", 8, "wire"),
    ]
    assert not out.exists()


def test_a_machine_check_is_one_json_object_where_asked() -> None:
    done = lab("check", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["lacks"] == []


def test_a_check_without_the_commands_it_needs_ends_with_3_and_the_remedy() -> None:
    """A folder without any of Mininet's or Open vSwitch's commands stands before the administrator's own."""
    script = (
        "from topologies import machine; machine._SEARCHED = '/nothing'; from experiments.commands import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "check"],
        cwd=PROJECT,
        env=os.environ | {"PATH": "/nothing"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert "apt-get install" in done.stderr and "mininet" in done.stderr


def test_links_that_the_kernel_lacks_end_with_3_before_anything_runs(tmp_path: Path) -> None:
    if json.loads(lab("check", "--json").stdout)["netem"]:
        pytest.skip("this kernel has netem")
    done = lab("run", "handover", "--links", "netem", "--out", str(tmp_path / "runs"))
    assert done.returncode == 3
    assert "--links wire" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_command_for_a_lab_that_does_not_run_says_so(tmp_path: Path) -> None:
    done = lab("move", "ue1", "ap2", "--out", str(tmp_path))
    assert done.returncode != 0
    assert "no lab is running" in done.stderr
    assert "Traceback" not in done.stderr


def test_reporting_what_is_no_run_says_so(tmp_path: Path) -> None:
    done = lab("report", str(tmp_path))
    assert done.returncode == 2
    assert "not the folder of a run" in " ".join(done.stderr.split())


def test_the_launcher_without_root_ends_with_3_and_the_remedy() -> None:
    """As another user, where root is at hand to become one."""
    argv = [str(PROJECT / "lab"), "check"]
    if os.geteuid() == 0:
        argv = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *argv]
    done = subprocess.run(argv, cwd="/", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "needs root: sudo" in done.stderr
    assert done.stdout == ""


def test_a_policy_that_cannot_be_is_refused_before_any_lab_is_asked(tmp_path: Path) -> None:
    done = lab("policy", "set", "kind=farthest", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "kind: found 'farthest'; expected 'nearest' or 'least-loaded'" in done.stderr
    assert lab("policy", "show", "--out", str(tmp_path)).stderr.startswith("no lab is running")
