"""The connections to switches, and how a step is brought to them: messages, then a barrier each."""

import itertools
import threading
import time
from collections.abc import Iterable
from typing import Any

from controller import openflow
from controller.rules import Rule
from controller.transaction import Step
from meclab.messages import RuleClass

BARRIER_SECONDS = 2.0
"""A switch that has not answered by then counts as not reached."""
_SERIALS = 0x00FFFFFF

Datapath = Any
"""An `os_ken.controller.controller.Datapath`."""


class Barrier:
    """A question to a switch whether it has done everything before."""

    def __init__(self) -> None:
        self.answered = False
        self._over = threading.Event()

    def end(self, answered: bool) -> None:
        """The answer has come, or never will."""
        self.answered = answered
        self._over.set()

    def wait(self, deadline_s: float) -> bool:
        """Whether the answer has come by then (`time.monotonic`); at once when the connection ends."""
        self._over.wait(max(0.0, deadline_s - time.monotonic()))
        return self.answered


class Channel:
    """One connection of one switch; safe to use from several threads."""

    def __init__(self, name: str, datapath: Datapath, generation: int) -> None:
        self.name = name
        self.datapath = datapath
        self.generation = generation
        """What rules carry in their cookies that were sent on this connection."""
        self.ready = False
        """Whether the switch holds what it should."""
        self._closed = False
        self._settling: int | None = None
        self._waiting: dict[int, Barrier] = {}
        self._serials = itertools.count(1)

    def send(self, add: Iterable[Rule], remove: Iterable[Rule] = (), then: RuleClass | None = None) -> Barrier:
        """Sends rules in order without waiting, and with `then` a barrier of that class after them.

        All in one piece: one wake-up of the thread that sends, and one segment.
        """
        messages = [openflow.flow_mod(rule, self.generation, self._xid(rule.kind)) for rule in add]
        messages += [openflow.removal(rule, self._xid(rule.kind)) for rule in remove]
        barrier = Barrier()
        if then is not None:
            xid = self._xid(then)
            self._waiting[xid] = barrier
            messages.append(openflow.barrier(xid))
        self._send(messages)
        return barrier

    def ask_for_flows(self) -> None:
        self._send([openflow.flows_request(self._xid(RuleClass.BASE))])

    def settle(self, strangers: Iterable[Any], last: bool) -> None:
        """Takes away reported rules of another time or another hand; after the last the switch is as it should be."""
        messages = [openflow.stranger_removal(flow, self._xid(RuleClass.BASE)) for flow in strangers]
        if last:
            self._settling = self._xid(RuleClass.BASE)
            messages.append(openflow.barrier(self._settling))
        self._send(messages)

    def packet_out(self, port: int, frame: bytes) -> None:
        """Has the switch send a frame."""
        self._send([openflow.packet_out(port, frame, self._xid(RuleClass.BASE))])

    def barrier_answered(self, xid: int) -> None:
        """A barrier's answer has come."""
        if xid == self._settling:
            self.ready = True
        if (barrier := self._waiting.pop(xid, None)) is not None:
            barrier.end(answered=True)

    def close(self) -> None:
        """The connection has ended: nobody waits for its answers any more."""
        self._closed = True
        self.ready = False
        while self._waiting:
            self._waiting.popitem()[1].end(answered=False)

    def _send(self, messages: list[bytes]) -> None:
        if messages and not self._closed:
            self._closed = not self.datapath.send(b"".join(messages))
        if self._closed:
            self.close()

    def _xid(self, kind: RuleClass) -> int:
        """A transaction id with the class in its top byte."""
        return kind << 24 | next(self._serials) & _SERIALS


class Switches:
    """The live connection of each switch."""

    def __init__(self) -> None:
        self._channels: dict[str, Channel] = {}
        self._generations = itertools.count(1)

    def connected(self, name: str, datapath: Datapath) -> Channel:
        """A switch has connected; an older connection of it is over."""
        before = self._channels.get(name)
        self._channels[name] = channel = Channel(name, datapath, next(self._generations))
        if before is not None:
            before.close()
        return channel

    def disconnected(self, datapath: Datapath) -> str | None:
        """A connection has ended; the switch that is gone with it, none where another connection has replaced it."""
        channel = self.of(datapath)
        if channel is None:
            return None
        del self._channels[channel.name]
        channel.close()
        return channel.name

    def of(self, datapath: Datapath) -> Channel | None:
        """The live connection that this is; none where it is over."""
        return next((channel for channel in self._channels.values() if channel.datapath is datapath), None)

    @property
    def names(self) -> frozenset[str]:
        """Those that are connected."""
        return frozenset(self._channels)

    @property
    def ready(self) -> frozenset[str]:
        """Those that are connected and hold what they should."""
        return frozenset(name for name, channel in self._channels.copy().items() if channel.ready)

    def send(self, step: Step, then: RuleClass | None = None) -> dict[str, Barrier]:
        """Brings a step to its switches at the same time, without waiting; the barriers of those that are there."""
        return {
            name: channel.send(step.add.get(name, ()), step.remove.get(name, ()), then)
            for name in sorted(step.switches)
            if (channel := self._channels.get(name)) is not None
        }


def reached(barriers: dict[str, Barrier]) -> set[str]:
    """The switches that have answered, `BARRIER_SECONDS` for all of them together."""
    deadline_s = time.monotonic() + BARRIER_SECONDS
    return {name for name, barrier in barriers.items() if barrier.wait(deadline_s)}
