"""TCP as captured: segments of a port, and byte streams put together again."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from experiments.measurement import frames
from experiments.measurement.frames import SYN, TCP, Frames
from experiments.pcapng import Capture, Integers

_SEQUENCES = 1 << 32
Direction = tuple[str, int, str, int]
"""Source address and port, destination address and port."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One TCP segment at one interface."""

    time_ns: int
    interface: str
    source: str
    source_port: int
    destination: str
    destination_port: int
    sequence: int
    flags: int
    size: int
    """Payload bytes on the wire."""
    payload: bytes
    """As far as captured."""

    @property
    def direction(self) -> Direction:
        return self.source, self.source_port, self.destination, self.destination_port


def segments(capture: Capture, decoded: Frames, port: int) -> list[Segment]:
    """The segments from or to a port, in order of time."""
    return [_segment(capture, decoded, int(i)) for i in index(capture, decoded, port)]


def index(capture: Capture, decoded: Frames, port: int) -> Integers:
    """Where these segments are in the capture."""
    found = frames.matching(decoded, TCP, port)
    return np.asarray(found[np.argsort(capture.time_ns[found], kind="stable")])


def _segment(capture: Capture, decoded: Frames, index: int) -> Segment:
    frame = capture.frame(index)
    source, destination = frames.ends(frame, int(decoded.family[index]))
    transport = 14 + (frame[14] & 15) * 4 if decoded.family[index] == 4 else 54
    return Segment(
        time_ns=int(capture.time_ns[index]),
        interface=capture.interfaces[capture.interface[index]],
        source=source,
        source_port=int(decoded.source_port[index]),
        destination=destination,
        destination_port=int(decoded.destination_port[index]),
        sequence=int.from_bytes(frame[transport + 4 : transport + 8]),
        flags=frame[transport + 13] if len(frame) > transport + 13 else 0,
        size=int(decoded.payload_bytes[index]),
        payload=frames.available(capture, decoded, index),
    )


@dataclass
class Stream:
    """One direction of a connection: its bytes in order, as far as they came without a hole.

    Bytes that were on the wire but not captured read as zeros.
    """

    data: bytearray = field(default_factory=bytearray)
    _next: int | None = None
    _waiting: dict[int, Segment] = field(default_factory=dict)
    _ends: list[int] = field(default_factory=list)
    _times_ns: list[int] = field(default_factory=list)

    def add(self, segment: Segment) -> None:
        """Takes the next segment of this direction, in order of time; a SYN starts anew at its sequence number."""
        if segment.flags & SYN:
            self._next = (segment.sequence + 1) % _SEQUENCES
        if not segment.size:
            return
        if self._next is None:
            self._next = segment.sequence
        self._waiting.setdefault(segment.sequence, segment)
        while (ready := self._ready()) is not None:
            self._append(ready, segment.time_ns)

    def passed_ns(self, position: int) -> int:
        """When the byte at a position had passed with all before it."""
        return self._times_ns[bisect_left(self._ends, position + 1)]

    def _ready(self) -> Segment | None:
        assert self._next is not None
        for sequence in self._waiting:
            if (self._next - sequence) % _SEQUENCES < _SEQUENCES // 2:
                return self._waiting.pop(sequence)
        return None

    def _append(self, segment: Segment, time_ns: int) -> None:
        assert self._next is not None
        seen = (self._next - segment.sequence) % _SEQUENCES
        fresh = (segment.payload + bytes(segment.size - len(segment.payload)))[seen:]
        if fresh:
            self.data += fresh
            self._next = (self._next + len(fresh)) % _SEQUENCES
            self._ends.append(len(self.data))
            self._times_ns.append(time_ns)


@dataclass
class Conversation:
    """Both directions of a connection, from the side of the port asked for."""

    client: str = ""
    server: str = ""
    """Addresses; the server's is the one with the port."""
    to_port: Stream = field(default_factory=Stream)
    from_port: Stream = field(default_factory=Stream)


def conversations(found: Sequence[Segment], port: int) -> Iterator[Conversation]:
    """The connections to a port in order of their first segment; a port used again after a SYN is a new one."""
    current: dict[Direction, Conversation] = {}
    finished: list[Conversation] = []
    for segment in found:
        towards = segment.destination_port == port
        key = segment.direction if towards else (*segment.direction[2:], *segment.direction[:2])
        if key in current and towards and segment.flags & SYN and current[key].to_port.data:
            finished.append(current.pop(key))
        conversation = current.setdefault(key, Conversation(key[0], key[2]))
        (conversation.to_port if towards else conversation.from_port).add(segment)
    yield from finished
    yield from current.values()
