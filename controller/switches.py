"""The switches that are connected, and how a step is brought to them: messages, then a barrier each."""

import itertools
import threading
from collections.abc import Iterable
from typing import Any

from controller import openflow
from controller.rules import Rule
from controller.transaction import Step
from meclab.messages import RuleClass

BARRIER_SECONDS = 2.0
"""A switch that has not answered by then counts as not reached."""
_SERIALS = 0x00FFFFFF


class Switches:
    """Connected switches by name; safe to use from several threads."""

    def __init__(self) -> None:
        self._datapaths: dict[str, Any] = {}
        self._ready: set[str] = set()
        self._generations = itertools.count(1)
        self._generation: dict[str, int] = {}
        self._waiting: dict[tuple[str, int], threading.Event] = {}
        self._settling: set[tuple[str, int]] = set()
        self._serials = itertools.count(1)

    def connected(self, name: str, datapath: Any) -> int:
        """A switch has connected; the generation that its rules get from now on."""
        self._datapaths[name] = datapath
        self._ready.discard(name)
        self._generation[name] = next(self._generations)
        return self._generation[name]

    def disconnected(self, name: str, datapath: Any) -> None:
        """A connection has ended; one that has replaced it stays."""
        if self._datapaths.get(name) is datapath:
            del self._datapaths[name]
            self._ready.discard(name)

    @property
    def names(self) -> frozenset[str]:
        """Those that are connected."""
        return frozenset(self._datapaths)

    @property
    def ready(self) -> frozenset[str]:
        """Those that are connected and hold what they should."""
        return frozenset(self._ready)

    def generation(self, name: str) -> int:
        """The generation of a connected switch's rules."""
        return self._generation[name]

    def datapath(self, name: str) -> Any:
        return self._datapaths.get(name)

    def apply(self, step: Step, kind: RuleClass) -> set[str]:
        """Brings a step to its switches at the same time and waits for all; the switches that were not reached."""
        barriers = {}
        for name in sorted(step.switches):
            if (datapath := self._datapaths.get(name)) is None:
                continue
            self.send(name, datapath, step.add.get(name, ()), step.remove.get(name, ()))
            barriers[name] = self.barrier(name, datapath, kind)
        answered = {name for name, event in barriers.items() if event.wait(BARRIER_SECONDS)}
        return step.switches - answered

    def send(self, name: str, datapath: Any, add: Iterable[Rule], remove: Iterable[Rule] = ()) -> None:
        """Sends rules in order, without waiting."""
        for rule in add:
            self._send(datapath, openflow.flow_mod(datapath, rule, self._generation[name]), self._xid(rule.kind))
        for rule in remove:
            self._send(datapath, openflow.removal(datapath, rule), self._xid(rule.kind))

    def barrier(self, name: str, datapath: Any, kind: RuleClass, settles: bool = False) -> threading.Event:
        """Asks a switch to say when it has done everything before; the event is set when it does.

        With `settles` the switch then holds what it should.
        """
        event = threading.Event()
        xid = self._xid(kind)
        self._waiting[name, xid] = event
        if settles:
            self._settling.add((name, xid))
        self._send(datapath, datapath.ofproto_parser.OFPBarrierRequest(datapath), xid)
        return event

    def barrier_answered(self, name: str, xid: int) -> None:
        """A barrier's answer has come."""
        if (event := self._waiting.pop((name, xid), None)) is not None:
            event.set()
        if (name, xid) in self._settling:
            self._settling.discard((name, xid))
            self._ready.add(name)

    def _xid(self, kind: RuleClass) -> int:
        """A transaction id with the class in its top byte."""
        return kind << 24 | next(self._serials) & _SERIALS

    @staticmethod
    def _send(datapath: Any, message: Any, xid: int) -> None:
        message.set_xid(xid)
        datapath.send_msg(message)
