"""The OpenFlow connections: rules as messages, then a barrier; rules of another time are told by their cookies."""

import itertools
import logging
from collections.abc import Iterable
from typing import Any

from controller import openflow
from controller.rules import Rule
from controller.switches import Barrier
from meclab.messages import RuleClass

log = logging.getLogger(__name__)
_SERIALS = 0x00FFFFFF

Datapath = Any
"""An `os_ken.controller.controller.Datapath`."""


class OpenFlowChannel:
    """One connection of one switch: `controller.switches.Channel`."""

    def __init__(self, name: str, datapath: Datapath, generation: int) -> None:
        self.name = name
        self.datapath = datapath
        self.generation = generation
        """What rules carry in their cookies that were sent on this connection."""
        self.ready = False
        self._closed = False
        self._settling: int | None = None
        self._waiting: dict[int, Barrier] = {}
        self._serials = itertools.count(1)

    def hold(self, rules: Iterable[Rule]) -> None:
        """Sends the rules, and asks for those that the switch has: `flows_reported` takes the others away."""
        self.send(rules)
        self._send([openflow.flows_request(self._xid(RuleClass.BASE))])

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

    def flows_reported(self, flows: Iterable[Any], last: bool) -> None:
        """Takes away reported rules of another time or another hand; after the last the switch is as it should be."""
        strangers = [flow for flow in flows if openflow.generation_of(flow.cookie) != self.generation]
        if strangers:
            log.info("%s has %d rules of others", self.name, len(strangers))
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


class Connections:
    """Which channel a datapath's messages are for."""

    def __init__(self) -> None:
        self._channels: dict[str, OpenFlowChannel] = {}
        self._generations = itertools.count(1)

    def opened(self, name: str, datapath: Datapath) -> OpenFlowChannel:
        """The channel of a switch that has connected, in place of an older one."""
        self._channels[name] = channel = OpenFlowChannel(name, datapath, next(self._generations))
        return channel

    def of(self, datapath: Datapath) -> OpenFlowChannel | None:
        """The live connection that this is; none where it is over."""
        return next((channel for channel in self._channels.copy().values() if channel.datapath is datapath), None)

    def closed(self, datapath: Datapath) -> OpenFlowChannel | None:
        """The channel that has ended with a connection; none where another connection has replaced it."""
        if (channel := self.of(datapath)) is not None:
            del self._channels[channel.name]
        return channel
