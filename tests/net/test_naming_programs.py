"""`adns` and `ldns` as a lab starts them, at their hosts' own addresses and ports, asked by dig from beside."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meclab import planning, services, topology
from meclab.messages import ProgramEvent, Start, Stop
from meclab.packets import RULES_PORT
from meclab.plan import Plan
from meclab.scenario import Scenario

pytestmark = pytest.mark.net
DEADLINE_S = 20
APP = "app.edge.example."


@pytest.fixture(scope="module")
def plan() -> Plan:
    scenario = Scenario.model_validate({"scenario": "test", "methods": ["edge-dns:anycast"]})
    made = planning.make(scenario, services.extend(topology.two_site(), scenario), scenario.methods[0], "wire")
    ours = [planned for planned in made.programs if planned.program in ("adns", "ldns")]
    return made.model_copy(update={"programs": tuple(ours)})


class Programs:
    """A network namespace with the addresses of some hosts, and their programs in it."""

    def __init__(self, plan: Plan, run_dir: Path, pid: int) -> None:
        self._pid, self._run_dir = pid, run_dir
        (run_dir / "plan.json").write_text(plan.model_dump_json())
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(DEADLINE_S)
        command = [sys.executable, "-m", "hosts", str(run_dir), "--control", str(theirs.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        theirs.close()

    def start(self, node: str, program: str) -> None:
        log = str(self._run_dir / f"{node}.log")
        request = Start.model_validate({"node": node, "program": program, "namespace_pid": self._pid, "log": log})
        self._control.send(request.model_dump_json().encode())
        assert [self._event().event for _ in range(2)] == ["started", "ready"], Path(log).read_text()

    def stop(self, node: str, program: str) -> int | None:
        self._control.send(Stop(node=node, program=program).model_dump_json().encode())
        return self._event().status

    def log(self, node: str) -> str:
        return (self._run_dir / f"{node}.log").read_text()

    def run(self, *command: str) -> str:
        done = subprocess.run(
            ["nsenter", f"--net=/proc/{self._pid}/ns/net", *command],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        return done.stdout + done.stderr

    def close(self) -> None:
        self._control.close()
        self._process.wait(DEADLINE_S)

    def _event(self) -> ProgramEvent:
        return ProgramEvent.model_validate_json(self._control.recv(65_536))


@pytest.fixture
def programs(plan: Plan, tmp_path: Path) -> Iterator[Programs]:
    command = ["unshare", "-n", "-m", "--kill-child", "-f", "sh", "-c", "ip link set lo up; echo; exec sleep 1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        pid = int(Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()[0])
        found = Programs(plan, tmp_path, pid)
        hosts = [plan.node(name) for name in ("adns", "mec1", "rdns")]
        for address in (*(pair for node in hosts for pair in (node.ipv4, node.ipv6)), plan.resolver_ipv4):
            found.run("ip", "address", "add", str(address), "dev", "lo")
        found.run("ip", "address", "add", str(plan.resolver_ipv6), "dev", "lo")
        with contextlib.closing(found):
            yield found
        holder.send_signal(signal.SIGKILL)


def test_adns_answers_at_its_hosts_addresses_and_takes_rules(plan: Plan, programs: Programs) -> None:
    programs.start("adns", "adns")
    node, mec1 = plan.node("adns"), plan.node("mec1")
    for address in (node.ipv4, node.ipv6):
        said = programs.run("dig", f"@{address}", APP, "+subnet=100.64.1.0/24")
        assert str(plan.node("cloud").ipv4) in said
        assert f"SERVER: {address}#53" in said
    rule = {"dnsRuleId": "a", "domainName": APP, "ipAddressType": "IP_V4", "ipAddress": str(mec1.ipv4)}
    located = {**rule, "state": "ACTIVE", "clientSubnet": [str(plan.location("ap1")[0])]}
    body = json.dumps({"update": 1, "source": "mec1", "rules": [located]})
    url = f"http://{node.ipv4}:{RULES_PORT}/v1/rules"
    assert json.loads(programs.run("curl", "-sS", "--json", body, url)) == {"update": 1, "rules": 3}
    said = programs.run("dig", f"@{node.ipv4}", APP, f"+subnet={plan.location('ap1')[0]}")
    assert f"A\t{mec1.ipv4}" in said
    assert f"10\tIN\tA\t{mec1.ipv4}" in said
    assert programs.stop("adns", "adns") == 0
    assert '"unsent": 0' in programs.log("adns")


def test_ldns_answers_at_the_shared_address_and_asks_the_operators_resolver(plan: Plan, programs: Programs) -> None:
    programs.start("mec1", "ldns")
    for address in (plan.resolver_ipv4, plan.resolver_ipv6, plan.node("mec1").ipv4):
        said = programs.run("dig", f"@{address}", APP)
        assert f"SERVER: {address}#53" in said
        assert str(plan.node("cloud").ipv4) in said
    assert "status: SERVFAIL" in programs.run("dig", f"@{plan.resolver_ipv4}", "foreign.example.")
    assert programs.stop("mec1", "ldns") == 0
