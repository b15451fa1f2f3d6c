"""The running lab, inside its sandbox: network, captures, controller and programs, started, watched and stopped."""

import json
import logging
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from experiments import processor, provenance
from experiments.capture import Captures
from experiments.operator import Operator
from experiments.processes import Process, Programs, await_condition, in_namespace
from experiments.results import CaptureCount
from experiments.timeline import SERVING_PROGRAMS, Timeline
from meclab.errors import LabError, RunError
from meclab.packets import NORTHBOUND_PORT, OPENFLOW_PORT, Marker
from meclab.plan import Plan
from meclab.scenario import LinkChange
from topologies.machine import Datapath
from topologies.network import Network

log = logging.getLogger(__name__)
CAUSE_S = 0.2
"""A process that dies takes interfaces along, and their captures end: its death is looked for again after this."""
DECISIONS = "logs/decisions.jsonl"
"""In the run's folder: the orchestrator's audit log, an object a line."""
Key = tuple[str, str]
"""Node and program."""


class Lab:
    """One lab; `timeline.Stage` is its face to the events."""

    def __init__(
        self, plan: Plan, run_dir: Path, datapath: Datapath, measuring: bool, tell: Callable[..., None]
    ) -> None:
        self.plan = plan
        self.run_dir = run_dir
        self.network = Network(plan, run_dir, datapath)
        self.programs: Programs | None = None
        self.over = threading.Event()
        self.operator = Operator(plan)
        self.timeline = Timeline(self)
        self._measuring = measuring
        self._tell = tell
        self._captures: Captures | None = None
        self._controller: Process | None = None
        self._traffic: list[Process] = []
        self._routed = plan.method.name == "bgp-anycast"
        self._agents: set[Key] = set()
        self._sampler = processor.Sampler(run_dir / "logs" / processor.LOG)

    def start(self) -> None:
        """Builds everything and returns when every device is attached and every program serves."""
        self._tell(stage="building the network")
        self.network.start(self._start_operations)
        if self._measuring:
            self._tell(stage="starting captures")
            self._captures = Captures(self.plan, self.run_dir, self.network.node_pid)
            self._captures.start()
            self._sampler.start()
        self._tell(stage="starting controller and programs")
        self._start_services()
        self._tell(stage="attaching devices")
        present = [device.name for device in self.plan.devices if not device.joins_ns]
        for device in self.plan.devices:
            if not device.joins_ns:
                self.network.attach(device.name, device.ap)
        await_condition("every device attached", lambda: self._attached(present))
        self._start_devices(present)
        if self._measuring:
            self._start_traffic()
        self.network.dump_flows("before")
        self.mark(Marker("ready", time.time_ns()))

    def _start_operations(self) -> None:
        """As soon as the operations host is there: what takes longest to start."""
        if not self._routed:
            logs = self.run_dir / "logs"
            argv = in_namespace(self.network.node_pid("ops"), [sys.executable, "-m", "controller", str(self.run_dir)])
            self._controller = Process("controller", argv, logs / "controller.log")
        self.programs = Programs(self.run_dir, self.network.markers.fileno())

    def _start_services(self) -> None:
        """The switches are ready before the first program sends: a first ARP request that nobody answers costs its
        sender a second. Routers have their routes once the programs that announce some run."""
        if not self._routed:
            if self.plan.dataplane == "openflow":
                await_condition("the controller, listening for switches", self._controller_listens)
            self.network.connect_controller()
            await_condition("the controller with every switch connected", self._controller_ready)
        self._run_programs([(planned.node, planned.program) for planned in self.plan.programs])
        self.network.settle()

    def _run_programs(self, keys: Sequence[Key]) -> None:
        assert self.programs is not None, "started with the operations host"
        for node, program in keys:
            self.programs.start(node, program, self.network.node_pid(node))
        self.programs.await_ready(keys)

    def _start_devices(self, devices: Sequence[str]) -> None:
        """Each device's client where the lab measures; else what the network talks to, and people are the clients."""
        keys = [(device, "agent" if self._measuring else "modem") for device in devices]
        self._agents.update(keys)
        self._run_programs(keys)

    def _start_traffic(self) -> None:
        for number, traffic in enumerate(self.plan.traffic):
            target = self.plan.address(traffic.to)
            port = str(5201 + number)
            server = ["iperf3", "--server", "--one-off", "--port", port]
            client = ["iperf3", "--client", str(target), "--port", port, "--json", "--time", "0"]
            client += ["--bitrate", str(traffic.rate)]
            client += ["--udp"] if traffic.protocol == "udp" else []
            for node, argv, role in ((traffic.to, server, "server"), (traffic.source, client, "client")):
                log = self.run_dir / "logs" / f"{node}-iperf3-{role}-{number}.log"
                pid = self.network.node_pid(node)
                self._traffic.append(Process(f"iperf3 {role} on {node}", in_namespace(pid, argv), log))

    def _controller_listens(self) -> bool:
        self.check()
        with socket.socket() as probe:
            return probe.connect_ex((str(self.plan.management.ipv4_operations), OPENFLOW_PORT)) == 0

    def _controller_ready(self) -> bool:
        self.check()
        return bool(self._ask("/v1/health").get("ready"))

    def _attached(self, devices: Sequence[str]) -> bool:
        self.check()
        known = self.network.routed_attachments() if self._routed else self._ask("/v1/intents").get("attachments")
        return all(device in (known or {}) for device in devices)

    def _ask(self, path: str) -> dict[str, Any]:
        """What the controller answers, over the management link; empty where it does not."""
        url = f"http://{self.plan.management.ipv4_operations}:{NORTHBOUND_PORT}{path}"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return dict(json.load(answer))
        except (OSError, ValueError):
            return {}

    def check(self) -> None:
        """Raises `RunError` where anything that the run depends on has died, or a capture has ended."""
        self._check_processes()
        if problems := self._captures.problems() if self._captures is not None else []:
            time.sleep(CAUSE_S)
            self._check_processes()
            raise RunError("\n".join(problems))

    def _check_processes(self) -> None:
        self.network.check()
        deaths = [process.death() for process in (self._controller, self.programs) if process is not None]
        if found := [death for death in deaths if death]:
            raise RunError("\n".join(found))

    def play(self) -> None:
        """Plays the plan's events to the end."""
        self._tell(stage="measuring", seconds=self.plan.duration_ns / 1e9)
        self.timeline.run(self.check)

    def serve(self) -> None:
        """Stays up until it is told to end."""
        while not self.over.wait(0.2):
            self.check()

    def stop(self) -> list[CaptureCount]:
        """Ends agents, traffic and captures, in this order, whatever fails on the way; what each capture counted."""
        for step in (self._mark_end, self._stop_agents, self._stop_traffic, self._keep_decisions, self._describe):
            try:
                step()
            except (LabError, OSError, ValueError, KeyError) as error:
                log.error("ending the lab: %r", error)
        return self._captures.stop() if self._captures is not None else []

    def _mark_end(self) -> None:
        self.mark(Marker("end", time.time_ns()))

    def _stop_agents(self) -> None:
        if self.programs is not None and self._agents:
            for node, program in self._agents:
                self.programs.stop(node, program)
            self.programs.await_exit(self._agents)

    def _stop_traffic(self) -> None:
        for process in self._traffic:
            process.stop()

    def _keep_decisions(self) -> None:
        if self.programs is not None:
            lines = [json.dumps(entry) + "\n" for entry in self.operator.decisions(0)]
            (self.run_dir / DECISIONS).write_text("".join(lines))

    def _describe(self) -> None:
        provenance.write_network(self.run_dir, self.network)
        self.network.dump_flows("after")

    # What the timeline's events do to the lab.

    def mark(self, marker: Marker) -> None:
        self.network.markers.send(marker.pack())

    def join(self, device: str) -> None:
        self.network.attach(device, self.plan.device(device).ap)
        self._start_devices([device])

    def handover(self, device: str, ap: str) -> None:
        self.network.handover(device, ap)

    def prepare(self, device: str, ap: str) -> None:
        self.operator.prepare(device, ap, time.time_ns())

    def pin(self, device: str, host: str | None) -> list[str]:
        return self.operator.unpin(device) if host is None else self.operator.pin(device, host)

    def change_link(self, change: LinkChange) -> None:
        self.network.change_link(*change.between, change)

    def link_down(self, a: str, b: str) -> None:
        self.network.link_down(a, b)

    def link_up(self, a: str, b: str) -> None:
        self.network.link_up(a, b)

    def silence(self, host: str, silent: bool) -> None:
        if silent:
            self.network.silence(host)
        else:
            self.network.unsilence(host)

    def kill_programs(self, host: str) -> None:
        assert self.programs is not None, "a running lab has programs"
        for node, program in self._serving(host):
            self.programs.stop(node, program, "SIGKILL")

    def start_programs(self, host: str) -> None:
        self._run_programs(self._serving(host))

    def _serving(self, host: str) -> list[Key]:
        return [(p.node, p.program) for p in self.plan.programs if p.node == host and p.program in SERVING_PROGRAMS]

    def run_on(self, node: str, argv: list[str]) -> subprocess.CompletedProcess[str]:
        """Runs a command on a node to its end."""
        command = in_namespace(self.network.node_pid(node), argv)
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
