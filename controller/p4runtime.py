"""The P4Runtime connections, by finsy: rules as table entries, written in order; a Write's reply is the barrier.

The controller connects to the switches here, each at an address of its own. finsy's switches, and all that is done with
them, live in one event loop; the coordinator's threads hand over jobs and wait for barriers.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import finsy
from finsy import P4PacketOut, P4TableEntry, Switch, SwitchOptions
from finsy.proto import p4r

from controller import entries, packets
from controller.coordinator import Coordinator
from controller.reconciling import Holding
from controller.rules import Rule
from controller.switches import Barrier
from meclab import p4
from meclab.errors import PeerError
from meclab.messages import RuleClass
from meclab.plan import PlannedNode

log = logging.getLogger(__name__)
_QUEUED = 4096
"""Packets and notifications that may wait for the controller."""


@dataclass(frozen=True)
class _Hold:
    """Rules that a switch shall hold, and no others."""

    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class _Change:
    """Rules that come or change, and rules that go."""

    add: tuple[Rule, ...]
    remove: tuple[Rule, ...]
    barrier: Barrier


class P4RuntimeChannel:
    """One connection of one switch: `controller.switches.Channel`."""

    def __init__(self, switch: Switch, node: PlannedNode) -> None:
        self.name = node.name
        self.ready = False
        self._switch = switch
        self._node = node
        self._holding = Holding(switch.p4info)
        self._loop = asyncio.get_running_loop()
        self._jobs: asyncio.Queue[_Hold | _Change] = asyncio.Queue()
        self._waiting: set[Barrier] = set()
        self._closed = False

    def hold(self, rules: Iterable[Rule]) -> None:
        """Compares with what the switch has, and writes what differs."""
        self._put(_Hold(tuple(rules)))

    def send(self, add: Iterable[Rule], remove: Iterable[Rule] = (), then: RuleClass | None = None) -> Barrier:
        """One Write, in order; its reply answers the barrier, whatever `then` is: entries carry their classes."""
        barrier = Barrier()
        self._waiting.add(barrier)
        self._put(_Change(tuple(add), tuple(remove), barrier))
        return barrier

    def close(self) -> None:
        """The connection has ended: nobody waits for its answers any more."""
        self._closed = True
        self.ready = False
        while self._waiting:
            self._waiting.pop().end(answered=False)

    def _put(self, job: _Hold | _Change) -> None:
        if self._closed:
            self.close()
        else:
            self._loop.call_soon_threadsafe(self._jobs.put_nowait, job)

    async def run(self) -> None:
        """Does one job after the other until the connection ends."""
        while True:
            match await self._jobs.get():
                case _Hold(rules):
                    await self._hold(rules)
                case _Change(add, remove, barrier):
                    answered = await self._write(self._holding.change(add, remove))
                    self._waiting.discard(barrier)
                    barrier.end(answered)

    async def _hold(self, rules: tuple[Rule, ...]) -> None:
        wanted = [entry for rule in rules for entry in entries.entries(rule)]
        wanted += entries.of_switch(self._node)
        await self._copy_to_controller()
        read = self._switch.read(P4TableEntry())
        self._holding.found([entry async for entry in read])  # type: ignore[attr-defined]  # finsy's overloads
        updates, strangers = self._holding.become(wanted)
        if strangers:
            log.info("%s has %d rules of others", self.name, strangers)
        self.ready = await self._write(updates)

    async def _copy_to_controller(self) -> None:
        """The clone session; a switch that has been connected before has it already."""
        try:
            await self._switch.insert([entries.copies()])
        except finsy.P4ClientError:
            await self._switch.modify([entries.copies()])

    async def _write(self, updates: list[p4r.Update]) -> bool:
        """Whether the switch has done it all. A refusal is a defect, or a switch that cannot do what the lab needs."""
        try:
            await self._switch.write(updates)
        except finsy.P4ClientError as error:
            log.error("%s refuses an update: %s", self.name, error)
            return False
        return True

    async def answer_packets(self, coordinator: Coordinator) -> None:
        """Neighbour solicitations for the gateway, and first segments of connections."""
        async for packet in self._switch.read_packets(queue_size=_QUEUED):
            try:
                if packet["reason"] == entries.FIRST_SEGMENT:
                    coordinator.first_segment(packets.first_segment(packet.payload))
                elif (answer := packets.neighbour_advertisement(packet.payload)) is not None:
                    await self._switch.write([P4PacketOut(answer, egress_port=packet["ingress_port"], padding=0)])
            except PeerError as error:
                log.warning("%s: %s", self.name, error)

    async def forget_silent(self, coordinator: Coordinator) -> None:
        """Pinned connections whose entries no packet has hit for a while: the controller takes them away."""
        async for notification in self._switch.read_idle_timeouts(queue_size=_QUEUED):
            for entry in notification:
                if entry.table_id in entries.PINS:
                    coordinator.connection_silent(self.name, entries.pinned_connection(entry))


class _Speaker:
    """Makes a channel of each connection of a switch."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._nodes = {node.name: node for node in coordinator.plan.switches}

    def switches(self, folder: Path) -> list[Switch]:
        """Every switch. The lab's own have their program already; BMv2's get it, from a folder, with the connection."""
        plan = self._coordinator.plan
        options = SwitchOptions(ready_handler=self._connected)
        if plan.p4.target == "bmv2":
            options = options(p4info=folder / p4.BMV2_INFO, p4blob=folder / p4.BMV2_PROGRAM)
        return [Switch(name, str(at), options(device_id=at.device_id)) for name, at in p4.endpoints(plan).items()]

    async def _connected(self, switch: Switch) -> None:
        """Serves a connection to its end; where another controller is the switch's primary, until this one is again."""
        if not switch.is_primary:
            log.warning("%s has another controller", switch.name)
            return
        channel = P4RuntimeChannel(switch, self._nodes[switch.name])
        switch.create_task(channel.answer_packets(self._coordinator))
        switch.create_task(channel.forget_silent(self._coordinator))
        self._coordinator.switch_connected(channel)
        try:
            await channel.run()
        finally:
            self._coordinator.switch_disconnected(channel)


def serve(coordinator: Coordinator, run_dir: Path) -> None:
    """Speaks P4Runtime until the process is ended."""
    asyncio.run(finsy.Controller(_Speaker(coordinator).switches(run_dir / p4.FOLDER)).run())
