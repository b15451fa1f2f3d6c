"""Whole runs, from the command to the result, on real packets."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from experiments.measurement import hops
from experiments.results import Manifest
from meclab.plan import Plan
from topologies import registry, sandbox

pytestmark = [pytest.mark.net, pytest.mark.timeout(240)]
SHORT = ["--set", "events.0.handovers.times=2", "--set", "duration=9500ms", "--set", "expect=[]"]


def lab(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "experiments", *arguments]
    return subprocess.run(
        argv, cwd=sandbox.PROJECT, capture_output=True, text=True, timeout=200, check=False, **options
    )


def results(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def shown(capture: Path, display_filter: str, field: str) -> list[str]:
    """A field of the frames that tshark shows."""
    argv = ["tshark", "-r", str(capture), "-Y", display_filter, "-T", "fields", "-e", field]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()


def event_ns(run_dir: Path, event: str) -> int:
    """When the first event of a kind was."""
    rows = (run_dir / "tables" / "events.csv").read_text().splitlines()
    return next(int(row.split(",")[0]) for row in rows if f",{event}," in row)


def test_local_traffic_never_crosses_the_core(compared: dict[str, dict[str, Any]]) -> None:
    run_dir = Path(compared["vip:immediate"]["run_dir"])
    begin_s, end_s = (event_ns(run_dir, event) / 1e9 for event in ("ready", "detach"))
    at_rest = f"frame.time_epoch > {begin_s:.6f} && frame.time_epoch < {end_s:.6f} && ip.addr == 10.99.0.1"
    interfaces = set(shown(run_dir / "captures" / "switches.pcapng", at_rest, "frame.interface_name"))
    assert {"ap1-radio", "edge1-eth1", "edge1-eth2"} <= interfaces
    assert not any(name.startswith("core") for name in interfaces)


def test_the_merged_capture_tells_the_story_in_comments(compared: dict[str, dict[str, Any]]) -> None:
    run_dir = Path(compared["vip:immediate"]["run_dir"])
    comments = shown(run_dir / "captures" / "merged.pcapng", "frame.comment", "frame.comment")
    story = [comment.split()[0] for comment in comments]
    assert [word for word in story if word in ("detach", "attach", "decision")][-6:] == [
        "detach",
        "attach",
        "decision",
    ] * 2


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("dataplane", ["openflow", "p4"])
def test_make_before_break_loses_nothing_and_pinned_breaks_nothing(tmp_path: Path, dataplane: str, family: str) -> None:
    changes = ["--set", "radio={handover: make-before-break, overlap: 100ms}", "--method", "vip:pinned"]
    changes += ["--dataplane", dataplane, "--set", f"probes.family={family}"]
    (row,) = results(lab("run", "handover", *SHORT, *changes, "--json", "--out", str(tmp_path)))
    assert [h["lost"] for h in row["handovers"]] == [0, 0]
    assert [h["resets"] for h in row["handovers"]] == [0, 0]
    assert [h["served_by"] for h in row["handovers"]] == ["mec2", "mec1"]


def test_stamps_of_p4_switches_tell_the_delay_of_each_hop(tmp_path: Path) -> None:
    changes = ["--method", "vip", "--dataplane", "p4", "--set", "breakout=false"]
    (row,) = results(lab("run", "handover", *SHORT, *changes, "--json", "--out", str(tmp_path)))
    run_dir = Path(row["run_dir"])
    plan = Plan.model_validate_json((run_dir / "plan.json").read_text())
    for pair in (("ap1", "edge1"), ("edge1", "core"), ("core", "edge1")):
        measured = hops.median_ms(plan, run_dir, *pair)
        link_ms = plan.link(*pair).shape.delay / 1e6
        assert measured is not None and link_ms <= measured < link_ms + 1, pair


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--method", "bgp-anycast", "--dataplane", "p4"], 2, "openflow with bgp-anycast"),
        (["--method", "vip", "--dataplane", "p4", "--p4-target", "bmv2"], 3, "simple_switch_grpc"),
        (["--method", "vip", "--dataplane", "p4", "--set", "p4.program=nowhere.p4"], 2, "p4.program: found"),
        (["--method", "vip", "--dataplane", "p4", "--set", "p4.program={wrong}"], 2, "wrong.p4:3:"),
    ],
)
def test_a_data_plane_that_cannot_be_is_refused_with_the_reason(
    tmp_path: Path, arguments: list[str], status: int, words: str
) -> None:
    wrong = tmp_path / "wrong.p4"
    wrong.write_text("#include <core.p4>\n#include <v1model.p4>\nheader h_t { bit<8> a }\n")
    given = [argument.format(wrong=wrong) for argument in arguments]
    done = lab("run", "handover", *given, "--out", str(tmp_path))
    assert (done.returncode, words in " ".join(done.stderr.split())) == (status, True), done.stderr


def test_an_expectation_that_fails_is_the_exit_status(tmp_path: Path) -> None:
    changes = ["--set", "expect=[{metric: steer_ms, at_most: 0.001}]", "--set", "events.0.handovers.times=1"]
    done = lab("run", "handover", "--method", "vip", *changes, "--json", "--out", str(tmp_path))
    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] == "failed"
    assert "not as expected: vip-immediate: every steer_ms at most 0.001" in done.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    "victim", ["-m controller", "ovs-vswitchd", "-m dataplane", "topologies.wire", "topologies.air", "-m hosts"]
)
def test_what_was_measured_is_kept_when_a_process_dies(tmp_path: Path, victim: str) -> None:
    argv = [sys.executable, "-m", "experiments", "run", "handover", "--method", "vip", "--json", "--out", str(tmp_path)]
    argv += ["--dataplane", "p4"] if victim == "-m dataplane" else []
    with subprocess.Popen(argv, cwd=sandbox.PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        _await_two_moves(tmp_path)
        (running,) = registry.running(tmp_path)
        os.kill(_inside(running, victim), signal.SIGKILL)
        printed, said = run.communicate(timeout=120)
    assert run.returncode == 1, said
    row = json.loads(printed)
    assert row["status"] == "incomplete"
    assert row["handovers"], "the handovers before are measured"
    assert "ended with status" in said
    manifest = Manifest.model_validate_json((Path(row["run_dir"]) / "manifest.json").read_text())
    assert manifest.status == "incomplete"
    assert (Path(row["run_dir"]) / "report.html").exists()


def _await_two_moves(out: Path) -> None:
    """Returns when the device has moved away and back, as the orchestrator's log tells."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any("mec2 -> mec1" in log.read_text() for log in out.glob("*/*/logs/ops-meo.log")):
            return
        time.sleep(0.05)
    raise AssertionError("no handover within a minute")


