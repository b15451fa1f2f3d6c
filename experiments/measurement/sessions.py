"""The devices' TCP sessions as captured: requests and connections at the devices, deliveries at the hosts."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from experiments.measurement.frames import ACK, FIN, RST, SYN
from experiments.measurement.streams import Segment
from meclab.observations import ConnectionSeen, Delivery, Ending, RequestSeen

_REQUEST = re.compile(rb"GET /session/([a-z0-9]+)\?n=(\d+) HTTP/1\.1\r\n")
_RESPONSE = re.compile(rb"HTTP/1\.1 \d{3} ")
_HOST = re.compile(rb"(?i)\r\nmec-host:[ \t]*([a-z0-9]+)")
_WRAP = (1 << 32) - 1

Deliveries = Mapping[tuple[str, int], tuple[Delivery, ...]]
"""(Device, request number) to its first arrival at each host, in order of time."""


@dataclass
class _Connection:
    """One connection while its segments are read, at the device."""

    number: int
    opened: Segment
    established_ns: int | None = None
    closed_ns: int | None = None
    ending: Ending = "open"
    asked: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Place in the stream to (request number, first sent at), in order of sending."""
    answered: dict[int, tuple[int, str]] = field(default_factory=dict)
    """Place in the stream to (first arrived at, host)."""

    def take(self, segment: Segment, outgoing: bool) -> None:
        if not outgoing and segment.flags & (SYN | ACK) == SYN | ACK and self.established_ns is None:
            self.established_ns = segment.time_ns
        self._note_messages(segment, outgoing)
        if self.closed_ns is None and segment.flags & (FIN | RST):
            self.closed_ns, self.ending = segment.time_ns, self._ending(segment, outgoing)

    def _note_messages(self, segment: Segment, outgoing: bool) -> None:
        """A segment sent again, or put together with another, holds messages whose place is known already."""
        if outgoing:
            for match in _REQUEST.finditer(segment.payload):
                place = (segment.sequence + match.start()) & _WRAP
                self.asked.setdefault(place, (int(match.group(2)), segment.time_ns))
            return
        for match in _RESPONSE.finditer(segment.payload):
            place = (segment.sequence + match.start()) & _WRAP
            host = _HOST.search(segment.payload, match.end())
            self.answered.setdefault(place, (segment.time_ns, host.group(1).decode() if host else ""))

    def _ending(self, segment: Segment, outgoing: bool) -> Ending:
        if segment.flags & RST:
            if outgoing:
                return "abandoned"
            return "reset" if self.established_ns is not None else "refused"
        return "client" if outgoing else "server"


def session(
    device: str, found: Sequence[Segment], port: int, deliveries: Deliveries
) -> tuple[list[RequestSeen], list[ConnectionSeen]]:
    """A device's requests and connections, from the segments at its interface in order of time.

    Responses are matched to requests by their order on the connection.
    """
    connections = _connections(found, port)
    requests = []
    for connection in connections:
        for place, (number, sent_ns) in enumerate(connection.asked.values()):
            done_ns, host = _nth(connection.answered, place)
            arrived = deliveries.get((device, number), ())
            requests.append(RequestSeen(device, number, connection.number, sent_ns, done_ns, host, arrived))
    rows = [_row(device, c, superseded=c.number < len(connections)) for c in connections]
    return sorted(requests, key=lambda request: request.sent_ns), rows


def _connections(found: Sequence[Segment], port: int) -> list[_Connection]:
    connections: list[_Connection] = []
    current: dict[tuple[str, int], _Connection] = {}
    for segment in found:
        outgoing = segment.destination_port == port
        key = (segment.destination, segment.source_port) if outgoing else (segment.source, segment.destination_port)
        if outgoing and segment.flags & (SYN | ACK) == SYN and _is_new(current.get(key), segment):
            current[key] = _Connection(len(connections) + 1, segment)
            connections.append(current[key])
        if key in current:
            current[key].take(segment, outgoing)
    return connections


def _is_new(known: _Connection | None, syn: Segment) -> bool:
    """Whether a SYN opens a connection, and is no repetition."""
    return known is None or known.opened.sequence != syn.sequence


def _nth(answered: Mapping[int, tuple[int, str]], place: int) -> tuple[int | None, str]:
    values = list(answered.values())
    return values[place] if place < len(values) else (None, "")


def _row(device: str, connection: _Connection, superseded: bool) -> ConnectionSeen:
    ending: Ending = connection.ending
    if ending == "open" and superseded and connection.established_ns is None:
        ending = "unanswered"
    opened = connection.opened
    return ConnectionSeen(
        device,
        connection.number,
        opened.source_port,
        opened.destination,
        opened.time_ns,
        connection.established_ns,
        connection.closed_ns,
        ending,
    )


def deliveries(hosts: Iterable[tuple[str, Sequence[Segment]]], port: int) -> Deliveries:
    """The first arrival of every request at each host, from the segments at the hosts' interfaces."""
    found: dict[tuple[str, int], dict[str, int]] = {}
    for host, segments in hosts:
        for segment in segments:
            if segment.destination_port != port:
                continue
            for match in _REQUEST.finditer(segment.payload):
                key = match.group(1).decode(), int(match.group(2))
                found.setdefault(key, {}).setdefault(host, segment.time_ns)
    return {
        key: tuple(sorted((Delivery(host, at_ns) for host, at_ns in by_host.items()), key=lambda d: d.at_ns))
        for key, by_host in found.items()
    }
