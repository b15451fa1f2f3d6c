"""The forker starts host programs in a namespace of their own, tells what becomes of them and leaves none behind."""

import contextlib
import csv
import json
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from meclab import plan, planning, topology
from meclab.messages import ProgramEvent, Start, Stop
from meclab.packets import unpack_marker
from meclab.scenario import Scenario

pytestmark = pytest.mark.net
DEADLINE_S = 20


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"never happened: {what}"
        select.select([], [], [], 0.01)
    return found


@pytest.fixture(params=["ipv4", "ipv6"])
def run(request: pytest.FixtureRequest) -> plan.Plan:
    scenario = Scenario.model_validate(
        {"scenario": "test", "probes": {"interval": "2ms", "family": request.param}, "session": {"interval": "5ms"}}
    )
    return planning.make(scenario, topology.two_site(), scenario.methods[0], "wire")


@pytest.fixture
def namespace(run: plan.Plan) -> Iterator[int]:
    """A process in a network and mount namespace that has the addresses of mec1, ops and the virtual one."""
    command = ["unshare", "-n", "-m", "--kill-child", "-f", "sh", "-c", "ip link set lo up; echo; exec sleep 1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
        pid = int(children[0])
        for name in ("mec1", "ops"):
            node = run.node(name)
            for address in (node.ipv4, node.ipv6):
                _add(pid, str(address))
        for address in (run.vip_ipv4, run.vip_ipv6):
            _add(pid, str(address))
        yield pid
        holder.kill()


def _add(pid: int, address: str) -> None:
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "address", "add", address, "dev", "lo", "nodad"]
    subprocess.run([word for word in command if ":" in address or word != "nodad"], check=True)