def _inside(running: registry.Lab, words: str) -> int:
    """The process of a lab whose command line has these words, as seen from outside."""
    first = sandbox.first_process(running.unshare_pid)
    space = Path(f"/proc/{first}/ns/pid").stat().st_ino
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_text().replace("\0", " ")
            if words in command and (entry / "ns" / "pid").stat().st_ino == space and "mnexec" not in command:
                return int(entry.name)
        except OSError:
            continue
    raise AssertionError(f"no process {words} in the lab")


def test_two_labs_run_side_by_side_and_do_not_meet(tmp_path: Path) -> None:
    for number in (1, 2):
        up = lab("up", "handover", "--method", "vip", "--out", str(tmp_path / str(number)))
        assert up.returncode == 0, up.stderr
        folders = [found.name for found in (tmp_path / str(number) / "handover").iterdir()]
        assert [name.endswith("-vip-immediate-live") for name in folders] == [True], "not taken for a measured run"
    try:
        moved = lab("move", "ue1", "ap2", "--out", str(tmp_path / "1"))
        assert moved.returncode == 0, moved.stderr
        paths = {}
        for number in (1, 2):
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                shown = lab("trace", "ue1", "vip", "--json", "--out", str(tmp_path / str(number)))
                paths[number] = [hop["node"] for hop in json.loads(shown.stdout)["hops"]]
                if number == 2 or "mec2" in paths[number]:
                    break
        assert paths == {1: ["ue1", "ap2", "edge2", "mec2"], 2: ["ue1", "ap1", "edge1", "mec1"]}
        answer = lab(
            "exec", "--out", str(tmp_path / "2"), "ue1", "--", "curl", "-s", "http://10.99.0.1:8080/session/ue1?n=1"
        )
        assert json.loads(answer.stdout)["host"] == "mec1"
    finally:
        for number in (1, 2):
            lab("down", "--out", str(tmp_path / str(number)))
    assert registry.running(tmp_path) == []


def test_a_full_disk_ends_the_run_and_keeps_what_was_measured(tmp_path: Path) -> None:
    script = f'mount -t tmpfs -o size=3m none {tmp_path} && exec "$@"'
    argv = [sys.executable, "-m", "experiments", "run", "handover", "--method", "vip", "--json", "--out", str(tmp_path)]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *argv],
        cwd=sandbox.PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    row = json.loads(done.stdout)
    assert (row["status"], row["fidelity"]["trusted"]) == ("incomplete", False)
    assert row["handovers"]
    assert "No space left on device" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_an_interrupted_run_reports_what_it_has(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "experiments", "run", "handover", "--method", "vip", "--json", "--out", str(tmp_path)]
    with subprocess.Popen(argv, cwd=sandbox.PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        _await_two_moves(tmp_path)
        run.send_signal(signal.SIGINT)
        printed, said = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert json.loads(printed)["status"] == "incomplete"
    assert json.loads(printed)["handovers"]
    assert registry.running(tmp_path) == []
