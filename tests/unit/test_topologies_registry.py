"""Locks of running labs: found, ignored when stale, named in errors."""

import json
import os
import subprocess
import sys

import pytest

from meclab.errors import RunError
from topologies import registry


@pytest.fixture
def process():
    """Stands for a lab's `unshare`."""
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    yield child
    child.kill()
    child.communicate()


def enlisted(runs, name, pid, scenario="two-site"):
    folder = runs / scenario / name
    folder.mkdir(parents=True)
    return registry.enlist(folder, scenario, pid)


def test_a_live_lab_is_found_by_scenario_and_by_run_folder(tmp_path, process):
    lab = enlisted(tmp_path, "one", process.pid)
    assert [registry.find(tmp_path, name) for name in (None, "two-site", "one", str(lab.run_dir))] == [lab] * 4


def test_a_lab_that_ended_counts_for_nothing(tmp_path, process):
    enlisted(tmp_path, "one", process.pid)
    process.kill()
    process.wait()
    assert registry.running(tmp_path) == []


def test_a_zombie_counts_for_nothing(tmp_path, process):
    lab = enlisted(tmp_path, "one", process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not lab.is_alive


@pytest.mark.parametrize("stale", [{"started": 1}, {"boot": "another"}])
def test_another_process_with_the_number_counts_for_nothing(tmp_path, process, stale):
    lab = enlisted(tmp_path, "one", process.pid)
    lock = lab.run_dir / registry.LOCK
    lock.write_text(json.dumps({**json.loads(lock.read_text()), **stale}))
    assert registry.running(tmp_path) == []


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"run_dir": 3}', "not JSON"])
def test_a_damaged_lock_counts_for_nothing(tmp_path, content):
    (tmp_path / registry.LOCK).write_text(content)
    assert registry.running(tmp_path) == []


def test_a_lab_taken_off_the_list_is_gone(tmp_path, process):
    lab = enlisted(tmp_path, "one", process.pid)
    registry.strike(lab.run_dir)
    registry.strike(lab.run_dir)
    assert registry.running(tmp_path) == []


def test_two_labs_must_be_told_apart(tmp_path, process):
    enlisted(tmp_path, "one", process.pid)
    enlisted(tmp_path, "two", process.pid)
    with pytest.raises(registry.NoSuchLab, match=r"more than one lab matches.*\(one\).*\(two\)"):
        registry.find(tmp_path)
    assert registry.find(tmp_path, "two").run_dir.name == "two"


def test_no_lab_says_how_to_start_one(tmp_path):
    with pytest.raises(registry.NoSuchLab, match=r"no lab metro is running \(running: none\).*lab up") as error:
        registry.find(tmp_path, "metro")
    assert error.value.exit_status == 2


def test_a_process_that_has_ended_cannot_be_enlisted(tmp_path, process):
    process.kill()
    process.wait()
    with pytest.raises(RunError, match="ended before it was ready"):
        registry.enlist(tmp_path, "two-site", process.pid)


def test_start_time_is_read_whatever_the_process_is_called(tmp_path):
    odd = tmp_path / "a) R 1 (b"
    odd.symlink_to("/bin/cat")
    child = subprocess.Popen([odd], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdin.write(b"x\n")
    child.stdin.flush()
    child.stdout.readline()
    later = registry.start_time(child.pid)
    child.communicate()
    assert later is not None
    assert later >= registry.start_time(os.getpid())


def test_a_node_s_process_is_found_and_the_root_namespace_has_none(tmp_path, process):
    lab = enlisted(tmp_path, "one", process.pid)
    registry.write_nodes(lab.run_dir, {"ue1": 17})
    assert registry.node_pid(lab, "ue1") == 17
    assert registry.node_pid(lab, "root") is None


def test_a_lab_without_nodes_yet_says_so(tmp_path, process):
    with pytest.raises(RunError, match="no nodes yet"):
        registry.node_pid(enlisted(tmp_path, "one", process.pid), "ue1")
