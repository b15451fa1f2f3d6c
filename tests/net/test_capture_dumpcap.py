"""Captures of real interfaces in two namespaces, checked by tshark."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import pcapng
from experiments.measurement import events, frames, merging, probes
from experiments.measurement.probes import Sightings

pytestmark = pytest.mark.net

HERE = Path(__file__).parent
PROBES = 200


def inside(run_dir: Path, case: str) -> dict[str, Any]:
    sandbox = ["unshare", "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc"]
    done = subprocess.run(
        [*sandbox, sys.executable, str(HERE / "capture_inside.py"), str(run_dir), case],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=HERE.parents[1],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(HERE.parents[1])},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def seen_in(path: Path) -> Sightings:
    capture = pcapng.read(path)
    return probes.sightings([(capture, frames.decode(capture))])


def tshark(path: Path, *options: str) -> list[str]:
    argv = ["tshark", "-r", str(path), *options]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    run_dir = tmp_path_factory.mktemp("complete")
    return run_dir, inside(run_dir, "complete")


def test_frames_right_after_the_start_and_right_before_the_stop_are_captured(complete: Any) -> None:
    run_dir, _ = complete
    for file in ("ue1", "switches"):
        assert sorted(seen_in(run_dir / "captures" / f"{file}.pcapng").sequence) == list(range(PROBES))
    capture = pcapng.read(run_dir / "captures" / "markers.pcapng")
    marked = events.markers(capture, frames.decode(capture))
    assert [seen.marker.event for seen in marked] == ["ready", "end"]


def test_what_dumpcap_counted_is_what_is_in_the_files(complete: Any) -> None:
    run_dir, found = complete
    assert found["again"] == []
    for count in found["counts"]:
        capture = pcapng.read(run_dir / "captures" / f"{count['file']}.pcapng")
        assert (count["packets"], count["dropped"], count["problem"]) == (len(capture), 0, None)
        assert capture.dropped == 0


def test_time_stamps_have_nanoseconds_and_order_along_the_way(complete: Any) -> None:
    run_dir, _ = complete
    sent, arrived = (seen_in(run_dir / "captures" / f"{file}.pcapng").time_ns for file in ("ue1", "switches"))
    assert (arrived > sent).all()
    assert len(np.unique(sent % 1000)) > 10


def test_the_reader_sees_what_tshark_sees(complete: Any) -> None:
    run_dir, _ = complete
    path = run_dir / "captures" / "switches.pcapng"
    capture = pcapng.read(path)
    lines = tshark(path, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "frame.interface_name")
    expected = [line.split("\t") for line in lines]
    assert [f"{t // 10**9}.{t % 10**9:09}" for t in capture.time_ns.tolist()] == [row[0] for row in expected]
    assert capture.length.tolist() == [int(row[1]) for row in expected]
    assert [capture.interfaces[i] for i in capture.interface] == [row[2] for row in expected]


def test_the_merged_file_keeps_names_and_has_the_events_as_comments(complete: Any) -> None:
    run_dir, _ = complete
    merged = merging.merge(run_dir)
    names = tshark(merged, "-T", "fields", "-e", "frame.interface_name")
    assert {"lab0", "ap1-radio", "ue1-eth0"} <= set(names)
    assert names.count("ue1-eth0") >= PROBES
    commented = tshark(
        merged, "-Y", "frame.comment", "-T", "fields", "-e", "frame.interface_name", "-e", "frame.comment"
    )
    assert commented == ["lab0\tready", "lab0\tend"]
    times = pcapng.read(merged).time_ns
    assert (np.diff(times) >= 0).all()
    assert sorted(path.name for path in merged.parent.iterdir()) == [
        "markers.pcapng", "merged.pcapng", "switches.pcapng", "ue1.pcapng"
    ]  # fmt: skip


def test_an_interface_that_is_not_there_ends_the_start_with_dumpcaps_words(tmp_path: Path) -> None:
    found = inside(tmp_path, "missing")
    assert "the capture other on ue1 does not start" in found["error"]
    assert "ue1-eth7" in found["error"]


def test_a_full_disk_is_noticed_and_what_is_there_is_kept(tmp_path: Path) -> None:
    found = inside(tmp_path, "full")
    assert any("No space left" in problem or "full" in problem for problem in found["problems"])
    assert any(count["problem"] for count in found["counts"])
    kept = [len(seen_in(path)) for path in (tmp_path / "kept").glob("*.pcapng") if path.stem != "markers"]
    assert sum(kept) >= PROBES


def test_a_live_capture_goes_to_a_pipe_as_pcapng(tmp_path: Path) -> None:
    inside(tmp_path, "piped")
    found = pcapng.read(tmp_path / "live.pcapng")
    assert len(found) == len(seen_in(tmp_path / "live.pcapng")) >= 50
