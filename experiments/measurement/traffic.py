"""Control traffic by node: what each sent and received on a port, by its own capture.

Captures are cut to the head of each frame, but for the operations host's: a segment that has that host at its other end
is read from there.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

from experiments.measurement import datagrams, streams
from experiments.measurement.datagrams import Datagram
from experiments.measurement.frames import Frames
from experiments.measurement.owners import Owners
from experiments.measurement.streams import Conversation, Direction, Segment
from experiments.pcapng import Capture
from meclab.plan import Plan

Files = Mapping[str, tuple[Capture, Frames]]


class Traffic:
    """The packets of a plan's control ports in the captures of its nodes."""

    def __init__(self, plan: Plan, files: Files) -> None:
        """`files` are the run's captures by name; those of nodes are named as the node."""
        names = {node.name for node in plan.nodes} | {device.name for device in plan.devices}
        self.files: Files = {name: file for name, file in files.items() if name in names}
        self._plan = plan
        self.owners = Owners(plan, self.files)

    def datagrams(self, node: str, port: int) -> list[Datagram]:
        """What a node sent from or to a UDP port, and what came to it, in order of time."""
        if node not in self.files:
            return []
        found = datagrams.datagrams(*self.files[node], port)
        return [d for d in found if self.owners.concerns(node, d.source, d.destination)]

    def conversations(self, node: str, port: int) -> list[Conversation]:
        """A node's own connections from or to a TCP port."""
        return list(streams.conversations([self._completed(s) for s in self._segments(node, port)], port))

    def _segments(self, node: str, port: int) -> list[Segment]:
        if node not in self.files:
            return []
        found = streams.segments(*self.files[node], port)
        return [s for s in found if self.owners.concerns(node, s.source, s.destination)]

    def _completed(self, segment: Segment) -> Segment:
        if len(segment.payload) >= segment.size:
            return segment
        whole = self._whole.get((segment.direction, segment.sequence), b"")
        return replace(segment, payload=whole) if len(whole) == segment.size else segment

    @cached_property
    def _whole(self) -> dict[tuple[Direction, int], bytes]:
        """Payloads of the operations hosts' segments."""
        ports = {port.port for port in self._plan.signalling if port.transport == "tcp"}
        return {
            (segment.direction, segment.sequence): segment.payload
            for node in self._plan.by_role("ops")
            for port in ports
            for segment in self._segments(node.name, port)
            if segment.size and len(segment.payload) == segment.size
        }
