"""Intents, the switches that hold them, and the one lock under which they change together."""

import logging
import threading
from dataclasses import replace
from typing import Any

from controller import transaction
from controller.intents import Connection, Intents, Network
from controller.openflow import generation_of
from controller.packets import FirstSegment
from controller.rules import Rules
from controller.switches import Switches
from controller.transaction import Step
from meclab.messages import RuleClass, Transaction, TransactionResult
from meclab.plan import Plan

log = logging.getLogger(__name__)


class Coordinator:
    """What the northbound side asks and the switches report comes together here."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.network = Network(plan)
        self.rules = Rules(self.network)
        self.switches = Switches()
        self.expected = {node.dpid: node.name for node in plan.switches if node.dpid is not None}
        self._intents = self.network.initial()
        self._number = 0
        self._lock = threading.Lock()

    @property
    def intents(self) -> Intents:
        return self._intents

    def transact(self, wanted: Transaction) -> TransactionResult:
        """Changes intents and switches together; raises `IntentError` and changes nothing where it cannot be."""
        with self._lock:
            after = self.network.change(self._intents, wanted)
            kind = RuleClass.ATTACH if wanted.attach else RuleClass.STEER if wanted.serve else RuleClass.BASE
            return self._move_to(after, kind)

    def _move_to(self, after: Intents, kind: RuleClass) -> TransactionResult:
        steps = transaction.steps(self.rules, self._intents, after)
        self._intents = after
        self._number += 1
        unreached: set[str] = set()
        for step in steps:
            unreached |= self.switches.apply(step, kind)
        if unreached:
            log.warning("transaction %d did not reach %s", self._number, ", ".join(sorted(unreached)))
        return TransactionResult(
            number=self._number,
            switches=tuple(sorted({switch for step in steps for switch in step.switches})),
            rules_added=sum(len(rules) for step in steps for rules in step.add.values()),
            rules_removed=sum(len(rules) for step in steps for rules in step.remove.values()),
            unreached=tuple(sorted(unreached)),
        )

    def switch_connected(self, name: str, datapath: Any) -> None:
        """Gives a switch the rules that it should hold; `switch_reports` takes what it should not."""
        with self._lock:
            self.switches.connected(name, datapath)
            wanted = self.rules.of_switch(self._intents, name)
            self.switches.send(name, datapath, wanted.values())
        log.info("%s connected: %d rules", name, len(wanted))

    def strangers(self, name: str, flows: list[Any]) -> list[Any]:
        """Of the flows that a switch reports, those that are not of the connection's generation."""
        generation = self.switches.generation(name)
        return [flow for flow in flows if generation_of(flow.cookie) != generation]

    def first_segment(self, segment: FirstSegment) -> None:
        """A device has opened a connection to the virtual address: it stays with the host that serves now."""
        connection = self.network.connection(
            segment.source, segment.source_port, segment.destination, segment.destination_port
        )
        with self._lock:
            host = None if connection is None else self._intents.serving.get(connection.device)
            if connection is None or host is None or self._intents.pins.get(connection) == host:
                return
            pins = {**self._intents.pins, connection: host}
            self._post(replace(self._intents, pins=pins))

    def connection_silent(self, switch: str, segment: FirstSegment) -> None:
        """A pinned connection's rule has ended by silence; only at the device's own edge does that count."""
        connection = self.network.connection(
            segment.source, segment.source_port, segment.destination, segment.destination_port
        )
        with self._lock:
            if connection is None or connection not in self._intents.pins:
                return
            edge = self.network.edge_of_device(self._intents, connection.device)
            if switch in (edge, self.rules.core) and not (
                switch == self.rules.core and self._breaks_out(edge, connection)
            ):
                pins = {known: host for known, host in self._intents.pins.items() if known != connection}
                self._post(replace(self._intents, pins=pins))

    def _breaks_out(self, edge: str | None, connection: Connection) -> bool:
        return any(b.edge == edge and connection.destination in b.prefix for b in self._intents.breakouts)

    def _post(self, after: Intents) -> None:
        """Changes without waiting for the switches: their answers come in the thread that calls this."""
        steps = transaction.steps(self.rules, self._intents, after)
        self._intents = after
        for step in steps:
            self._send(step)

    def _send(self, step: Step) -> None:
        for name in sorted(step.switches):
            if (datapath := self.switches.datapath(name)) is not None:
                self.switches.send(name, datapath, step.add.get(name, ()), step.remove.get(name, ()))
