"""The lab's own Open vSwitch: its two daemons, its switches, their flows."""

import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from meclab.errors import RunError
from meclab.packets import OPENFLOW_PORT
from topologies.layout import Bridge
from topologies.machine import Datapath

RUNDIR = Path("/var/run/openvswitch")
DATABASE = Path("/var/run/openvswitch/conf.db")
SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
_READY_S = 10.0
_LOG_LINES = 5


class OpenVSwitch:
    """`ovsdb-server` and `ovs-vswitchd`, started directly, with their files in the sandbox's private folders."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def launch(self) -> None:
        """Starts both daemons; the switch gets ready while other work is done before `await_ready`."""
        RUNDIR.mkdir(parents=True, exist_ok=True)
        run("ovsdb-tool", "create", str(DATABASE), str(SCHEMA))
        self._daemon("ovsdb-server", f"--remote=punix:{RUNDIR}/db.sock", str(DATABASE))
        self._await("ovsdb-server", RUNDIR / "db.sock")  # else the switch would wait a second to try again
        self._daemon("ovs-vswitchd", f"unix:{RUNDIR}/db.sock")

    def await_ready(self) -> None:
        """Waits until the switch answers."""
        run("ovs-vsctl", "--no-wait", "init")
        self._await("ovs-vswitchd", RUNDIR / f"ovs-vswitchd.{self._daemons['ovs-vswitchd'].pid}.ctl")

    def stop(self) -> None:
        """Ends both daemons, the switch first."""
        for daemon in reversed(self._daemons.values()):
            daemon.terminate()
        for daemon in self._daemons.values():
            try:
                daemon.wait(5)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def check(self) -> None:
        """Raises `RunError` with the last log lines of a daemon that has ended by itself."""
        for name, daemon in self._daemons.items():
            if (status := daemon.poll()) is not None:
                raise RunError(f"{name} ended with status {status}\n{self._last_lines(name)}")

    @property
    def pids(self) -> dict[str, int]:
        """The daemons' process numbers."""
        return {name: daemon.pid for name, daemon in self._daemons.items()}

    def _daemon(self, name: str, *arguments: str) -> None:
        command = [name, *arguments, "--no-chdir", "--pidfile", f"--log-file={self._logs / name}.log", "-vconsole:off"]
        with (self._logs / f"{name}.out").open("wb") as output:
            self._daemons[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    def _await(self, name: str, socket: Path) -> None:
        deadline = time.monotonic() + _READY_S
        while not socket.is_socket():
            self.check()
            if time.monotonic() > deadline:
                raise RunError(f"{name} has not made {socket} in {_READY_S:g} s\n{self._last_lines(name)}")
            time.sleep(0.002)

    def _last_lines(self, name: str) -> str:
        lines: list[str] = []
        for suffix in ("log", "out"):
            path = self._logs / f"{name}.{suffix}"
            if path.exists():
                lines += path.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        return "\n".join(lines)


def run(*command: str) -> str:
    """A command's standard output; raises `RunError` with what it said where it fails."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RunError(f"{' '.join(command[:3])} gave no answer in 60 s") from error
    if done.returncode != 0:
        raise RunError(f"{' '.join(command[:3])} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def create_bridges(bridges: Sequence[Bridge], datapath: Datapath) -> None:
    """Makes every switch with its ports in one transaction, and returns when the ports are in place."""
    run("ovs-vsctl", *bridge_arguments(bridges, datapath))


def bridge_arguments(bridges: Sequence[Bridge], datapath: Datapath) -> list[str]:
    """`ovs-vsctl` arguments that make switches which forward nothing until a controller tells them to.

    Without `linux-noop`, Open vSwitch takes the queueing discipline of a port away: netem with it.
    """
    kind = "netdev" if datapath == "user" else "system"
    arguments = ["--", "--id=@untouched", "create", "qos", "type=linux-noop"]
    for bridge in bridges:
        arguments += ["--", "add-br", bridge.name, "--", "set", "bridge", bridge.name]
        arguments += [f"datapath_type={kind}", "fail_mode=secure", "protocols=OpenFlow13"]
        arguments += [f"other-config:datapath-id={bridge.dpid:016x}", "other-config:disable-in-band=true"]
        arguments += [f"other-config:dp-desc={bridge.name}", "mcast_snooping_enable=false", "rstp_enable=false"]
        for interface, number in bridge.ports.items():
            arguments += ["--", "add-port", bridge.name, interface]
            arguments += ["--", "set", "interface", interface, f"ofport_request={number}"]
            arguments += ["--", "set", "port", interface, "qos=@untouched"]
    return arguments


def connect(bridges: Iterable[str], controller: str) -> None:
    """Points every switch to the controller at an IP address, in one transaction.

    The first attempt is made at once, the next after a second: have the controller listen before.
    """
    arguments: list[str] = []
    for name in bridges:
        arguments += ["--", "set-controller", name, f"tcp:{controller}:{OPENFLOW_PORT}"]
        arguments += ["--", "set", "controller", name, "max_backoff=1000", "inactivity_probe=5000"]
        arguments += ["connection_mode=out-of-band"]
    run("ovs-vsctl", *arguments)


def check_ports(bridges: Sequence[Bridge]) -> None:
    """Raises `RunError` where a port did not get its number: another interface's rules would apply to it."""
    table = run("ovs-vsctl", "--format=csv", "--no-headings", "--columns=name,ofport,error", "list", "interface")
    wanted = {interface: port for bridge in bridges for interface, port in bridge.ports.items()}
    found = {}
    for line in table.splitlines():
        name, number, error = line.split(",", 2)
        found[name] = (number, error)
    for interface, port in wanted.items():
        has, error = found.get(interface, ("none", ""))
        if has != str(port):
            raise RunError(f"Open vSwitch gave {interface} port {has}, not {port} {error}".rstrip())


def dump_flows(bridges: Iterable[str], folder: Path) -> None:
    """Writes every switch's flow table, with counters, to `folder`/SWITCH.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in bridges:
        (folder / f"{name}.txt").write_text(run("ovs-ofctl", "-O", "OpenFlow13", "dump-flows", name))


def explain(bridge: str, flow: str) -> str:
    """What a switch would do with a packet now, in Open vSwitch's words (`ofproto/trace`); sends nothing."""
    return run("ovs-appctl", "ofproto/trace", bridge, flow)
