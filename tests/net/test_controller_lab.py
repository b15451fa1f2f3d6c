"""The controller in a running lab: what devices reach, how the network is changed over its northbound interface, and
what becomes of a switch whose connection breaks."""

import json
import re
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.net
WAIT_S = 20.0
SCENARIO = {
    "scenario": "controlled",
    "topology": {"kind": "two-site"},
    "methods": ["vip:pinned"],
    "links": {kind: {"delay": "0.2ms"} for kind in ("access", "local", "backhaul", "internet", "management")},
    "radio": {"interruption": "5ms", "delay": "0.2ms"},
    "devices": [{"name": "ue1", "ap": "ap1"}, {"name": "ue2", "ap": "ap1"}],
}


READ = """
import pathlib, sys
from meclab import p4, plan
from topologies import p4tables
made = plan.Plan.model_validate_json((pathlib.Path(sys.argv[1]) / "plan.json").read_text())
for entry in p4tables.read(sys.argv[2], p4.endpoints(made)[sys.argv[2]]):
    print(entry)
"""
STRANGER = """
import pathlib, sys, asyncio
import finsy
from meclab import p4, plan
made = plan.Plan.model_validate_json((pathlib.Path(sys.argv[1]) / "plan.json").read_text())
at = p4.endpoints(made)[sys.argv[2]]
async def main():
    options = finsy.SwitchOptions(device_id=at.device_id, initial_election_id=100)
    async with finsy.Switch("stranger", str(at), options) as switch:
        print("primary", switch.is_primary)
        device = finsy.Match(destination=sys.argv[3])
        await switch.write([
            +finsy.P4TableEntry("routes_ipv4", match=finsy.Match(destination="198.51.100.0/24"),
                                action=finsy.Action("to_anchor")),
            -finsy.P4TableEntry("devices_ipv4", match=device),
            ~finsy.P4TableEntry("arp_requests", match=finsy.Match(target="169.254.1.1"), action=finsy.Action("drop")),
        ])
        left = open(sys.argv[4], "w")
        left.write("done")
        left.close()
        sys.stdin.readline()
asyncio.run(main())
"""
"""Another controller that takes a switch over: a rule of another hand comes, one of the lab's goes, and one changes."""


class Lab:
    """A lab as its user has it: commands."""

    def __init__(self, out):
        self.out = out
        (self.run_dir,) = (out / "controlled").iterdir()
        self.plan = json.loads((self.run_dir / "plan.json").read_text())

    def call(self, *words, check=True):
        argv = [sys.executable, "-m", "experiments", words[0], "--out", str(self.out), *words[1:]]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
        if check:
            assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def on(self, node, *command, check=True):
        return self.call("exec", node, "--", *command, check=check)

    def address(self, name, family):
        if name == "vip":
            return self.plan[f"vip_{family}"]
        parts = [part for part in (*self.plan["nodes"], *self.plan["devices"]) if part["name"] == name]
        return parts[0][family]

    def ping(self, source, destination, family):
        """How many of three pings came back."""
        output = self.on(
            source, "ping", "-n", "-c", "3", "-i", "0.05", "-W", "1", self.address(destination, family), check=False
        )
        return int(re.search(r"(\d+) received", output)[1])

    def path(self, source, destination, family="ipv4"):
        trace = json.loads(self.call("trace", source, destination, "--family", family, "--json"))
        return [hop["node"] for hop in trace["hops"]]

    def ask(self, method, path, body=None):
        """Status and answer of the northbound interface, asked on the operations host."""
        data = ["-d", json.dumps(body)] if body is not None else []
        output = self.on(
            "ops", "curl", "-s", "-X", method, "-w", "\n%{http_code}", f"http://127.0.0.1:8091{path}", *data
        )
        answer, _, status = output.rpartition("\n")
        return int(status), json.loads(answer)

    def flows(self, switch):
        """The rules that a switch has, without what changes by itself."""
        if self.plan["dataplane"] == "p4":
            return sorted(re.sub(r" packets=\d+ bytes=\d+$", "", line) for line in self.tables(switch))
        lines = self.on("root", "ovs-ofctl", "-O", "OpenFlow13", "--no-stats", "dump-flows", switch).splitlines()
        return sorted(
            re.sub(r"cookie=\w+, ", "", line.strip()) for line in lines if "table=" in line or "priority" in line
        )

    def tables(self, switch):
        """The entries of a P4 switch, with their counters."""
        return self.on("root", sys.executable, "-c", READ, str(self.run_dir), switch).splitlines()

    def counted(self, switch):
        """Packets that a switch has counted at each of its steering rules."""
        if self.plan["dataplane"] == "p4":
            lines = [line for line in self.tables(switch) if line.startswith("steer_") and "default" not in line]
            return [int(re.search(r" packets=(\d+)", line)[1]) for line in lines]
        lines = self.on("root", "ovs-ofctl", "-O", "OpenFlow13", "dump-flows", switch, "table=1").splitlines()
        return [int(re.search(r"n_packets=(\d+)", line)[1]) for line in lines if "priority=10" in line]

    def await_true(self, condition, what):
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, what


