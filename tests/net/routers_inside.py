"""Builds the two-site network with routers in a sandbox, moves a device and has a host fail; prints what was found.

Run as `routers_inside.py RUN_DIR` by `topologies.sandbox`. There is no orchestrator: attachments are posted from the
operations host, over the network, by curl.
"""

import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hosts import child, echo, router, speaker
from hosts.program import Context
from meclab import planning, routers, scenario, topology
from meclab.errors import RunError
from meclab.messages import Start
from meclab.methods import Method
from meclab.packets import PROBE_PORT, ROUTER_PORT, Probe, unpack_probe
from meclab.plan import Plan
from topologies.namespaces import network_of
from topologies.network import Network

DEADLINE_S = 20.0


def make_plan() -> Plan:
    file = scenario.Scenario.model_validate({"scenario": "try", "devices": [{"name": "ue1"}, {"name": "ue2"}]})
    return planning.make(file, topology.two_site(), Method(name="bgp-anycast"), "wire")


def until(found: Callable[[], object]) -> float | None:
    """Milliseconds until something is found; none where it is not in time."""
    began = time.monotonic()
    while not found():
        if time.monotonic() - began > DEADLINE_S:
            return None
        select.select([], [], [], 0.002)
    return round((time.monotonic() - began) * 1e3, 1)


class Programs:
    """Programs of hosts and routers, each forked into its node's namespaces."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.pids: dict[tuple[str, str], int] = {}

    def start(self, node: str, name: str, main: Callable[[Context], int]) -> None:
        """Returns when the program says that it serves."""
        reader, writer = os.pipe()
        parent = os.getpid()
        if (pid := os.fork()) == 0:
            log = self._network.run_dir / "logs" / f"{node}-{name}.log"
            namespace_pid = self._network.node_pid(node)
            request = Start.model_construct(node=node, program=name, namespace_pid=namespace_pid, log=str(log))
            context = Context(self._network.plan, node, self._network.run_dir, None, child.teller(writer))
            child.become(request, context, main, parent, keep=(writer,))
        os.close(writer)
        assert select.select([reader], [], [], DEADLINE_S)[0] and os.read(reader, 1) == b"1", f"{name} on {node}"
        os.close(reader)
        self.pids[node, name] = pid

    def kill(self, node: str, name: str) -> None:
        pid = self.pids.pop((node, name))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


class Device:
    """A device's probes to the virtual address."""

    def __init__(self, network: Network, name: str) -> None:
        plan = network.plan
        self._name, self._sequence = name, 0
        self._addresses = {socket.AF_INET: str(plan.vip_ipv4), socket.AF_INET6: str(plan.vip_ipv6)}
        with network_of(network.node_pid(name)):
            self._sockets = {family: socket.socket(family, socket.SOCK_DGRAM) for family in self._addresses}
        for sender in self._sockets.values():
            sender.settimeout(0.1)

    def served_by(self, family: int = socket.AF_INET) -> str | None:
        """The host that answers one probe; none where nobody does in 0.1 s."""
        self._sequence += 1
        sender = self._sockets[family]
        try:
            probe = Probe(self._name, self._sequence, time.time_ns())
            sender.sendto(probe.pack(), (self._addresses[family], PROBE_PORT))
            while (reply := unpack_probe(sender.recv(2048))).sequence != self._sequence:
                pass
        except OSError:
            return None
        return reply.host

    def both(self) -> list[str | None]:
        return [self.served_by(family) for family in (socket.AF_INET, socket.AF_INET6)]


class Trial:
    """The network, and what is asked of it."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.programs = Programs(network)
        self.device = Device(network, "ue1")
        self._sequence = 0

    def post(self, router_name: str, body: object) -> list[object]:
        """Status and answer of a router to a posted body."""
        address = routers.loopbacks(self.network.plan)[router_name][0]
        command = (
            f"curl -s -m 5 -w '\\n%{{http_code}}' -d '{json.dumps(body)}' http://{address}:{ROUTER_PORT}/v1/attachments"
        )
        answer, _, status = self.network.mininet["ops"].cmd(command).strip().rpartition("\n")
        return [int(status), json.loads(answer)]

    def told(self, device: str, ap: str) -> dict[str, list[object]]:
        """Every router's answer to an attachment."""
        self._sequence += 1
        body = {"device": device, "ap": ap, "sequence": self._sequence}
        return {name: self.post(name, body) for name in routers.names(self.network.plan)}

    def move(self, ap: str) -> dict[str, object]:
        self.network.handover("ue1", ap)
        until(lambda: self.network.attachments()["ue1"] == ap)
        before = self.device.both()
        answers = self.told("ue1", ap)
        host = ap.replace("ap", "mec")
        return {
            "before_the_router_is_told": before,
            "outcomes": {name: answer[1]["attachments"][0]["outcome"] for name, answer in answers.items()},
            "served_after_ms": until(lambda: self.device.both() == [host, host]),
            "cloud_reaches_it_after_ms": until(lambda: self.ping("cloud", "ue1") and self.ping("cloud", "ue1", 6)),
            "known": self.network.routed_attachments(),
        }

    def ping(self, source: str, target: str, family: int = 4) -> bool:
        return "1 received" in self.network.mininet[source].cmd(f"ping -{family} -n -c 1 -W 1 {target}")

    def path(self, source: str, target: str, family: str = "ipv4") -> list[str]:
        hops = self.network.trace(source, target, family)
        return [hop.node for hop in hops] + [hops[-1].outcome]

    def fails(self, cause: Callable[[], object], mends: Callable[[], object]) -> dict[str, object]:
        """How long until the other host serves, what is seen meanwhile, and how long until the first does again."""
        cause()
        other_ms = until(lambda: self.device.both() == ["mec2", "mec2"])
        path, core = self.path("ue1", "vip"), self.path("cloud", "vip")
        left = speaking(self.network, "mec1")
        mends()
        return {
            "other_ms": other_ms,
            "speaks": left,
            "path": path,
            "path_from_cloud": core,
            "again_ms": until(lambda: self.device.both() == ["mec1", "mec1"]),
        }


