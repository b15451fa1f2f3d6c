"""Intents and the switches that hold them, changed together.

Two locks, always taken in this order: `_turn` is held for a whole transaction, waiting for switches included;
`_lock` only while intents change and messages are handed over. What switches report is dealt with in the thread that
reads from them, which brings the answers that a transaction waits for: it takes `_lock` alone, and never waits for a
switch.
"""

import logging
import threading

from controller import switches, transaction
from controller.intents import Connection, Intents, Network
from controller.packets import Ends, FirstSegment
from controller.removals import Removals
from controller.rules import Rules
from controller.switches import Barrier, Channel, Switches
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
        self._pending: list[Step] = []
        """Steps of the transaction under way that have not been sent."""
        self._removals = Removals()
        self._turn = threading.Lock()
        self._lock = threading.Lock()

    @property
    def intents(self) -> Intents:
        return self._intents

    def transact(self, wanted: Transaction) -> TransactionResult:
        """Changes intents and switches together; raises `IntentError` and changes nothing where it cannot be.

        Returns when every switch has what is new. That it no longer has what is stale is waited for where the
        transaction says so, and otherwise only written down where it is not so.
        """
        kind = RuleClass.ATTACH if wanted.attach else RuleClass.STEER if wanted.serve else RuleClass.BASE
        with self._turn:
            with self._lock:
                after = self.network.change(self._intents, wanted)
                steps = transaction.steps(self.rules, self._intents, after)
                self._intents = after
                self._pending = list(steps)
                self._number += 1
            unreached = self._bring(kind, _takes_away(wanted))
            if unreached:
                log.warning("transaction %d did not reach %s", self._number, ", ".join(sorted(unreached)))
            return TransactionResult(
                number=self._number,
                switches=tuple(sorted({switch for step in steps for switch in step.switches})),
                rules_added=sum(len(rules) for step in steps for rules in step.add.values()),
                rules_removed=sum(len(rules) for step in steps for rules in step.remove.values()),
                unreached=tuple(sorted(unreached)),
            )

    def _bring(self, kind: RuleClass, takes_away: bool) -> set[str]:
        """Sends what is pending, each step when the one before is done; the switches that were not reached."""
        unreached: set[str] = set()
        while True:
            with self._lock:
                if not self._pending:
                    return unreached
                step = self._pending.pop(0)
                barriers: dict[str, Barrier] = self.switches.send(step, then=kind)
            if step.only_removes and not takes_away:
                self._removals.watch(self._number, barriers)
                unreached |= step.switches - barriers.keys()
            else:
                unreached |= step.switches - switches.reached(barriers)

    def switch_connected(self, channel: Channel) -> None:
        """Has a switch hold the rules that it should."""
        with self._lock:
            self.switches.connected(channel)
            wanted = self.rules.of_switch(self._intents, channel.name)
            channel.hold(wanted)
        log.info("%s connected: %d rules", channel.name, len(wanted))

    def switch_disconnected(self, channel: Channel) -> None:
        """A connection has ended."""
        if self.switches.disconnected(channel):
            log.warning("%s disconnected", channel.name)

    def first_segment(self, segment: FirstSegment) -> None:
        """A device has opened a connection to the virtual address: it stays with the host that it was sent to."""
        connection, host = self._connection(segment.ends), self.network.host_of_mac.get(segment.routed_to)
        if connection is None or host is None:
            return
        with self._lock:
            if self._intents.pin(connection) != host:
                self._post(self._intents.with_pin(connection, host))

    def connection_silent(self, switch: str, ends: Ends) -> None:
        """A pinned connection's rule has ended by silence; only where the device is attached now does that count."""
        connection = self._connection(ends)
        with self._lock:
            if connection is None or self._intents.pin(connection) is None:
                return
            if switch == self.rules.watch(self._intents, connection):
                self._post(self._intents.with_pin(connection, None))

    def _connection(self, ends: Ends) -> Connection | None:
        return self.network.connection(ends.source, ends.source_port, ends.destination, ends.destination_port)

    def _post(self, after: Intents) -> None:
        """Changes without waiting; a transaction under way that was computed before does not undo it."""
        steps = transaction.steps(self.rules, self._intents, after)
        self._intents = after
        for step in steps:
            for pending in self._pending:
                pending.leave_out(step)
            self.switches.send(step)


def _takes_away(wanted: Transaction) -> bool:
    """Whether a transaction asks for something to go; a move only leaves something behind."""
    return bool(wanted.remove_breakout) or None in wanted.serve.values()
