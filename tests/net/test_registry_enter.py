"""Entering a lab that runs, from outside: nodes, exit status, terminal, Mininet's prompt."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from topologies import registry, sandbox

pytestmark = pytest.mark.net
SCRIPT = Path(__file__).with_name("network_inside.py")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("runs") / "try" / "run"
    run_dir.mkdir(parents=True)
    process = sandbox.start(
        [sys.executable, str(SCRIPT), str(run_dir), "--stay"], keep=[run_dir], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    yield registry.enlist(run_dir, "try", process.pid)
    process.kill()
    process.wait()
    process.stdout.close()


def entered(lab, node, *argv, **options):
    command = registry.enter_command(lab, registry.node_pid(lab, node), argv)
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, **options)


def test_a_running_lab_is_found_by_its_scenario(lab):
    assert registry.find(lab.run_dir.parent.parent, "try") == lab
    assert registry.running(lab.run_dir.parent.parent) == [lab]


def test_a_command_runs_in_the_node_s_network(lab):
    assert entered(lab, "ue1", "ls", "/sys/class/net").stdout.split() == ["lo", "ue1-eth0"]
    assert "edge1-eth1" in entered(lab, "root", "ls", "/sys/class/net").stdout.split()


def test_an_unmodified_ping_reaches_a_host_by_name(lab):
    done = entered(lab, "ue1", "ping", "-4", "-c", "1", "-W", "2", "mec1")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_command_sees_the_lab_s_processes_only(lab):
    comm = entered(lab, "mec1", "cat", "/proc/1/cmdline").stdout
    assert "topologies.first" in comm


def test_the_exit_status_is_the_command_s(lab):
    assert entered(lab, "mec1", "sh", "-c", "exit 7").returncode == 7


def test_the_working_directory_stays_where_the_lab_has_it(lab, monkeypatch):
    monkeypatch.chdir("/usr/share")
    assert entered(lab, "ue1", "pwd").stdout.strip() == "/usr/share"
    monkeypatch.chdir(Path(lab.run_dir).parent.parent.parent)
    assert entered(lab, "ue1", "pwd").returncode == 0


def test_a_command_has_the_terminal_that_it_was_started_from(lab):
    leader, follower = pty.openpty()
    command = registry.enter_command(lab, registry.node_pid(lab, "ue1"), ["sh", "-c", "test -t 0 && test -t 1"])
    done = subprocess.run(command, stdin=follower, stdout=follower, timeout=30, check=False)
    os.close(leader)
    os.close(follower)
    assert done.returncode == 0


def test_an_unknown_node_is_refused_with_the_nearest_name(lab):
    with pytest.raises(registry.NoSuchLab, match="no node mec3 in this lab; did you mean mec"):
        registry.node_pid(lab, "mec3")


def test_mininet_s_prompt_knows_nodes_and_links_and_runs_commands(lab):
    script = "nodes\nlinks\nue1 ip -br addr show dev ue1-eth0\nmec1 ping -c 1 -W 2 10.45.0.1\ndpctl show\nexit\n"
    done = subprocess.run(
        registry.prompt_command(lab), input=script, capture_output=True, text=True, timeout=60, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    for expected in ("ap1-eth2<->edge1-eth1 (OK OK)", "10.45.0.1/32", "1 received", "dpid:", "ue2"):
        assert expected in said
    assert json.loads((lab.run_dir / "nodes.json").read_text()).keys() >= {"ue1", "mec1", "ops"}


def test_mininet_s_prompt_leaves_no_history_file(lab, tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path)}
    subprocess.run(registry.prompt_command(lab), input=b"exit\n", env=environment, timeout=60, check=True)
    command = registry.enter_command(lab, None, ["test", "-e", str(tmp_path / ".mininet_history")])
    assert subprocess.run(command, check=False).returncode == 1