class Hosts:
    """The forker's process and the other ends of its sockets."""

    def __init__(self, run_dir: Path, namespace: int) -> None:
        self.run_dir, self.namespace = run_dir, namespace
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.markers, their_markers = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.control.settimeout(DEADLINE_S)
        self.markers.settimeout(DEADLINE_S)
        fds = (theirs.fileno(), their_markers.fileno())
        command = [sys.executable, "-m", "hosts", str(run_dir), "--control", str(fds[0]), "--markers", str(fds[1])]
        self.process = subprocess.Popen(command, pass_fds=fds)
        theirs.close()
        their_markers.close()

    def start(self, node: str, program: Any, namespace: int | None = None) -> None:
        log = str(self.run_dir / "logs" / f"{node}-{program}.log")
        request = Start(node=node, program=program, namespace_pid=namespace or self.namespace, log=log)
        self.control.send(request.model_dump_json().encode())

    def stop(self, node: str, program: str, how: Any = "SIGTERM") -> None:
        self.control.send(Stop(node=node, program=program, signal=how).model_dump_json().encode())

    def event(self) -> ProgramEvent:
        return ProgramEvent.model_validate_json(self.control.recv(4096))

    def ready(self, node: str, program: str) -> int:
        """Starts a program; its pid once it is ready."""
        self.start(node, program)
        seen = [self.event(), self.event()]
        assert [(e.event, e.node, e.program) for e in seen] == [("started", node, program), ("ready", node, program)]
        return seen[0].pid

    def log(self, node: str, program: str) -> str:
        return (self.run_dir / "logs" / f"{node}-{program}.log").read_text()

    def curl(self, *arguments: str) -> str:
        network = f"--net=/proc/{self.namespace}/ns/net"
        command = ["nsenter", network, "curl", "-sS", "-m", str(DEADLINE_S), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def hosts(run: plan.Plan, namespace: int, tmp_path: Path) -> Iterator[Hosts]:
    (tmp_path / "logs").mkdir()
    (tmp_path / "plan.json").write_text(run.model_dump_json())
    started = Hosts(tmp_path, namespace)
    try:
        yield started
    finally:
        with contextlib.suppress(OSError):
            started.control.shutdown(socket.SHUT_RDWR)
        started.control.close()
        started.markers.close()
        assert started.process.wait(DEADLINE_S) in (0, -signal.SIGKILL)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_program_runs_in_the_nodes_namespaces_under_its_own_name(hosts: Hosts) -> None:
    pid = hosts.ready("mec1", "echo")
    for kind in ("net", "mnt"):
        assert Path(f"/proc/{pid}/ns/{kind}").readlink() == Path(f"/proc/{hosts.namespace}/ns/{kind}").readlink()
    assert Path(f"/proc/{pid}/comm").read_text() == "echo-mec1\n"
    assert len(list(Path(f"/proc/{pid}/task").iterdir())) == 1


def test_the_forker_itself_has_one_thread(hosts: Hosts) -> None:
    hosts.ready("mec1", "echo")
    assert len(list(Path(f"/proc/{hosts.process.pid}/task").iterdir())) == 1


def test_device_and_host_work_over_the_virtual_address_and_leave_their_logs(hosts: Hosts) -> None:
    for program in ("echo", "app"):
        hosts.ready("mec1", program)
    hosts.ready("ue1", "agent")
    sessions = "http://10.99.0.1:8080/state"
    until(lambda: (json.loads(hosts.curl(sessions))["sessions"] or [{"count": 0}])[0]["count"] > 20, "20 requests")
    hosts.stop("ue1", "agent")
    ended = hosts.event()
    assert (ended.event, ended.node, ended.status) == ("exited", "ue1", 0)
    with (hosts.run_dir / "logs" / "ue1-probes.csv").open() as file:
        probes = list(csv.DictReader(file))
    with (hosts.run_dir / "logs" / "ue1-session.csv").open() as file:
        requests = list(csv.DictReader(file))
    assert len(probes) > 20
    assert {row["host"] for row in probes} == {"mec1"}
    assert {(row["host"], row["outcome"], row["connection"]) for row in requests} == {("mec1", "ok", "1")}


def test_a_load_set_at_a_host_reaches_the_orchestrator_and_decides(hosts: Hosts) -> None:
    hosts.ready("ops", "meo")
    hosts.ready("mec1", "app")
    attach = json.dumps({"device": "ue1", "ap": "ap1", "at_ns": 1, "sequence": 1})
    hosts.curl("-d", attach, "http://10.0.0.10:8090/v1/attachments")
    first = unpack_marker(hosts.markers.recv(4096))
    assert (first.event, first.fields["host"], first.fields["trigger"]) == ("decision", "mec1", "attach")
    hosts.curl("-X", "PUT", "-d", '{"value": 0.95}', "http://10.1.1.10:8080/load")
    second = unpack_marker(hosts.markers.recv(4096))
    assert (second.fields["device"], second.fields["from_host"], second.fields["host"]) == ("ue1", "mec1", "mec2")
    assert second.fields["trigger"] == "load"


def test_a_killed_host_is_found_out_by_its_silence_and_taken_back(hosts: Hosts) -> None:
    hosts.ready("ops", "meo")
    hosts.ready("mec1", "app")
    attach = json.dumps({"device": "ue1", "ap": "ap1", "at_ns": 1, "sequence": 1})
    hosts.curl("-d", attach, "http://10.0.0.10:8090/v1/attachments")
    hosts.markers.recv(4096)
    until(lambda: '"heard_ns":null' not in hosts.curl("http://10.0.0.10:8090/v1/hosts").split("mec2")[0], "a report")
    hosts.stop("mec1", "app", "SIGKILL")
    assert hosts.event().status == -signal.SIGKILL
    failed = unpack_marker(hosts.markers.recv(4096)).fields
    assert (failed["trigger"], failed["host"]) == ("failure", "mec2")
    hosts.ready("mec1", "app")
    back = unpack_marker(hosts.markers.recv(4096)).fields
    assert (back["trigger"], back["host"]) == ("restore", "mec1")


def test_a_program_that_cannot_start_exits_and_says_why_in_its_log(hosts: Hosts) -> None:
    hosts.start("cloud", "echo")
    assert [hosts.event().event, (last := hosts.event()).event, last.status] == ["started", "exited", 1]
    assert "Cannot assign requested address" in hosts.log("cloud", "echo")


def test_a_namespace_that_is_gone_ends_the_program_and_not_the_forker(hosts: Hosts) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    hosts.start("mec1", "echo", namespace=gone.pid)
    assert [hosts.event().event, hosts.event().event] == ["started", "exited"]
    hosts.ready("mec1", "echo")


def test_a_second_start_of_a_running_program_is_refused(hosts: Hosts) -> None:
    hosts.ready("mec1", "echo")
    hosts.start("mec1", "echo")
    refused = hosts.event()
    assert (refused.event, refused.pid, refused.status) == ("exited", 0, 2)


def test_requests_that_are_none_are_passed_over(hosts: Hosts) -> None:
    hosts.control.send(b"garbage")
    hosts.control.send(b'{"node": "mec1", "program": "nonsense", "namespace_pid": 1, "log": "x"}')
    hosts.ready("mec1", "echo")


def test_programs_end_with_their_logs_when_the_control_socket_closes(hosts: Hosts) -> None:
    hosts.ready("mec1", "echo")
    pid = hosts.ready("ue1", "agent")
    hosts.control.close()
    assert hosts.process.wait(DEADLINE_S) == 0
    assert not alive(pid)
    assert "probes, late p50" in hosts.log("ue1", "agent")


def test_programs_die_with_a_forker_that_is_killed(hosts: Hosts) -> None:
    pids = [hosts.ready("mec1", "echo"), hosts.ready("mec1", "app")]
    hosts.process.kill()
    hosts.process.wait(DEADLINE_S)
    until(lambda: not any(alive(pid) for pid in pids), "the programs' end")