@pytest.fixture(scope="module", params=["openflow", "p4"])
def lab(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    (folder / "controlled.yaml").write_text(json.dumps(SCENARIO | {"dataplane": request.param}))
    out = folder / "runs"
    up = [sys.executable, "-m", "experiments", "up", str(folder / "controlled.yaml"), "--out", str(out)]
    done = subprocess.run(up, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    found = Lab(out)
    yield found
    found.call("down")


def test_a_device_learns_one_gateway_mac_by_arp_and_by_neighbour_discovery(lab):
    lab.on("ue1", "ip", "neigh", "flush", "all")
    assert lab.ping("ue1", "mec1", "ipv4") == 3
    assert lab.ping("ue1", "mec1", "ipv6") == 3
    neighbours = lab.on("ue1", "ip", "neigh")
    macs = dict(re.findall(r"^(\S+) dev \S+ lladdr (\S+)", neighbours, re.MULTILINE))
    assert set(macs) == {"169.254.1.1", "fe80::1"}
    assert len(set(macs.values())) == 1


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("target", ["mec1", "mec2", "cloud", "vip", "ue2"])
def test_a_device_reaches_hosts_cloud_virtual_address_and_its_neighbour(lab, target, family):
    assert lab.ping("ue1", target, family) == 3


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_hosts_reach_devices(lab, family):
    assert lab.ping("cloud", "ue1", family) == 3
    assert lab.ping("mec2", "ue1", family) == 3


def test_after_a_move_the_virtual_address_is_at_the_new_host(lab):
    assert lab.path("ue2", "vip")[-1] == "mec1"
    lab.call("move", "ue2", "ap2")
    lab.await_true(lambda: lab.ask("GET", "/v1/intents")[1]["serving"]["ue2"] == "mec2", "the decision")
    lab.await_true(lambda: lab.path("ue2", "vip") == ["ue2", "ap2", "edge2", "mec2"], "the new path")
    assert lab.ping("ue2", "vip", "ipv6") == 3
    assert lab.path("ue1", "vip")[-1] == "mec1"


def test_a_connection_to_the_virtual_address_is_pinned_and_survives_a_move(lab):
    """One TCP connection, its first half before the move, its second after: the same host answers."""
    client = (
        "import socket, sys\n"
        f"s = socket.create_connection(('{lab.address('vip', 'ipv4')}', 8080), 5)\n"
        "def ask():\n"
        "    s.sendall(b'GET / HTTP/1.1\\r\\nHost: vip\\r\\n\\r\\n')\n"
        "    return s.recv(4096).lower().partition(b'mec-host: ')[2].split()[0].decode()\n"
        "print(ask(), flush=True)\n"
        "sys.stdin.readline()\n"
        "print(ask(), flush=True)\n"
    )
    argv = [sys.executable, "-m", "experiments", "exec", "--out", str(lab.out), "ue1", "--", "python3", "-c", client]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip() == "mec1"
        assert {flow["host"] for flow in lab.ask("GET", "/v1/flows")[1]["pinned"] if flow["device"] == "ue1"} == {
            "mec1"
        }
        lab.call("move", "ue1", "ap2")
        lab.await_true(lambda: lab.path("ue1", "vip")[-1] == "mec2", "the new path")
        answer, _ = process.communicate("\n", timeout=20)
    assert answer.strip() == "mec1"
    lab.call("move", "ue1", "ap1")
    lab.await_true(lambda: lab.path("ue1", "vip")[-1] == "mec1", "the way back")


def test_packets_are_counted_at_the_rule_that_steers_them(lab):
    before = sum(lab.counted("edge1"))
    assert lab.ping("ue1", "vip", "ipv4") == 3
    assert lab.ping("ue1", "vip", "ipv6") == 3
    assert sum(lab.counted("edge1")) == before + 6


def test_a_switch_that_comes_back_holds_what_it_should_again(lab):
    """While the connection is broken a rule of another hand comes, one of its own goes, and one changes."""
    before = lab.flows("edge2")
    (taken_over if lab.plan["dataplane"] == "p4" else changed_behind)(lab, before)
    lab.await_true(lambda: lab.ask("GET", "/v1/health")[1]["ready"], "the switch, ready again")
    # On a busy machine a host's reports may be late meanwhile: its devices go to the other host, and come back.
    lab.await_true(lambda: lab.flows("edge2") == before, "the rules as they were")


def is_absent(lab):
    return lab.ask("GET", "/v1/health")[1]["switches"]["edge2"] == "absent"


def changed_behind(lab, before):
    target = lab.on("root", "ovs-vsctl", "get-controller", "edge2").strip()
    lab.on("root", "ovs-vsctl", "del-controller", "edge2")
    lab.await_true(lambda: is_absent(lab), "the end of the connection")
    ofctl = ("ovs-ofctl", "-O", "OpenFlow13")
    lab.on("root", *ofctl, "add-flow", "edge2", "table=0,priority=99,tcp,tp_dst=99,actions=drop")
    lab.on(
        "root", *ofctl, "--strict", "del-flows", "edge2", f"table=3,priority=10,ip,nw_dst={lab.address('ue1', 'ipv4')}"
    )
    solicitation = "table=0,priority=30,icmp6,icmp_type=135,nd_target=fe80::1"  # no report of a host depends on it
    lab.on("root", *ofctl, "--strict", "mod-flows", "edge2", f"{solicitation},actions=drop")
    assert lab.flows("edge2") != before
    lab.on("root", "ovs-vsctl", "set-controller", "edge2", target)


def taken_over(lab, before):
    done = lab.run_dir / "stranger"
    command = [sys.executable, "-c", STRANGER, str(lab.run_dir), "edge2", lab.address("ue1", "ipv4"), str(done)]
    argv = [sys.executable, "-m", "experiments", "exec", "--out", str(lab.out), "root", "--", *command]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stranger:
        lab.await_true(done.exists, "the other controller's changes")
        lab.await_true(lambda: is_absent(lab), "the lab's controller, which is the primary no longer")
        assert lab.flows("edge2") != before
        printed, _ = stranger.communicate("\n", timeout=20)
    assert printed == "primary True\n"


def test_a_breakout_taken_away_leads_over_the_anchor_and_one_given_back_does_not(lab):
    vip = f"/v1/breakouts/edge1/{lab.address('vip', 'ipv4')}/32"
    assert lab.path("ue1", "vip") == ["ue1", "ap1", "edge1", "mec1"]
    assert lab.ask("DELETE", vip)[0] == 200
    assert lab.path("ue1", "vip") == ["ue1", "ap1", "edge1", "core", "edge1", "mec1"]
    assert lab.path("ue1", "vip", "ipv6") == ["ue1", "ap1", "edge1", "mec1"]
    assert lab.ping("ue1", "vip", "ipv4") == 3
    assert lab.ask("PUT", vip)[0] == 200
    assert lab.path("ue1", "vip") == ["ue1", "ap1", "edge1", "mec1"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/v1/attachments/ue9", {"ap": "ap1"}, 404),
        ("PUT", "/v1/serving/ue1", {"host": "ue2"}, 404),
        ("PUT", "/v1/breakouts/edge1/198.51.100.0/24", None, 422),
        ("POST", "/v1/transactions", {"attach": 1}, 400),
        ("PATCH", "/v1/health", None, 405),
    ],
)
def test_the_northbound_interface_refuses_with_a_reason(lab, method, path, body, status):
    found, answer = lab.ask(method, path, body)
    assert found == status
    assert answer["detail"]


def test_no_switch_has_refused_anything(lab):
    (log,) = lab.out.glob("controlled/*/logs/controller.log")
    assert "refuses" not in log.read_text()
    assert "Traceback" not in log.read_text()
