"""A switch on the other end of the controller's connection: it reads OpenFlow by os-ken's parser, keeps its rules,
and answers barriers from a thread of its own, as os-ken's event thread brings them."""

import queue
import threading
from typing import Any

from os_ken.ofproto import ofproto_parser, ofproto_v1_3
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

from controller.openflow_channel import Connections


class EventThread:
    """Deals with what switches report, one after the other, as os-ken's does."""

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while (event := self._events.get()) is not None:
            event()

    def put(self, event: Any) -> None:
        self._events.put(event)

    def do(self, event: Any, timeout_s: float = 5.0) -> None:
        """Puts an event and returns when it has been dealt with; fails where the thread is stuck."""
        done = threading.Event()
        self.put(lambda: (event(), done.set()))
        assert done.wait(timeout_s), "the event thread is stuck"

    def end(self) -> None:
        self.put(None)


class SwitchDouble:
    """An os-ken datapath as the controller uses it, with the switch behind it."""

    def __init__(self, connections: Connections, events: EventThread) -> None:
        self.rules: dict[tuple[int, int, str], Any] = {}
        """Table, priority and match to the flow-mod."""
        self.pieces: list[list[Any]] = []
        """The messages of each piece that was sent, in order."""
        self.answers = True
        """Whether it answers barriers."""
        self.alive = True
        self.loses_removals = False
        """Whether it neither does nor answers what begins with a removal."""
        self.lost = 0
        """How often that was."""
        self._connections = connections
        self._events = events

    def send(self, data: bytes) -> bool:
        if self.alive:
            messages = list(self._messages(data))
            if self.loses_removals and _is_removal(messages[0]):
                self.lost += 1
            else:
                self.pieces.append([self._take(message) for message in messages])
        return self.alive

    def _messages(self, data: bytes) -> Any:
        desc = ProtocolDesc(version=ofproto_v1_3.OFP_VERSION)
        while data:
            version, kind, length, xid = ofproto_parser.header(data)
            if kind == ofproto_v1_3.OFPT_FLOW_MOD:
                yield desc.ofproto_parser.OFPFlowMod.parser(desc, version, kind, length, xid, bytearray(data[:length]))
            else:
                yield kind, xid
            data = data[length:]

    def _take(self, message: Any) -> Any:
        if isinstance(message, tuple):
            kind, xid = message
            if kind == ofproto_v1_3.OFPT_BARRIER_REQUEST and self.answers:
                self._events.put(lambda: self._answer(xid))
            return message
        key = (message.table_id, message.priority, str(sorted(message.match.items())))
        if message.command == ofproto_v1_3.OFPFC_ADD:
            self.rules[key] = message
        elif key in self.rules and not (self.rules[key].cookie ^ message.cookie) & message.cookie_mask:
            del self.rules[key]
        return message

    def _answer(self, xid: int) -> None:
        if (channel := self._connections.of(self)) is not None:
            channel.barrier_answered(xid)


def _is_removal(message: Any) -> bool:
    return not isinstance(message, tuple) and message.command == ofproto_v1_3.OFPFC_DELETE_STRICT