def observe(network: Network, began: float) -> dict[str, object]:
    trial = Trial(network)
    start_ms = (time.monotonic() - began) * 1e3
    for host in ("mec1", "mec2"):
        trial.programs.start(host, "speaker", speaker.main)
        trial.programs.start(host, "echo", echo.main)
    for name in routers.names(network.plan):
        trial.programs.start(name, "router", router.main)
    programs_ms = (time.monotonic() - began) * 1e3
    network.settle()
    found: dict[str, object] = {"ms": [start_ms, programs_ms, (time.monotonic() - began) * 1e3]}
    network.attach("ue1", "ap1")
    found["unknown_to_routers"] = [trial.ping("cloud", "ue1"), network.routed_attachments()]
    found["first"] = {name: answer[0] for name, answer in trial.told("ue1", "ap1").items()}
    found["at_first"] = [until(lambda: trial.device.both() == ["mec1", "mec1"]), trial.device.both()]
    pairs = [("ue1", "cloud"), ("mec1", "mec2"), ("ops", "ue1"), ("edge1", "ue1"), ("edge2", "cloud"),
        ("core", "mec1"), ("ops", "edge2"), ("ue1", "core")]  # fmt: skip
    found["hosts"] = [pair for pair in pairs for family in (4, 6) if not trial.ping(*pair, family)]
    found["paths"] = {f"{a} {b}": trial.path(a, b) for a, b in (("ue1", "vip"), ("cloud", "ue1"), ("ue1", "mec2"),
        ("ue1", "192.0.2.1"))}  # fmt: skip
    found["path_ipv6"] = trial.path("ue1", "vip", "ipv6")
    found["rule"] = [network.trace("ue1", "vip")[2].rules[0].match, *network.trace("ue1", "vip")[2].rules[0].actions]
    network.dump_flows("before")
    found["moves"] = [trial.move(ap) for ap in ("ap2", "ap1", "ap2", "ap1")]
    found["repeated"] = trial.post("edge1", [{"device": "ue1", "ap": "ap1", "sequence": n} for n in (5, 4)])
    found["refused"] = [trial.post("edge1", body) for body in ({"device": "ue9", "ap": "ap1", "sequence": 9},
        {"device": "ue1", "ap": "ap9", "sequence": 9}, {"device": "ue1"})]  # fmt: skip
    found["speaks"] = speaking(network, "mec1")
    found["process"] = trial.fails(
        lambda: trial.programs.kill("mec1", "speaker"), lambda: trial.programs.start("mec1", "speaker", speaker.main)
    )
    network.settle()
    found["silence"] = trial.fails(lambda: network.silence("mec1"), lambda: network.unsilence("mec1"))
    network.settle()
    found["link"] = trial.fails(lambda: network.link_down("edge1", "mec1"), lambda: network.link_up("edge1", "mec1"))
    found["vtysh"] = network.mininet["edge1"].cmd("vtysh -c 'show bgp summary json' | head -c 1").strip()
    found["user"] = network.mininet["edge1"].cmd("ps -o user= -C bgpd | sort -u").strip()
    found["flows"] = (network.run_dir / "flows" / "before" / "edge1.txt").read_text()
    found["names"] = network.mininet["ue1"].cmd("getent ahostsv4 edge2 | grep STREAM").split()[:1]
    found["shell"] = network.mininet["ap1"].cmd("cat /sys/class/net/ap1/bridge/stp_state").strip()
    found["frr_outside"] = [str(path) for path in Path("/run/frr").iterdir()]
    network.check()
    found["pids"] = sorted(network.pids())
    found["after_the_death_of_a_daemon"] = kill_daemon(network)
    return found


def speaking(network: Network, host: str) -> list[str]:
    """FRR's daemons in a host's network namespace."""
    own = Path(f"/proc/{network.node_pid(host)}/ns/net").readlink()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            name = (process / "comm").read_text().strip()
            if name in ("zebra", "bgpd", "bfdd") and (process / "ns/net").readlink() == own:
                found.append(name)
        except OSError:
            continue
    return sorted(found)


def kill_daemon(network: Network) -> str:
    """What `check` says once the core's bgpd has been killed."""
    os.kill(network.pids()["core-bgpd"], signal.SIGKILL)
    said = ["nothing"]

    def noticed() -> bool:
        try:
            network.check()
        except RunError as error:
            said[0] = str(error)
            return True
        return False

    until(noticed)
    return said[0]


def main(run_dir: Path) -> None:
    the_plan = make_plan()
    (run_dir / "plan.json").write_text(the_plan.model_dump_json())
    network = Network(the_plan, run_dir, "user")
    began = time.monotonic()
    network.start()
    print(json.dumps(observe(network, began)))
    network.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
