"""A switch as a process: ports, programs, controllers, and what happens between them."""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finsy.proto import p4r

from dataplane.compiler.bundle import Bundle
from dataplane.target.attach import Port, Ports, ports_of
from dataplane.target.captures import Captures
from dataplane.target.cpu import CpuPort
from dataplane.target.device import Device
from dataplane.target.interfaces import drain, watch_links
from dataplane.target.kernel import Program, settle
from dataplane.target.pipeline import Pipeline, Surroundings
from dataplane.target.refusal import precondition
from dataplane.target.server import Service, serve
from dataplane.target.trial import try_out
from meclab.errors import RunError

log = logging.getLogger(__name__)

SHORTEST_SCAN_S = 0.02
"""Between two looks for idle entries."""
SCAN_SHARE = 20
"""Such a look takes at most one part in so many of the time."""
REPORT_S = 5.0
STOP_S = 0.5


@dataclass(frozen=True)
class Options:
    """What `./lab p4 run` was told."""

    ports: Mapping[int, str]
    grpc: str
    device_id: int
    cpu_port: int | None = None
    captures: Path | None = None


@dataclass
class Switch:
    """The switch; a `Plane` for its device."""

    options: Options
    ports: Ports = field(init=False)
    cpu: CpuPort | None = None
    device: Device = field(init=False)
    _server: Any = None
    _told_offloads: int = 0
    _timer: asyncio.TimerHandle | None = None

    def __post_init__(self) -> None:
        self.ports = Ports(ports_of(self.options.ports))
        around = Surroundings(settle=settle, cpu_port=self.options.cpu_port)
        self.device = Device(self.options.device_id, self, around)

    # programs

    def load(self, bundle: Bundle) -> Program:
        """Brings a program into the kernel; one that a controller sent is tried out in another process first."""
        if self._server is not None:
            try_out(bundle.object)
        return Program(bundle)

    def commit(self, loaded: Any, pipeline: Pipeline) -> None:
        """Puts it on every port, and listens to its digests instead of those of the one before."""
        before = self.ports.program
        self.ports.commit(loaded)
        loop = asyncio.get_running_loop()
        if before is not None and before.digests is not None:
            loop.remove_reader(before.digests.fileno())
        if loaded.digests is not None:
            loop.add_reader(loaded.digests.fileno(), self._learn, loaded, pipeline)

    # the process

    async def run(self, bundle: Bundle | None) -> None:
        """Runs until SIGTERM or SIGINT; says on standard output when it is ready."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        with ExitStack() as stack:
            self._open(stack)
            if bundle is not None:
                self.device.start(p4r.ForwardingPipelineConfig(p4info=bundle.p4info, p4_device_config=bundle.encode()))
            service = Service(self.device, self._packet_out)
            try:
                self._server, port = await serve(service, self.options.grpc)
            except OSError as error:
                raise RunError(f"--grpc {self.options.grpc}: {error}") from None
            watchers = [asyncio.create_task(self._watch_idle()), asyncio.create_task(self._watch_offloads())]
            address = self.options.grpc
            if not address.startswith("unix:"):
                address = f"{address.rpartition(':')[0]}:{port}"
            named = " ".join(f"{each.number}={each.interface}" for each in self.ports.ports)
            print(f"ready: device {self.options.device_id}, P4Runtime on {address}, ports {named}", flush=True)
            await stop.wait()
            for watcher in watchers:
                watcher.cancel()
            await self._server.stop(STOP_S)
            self._report(service)

    def _open(self, stack: ExitStack) -> None:
        if self.options.cpu_port is not None:
            self.cpu = CpuPort()
            stack.callback(self.cpu.close)
            self.ports.ports.append(Port(self.options.cpu_port, self.cpu.interface, own=True))
        self.ports.open()
        stack.callback(self.ports.close)
        if self.options.captures is not None:
            named = {port.number: port.interface for port in self.ports.ports}
            stack.callback(Captures(self.options.captures, named).close)
        watcher = stack.enter_context(watch_links())
        asyncio.get_running_loop().add_reader(watcher, self._review, watcher)
        if self.cpu is not None:
            self.cpu.start(self._packet_in)

    def _review(self, watcher: Any) -> None:
        drain(watcher)
        self.ports.review()

    # packets

    def _packet_in(self, frame: bytes) -> None:
        running = self.device.running
        packet = running.headers.packet_in(frame) if running else None
        if packet is not None:
            self.device.tell_primary(p4r.StreamMessageResponse(packet=packet))

    def _packet_out(self, message: p4r.PacketOut) -> None:
        if self.cpu is None:
            raise precondition("packet-out: this switch has no CPU port; expected it to run with --cpu-port N")
        if self.device.running is None:
            raise precondition("packet-out: found no pipeline; expected SetForwardingPipelineConfig first")
        self.cpu.send(self.device.running.headers.packet_out(message))

    # digests and idle entries

    def _learn(self, program: Program, pipeline: Pipeline) -> None:
        if program.digests is not None:
            for record in program.digests.read():
                pipeline.digests.receive(record)
            self._tell_digests(pipeline)

    def _tell_digests(self, pipeline: Pipeline) -> None:
        for message in pipeline.digests.lists():
            self.device.tell_primary(p4r.StreamMessageResponse(digest=message))
        if self._timer is not None:
            self._timer.cancel()
        wait_ns = pipeline.digests.wait_ns()
        if wait_ns is not None:
            self._timer = asyncio.get_running_loop().call_later(wait_ns / 1e9, self._tell_digests, pipeline)

    async def _watch_idle(self) -> None:
        while True:
            began = time.monotonic()
            if self.device.running is not None:
                for table in self.device.running.pipeline.tables.values():
                    idle = table.expire()
                    if idle:
                        notice = p4r.IdleTimeoutNotification(table_entry=idle, timestamp=time.time_ns())
                        self.device.tell_primary(p4r.StreamMessageResponse(idle_timeout_notification=notice))
            await asyncio.sleep(max(SHORTEST_SCAN_S, SCAN_SHARE * (time.monotonic() - began)))

    # what is counted

    async def _watch_offloads(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            count = self.ports.program.drops()["OFFLOADED"] if self.ports.program else 0
            if count > self._told_offloads:
                log.warning("%d superpackets came in so far: senders segment or checksum by offload", count)
            self._told_offloads = count

    def _report(self, service: Service) -> None:
        if self.ports.program is None:
            return
        with suppress(OSError):
            counts = ", ".join(f"{name.lower()} {count}" for name, count in self.ports.program.drops().items() if count)
            print(f"packets that did not leave, by why: {counts or 'none'}", file=sys.stderr)
        if service.dropped:
            print(f"messages dropped for slow controllers: {service.dropped}", file=sys.stderr)
