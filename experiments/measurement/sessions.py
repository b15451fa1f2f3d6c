"""The devices' TCP sessions as captured: requests and connections at the devices, deliveries at the hosts."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

from experiments.measurement.frames import ACK, FIN, RST, SYN
from experiments.measurement.streams import Direction, Segment
from experiments.measurement.tls import Handshakes
from meclab.observations import ConnectionSeen, Delivery, Ending, MessageSeen, RequestSeen

_REQUEST = re.compile(rb"GET /session/([a-z0-9]+)\?n=(\d+) HTTP/1\.1\r\n")
_RESPONSE = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_HOST = re.compile(rb"(?i)\r\nmec-host:[ \t]*([a-z0-9]+)")
_LOCATION = re.compile(rb"(?i)\r\nlocation:[ \t]*([!-~]+)")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length:[ \t]*(\d+)")
_END_OF_HEAD = b"\r\n\r\n"
_COMPLETED, _REDIRECTS = 200, (301, 302, 303, 307, 308)
_WRAP = (1 << 32) - 1

Deliveries = Mapping[tuple[str, int], tuple[Delivery, ...]]
"""(Device, request number) to its first arrival at each host, in order of time."""
Departures = Mapping[tuple[Direction, int], int]
"""Direction and sequence number of a segment to when it was first seen at a host."""


@dataclass(frozen=True)
class _Asked:
    """A request as it was sent first."""

    number: int
    at_ns: int
    size_bytes: int


@dataclass(frozen=True)
class _Answered:
    """A response as it arrived first."""

    at_ns: int
    status: int
    host: str
    location: str
    size_bytes: int
    segment: tuple[Direction, int]
    """Direction and sequence number of the segment that it began in."""


@dataclass
class _Connection:
    """One connection while its segments are read, at the device."""

    number: int
    opened: Segment
    established_ns: int | None = None
    closed_ns: int | None = None
    ending: Ending = "open"
    asked: dict[int, _Asked] = field(default_factory=dict)
    """By place in the stream, in order of sending."""
    answered: dict[int, _Answered] = field(default_factory=dict)
    """By place in the stream."""

    def take(self, segment: Segment, outgoing: bool) -> None:
        if not outgoing and segment.flags & (SYN | ACK) == SYN | ACK and self.established_ns is None:
            self.established_ns = segment.time_ns
        self._note_messages(segment, outgoing)
        if self.closed_ns is None and segment.flags & (FIN | RST):
            self.closed_ns, self.ending = segment.time_ns, self._ending(segment, outgoing)

    def superseded_by(self, opened: Segment) -> None:
        """The device's next connection: from another address of its own, the one before is over without a word."""
        own = {self.opened.source, opened.source}
        if self.closed_ns is None and len(own) > 1:
            self.closed_ns, self.ending = opened.time_ns, "renumbered"

    def _note_messages(self, segment: Segment, outgoing: bool) -> None:
        """A segment sent again, or put together with another, holds messages whose place is known already."""
        if outgoing:
            for match in _REQUEST.finditer(segment.payload):
                place = (segment.sequence + match.start()) & _WRAP
                _, size_bytes = _head(segment.payload, match)
                self.asked.setdefault(place, _Asked(int(match.group(2)), segment.time_ns, size_bytes))
            return
        if self.ending in ("client", "abandoned", "renumbered"):
            return  # the client has left: whatever comes now answers nobody
        for match in _RESPONSE.finditer(segment.payload):
            place = (segment.sequence + match.start()) & _WRAP
            head, size_bytes = _head(segment.payload, match)
            host, location = (found.group(1).decode() if (found := p.search(head)) else "" for p in (_HOST, _LOCATION))
            key = segment.direction, segment.sequence
            answer = _Answered(segment.time_ns, int(match.group(1)), host, location, size_bytes, key)
            self.answered.setdefault(place, answer)

    def _ending(self, segment: Segment, outgoing: bool) -> Ending:
        if segment.flags & RST:
            if outgoing:
                return "abandoned"
            return "reset" if self.established_ns is not None else "refused"
        return "client" if outgoing else "server"


def _head(payload: bytes, start: re.Match[bytes]) -> tuple[bytes, int]:
    """A message's head, and the length of the whole message."""
    end = payload.find(_END_OF_HEAD, start.end() - 2)
    head = payload[start.start() : end if end >= 0 else len(payload)]
    length = _LENGTH.search(head)
    return head, len(head) + len(_END_OF_HEAD) + (int(length.group(1)) if length else 0)


@dataclass(frozen=True)
class Session:
    """A device's session."""

    requests: list[RequestSeen]
    """In order of sending."""
    connections: list[ConnectionSeen]
    redirects: list[MessageSeen]
    """The requests that were sent on, and the responses that did it."""


def session(
    device: str,
    found: Sequence[Segment],
    port: int,
    deliveries: Deliveries,
    secured: Handshakes = MappingProxyType({}),
    left: Departures = MappingProxyType({}),
) -> Session:
    """A device's requests and connections, from the segments at its interface in order of time.

    Responses are matched to requests by their order on the connection. `secured` are the connections' TLS handshakes,
    `left` tells when redirects left the hosts.
    """
    connections = _connections(found, port)
    requests: list[RequestSeen] = []
    redirects: list[MessageSeen] = []
    for connection in connections:
        answers = list(connection.answered.values())
        for place, asked in enumerate(connection.asked.values()):
            answer = answers[place] if place < len(answers) else None
            arrived = deliveries.get((device, asked.number), ())
            requests.append(_request(device, connection, asked, answer, arrived))
            if answer is not None and answer.status in _REDIRECTS and answer.location:
                redirects += _redirect(device, asked, answer, left)
    rows = [_row(device, c, c.number < len(connections), secured) for c in connections]
    return Session(sorted(requests, key=lambda request: request.sent_ns), rows, redirects)


def _request(
    device: str, connection: _Connection, asked: _Asked, answer: _Answered | None, arrived: tuple[Delivery, ...]
) -> RequestSeen:
    request = RequestSeen(
        device, asked.number, connection.number, asked.at_ns, None, "", arrived, connection.opened.destination
    )
    if answer is None:
        return request
    return replace(
        request,
        done_ns=answer.at_ns if answer.status == _COMPLETED else None,
        host=answer.host,
        answered_ns=answer.at_ns,
        status=answer.status,
        location=answer.location,
    )


def _redirect(device: str, asked: _Asked, answer: _Answered, left: Departures) -> Iterator[MessageSeen]:
    row = partial(MessageSeen, role="redirect", rule_class="", own=True, device=device)
    yield row(at_ns=asked.at_ns, message="GET /session", size_bytes=asked.size_bytes, sender=device)
    text = f"{answer.status} {answer.location}"
    at_ns = left.get(answer.segment, answer.at_ns)
    yield row(at_ns=at_ns, message=text, size_bytes=answer.size_bytes, sender=answer.host)


def _connections(found: Sequence[Segment], port: int) -> list[_Connection]:
    connections: list[_Connection] = []
    current: dict[tuple[str, int], _Connection] = {}
    for segment in found:
        outgoing = segment.destination_port == port
        key = (segment.destination, segment.source_port) if outgoing else (segment.source, segment.destination_port)
        if outgoing and segment.flags & (SYN | ACK) == SYN and _is_new(current.get(key), segment):
            if connections:
                connections[-1].superseded_by(segment)
            current[key] = _Connection(len(connections) + 1, segment)
            connections.append(current[key])
        if key in current:
            current[key].take(segment, outgoing)
    return connections


def _is_new(known: _Connection | None, syn: Segment) -> bool:
    """Whether a SYN opens a connection, and is no repetition."""
    return known is None or known.opened.sequence != syn.sequence


def _row(device: str, connection: _Connection, superseded: bool, secured: Handshakes) -> ConnectionSeen:
    ending: Ending = connection.ending
    if ending == "open" and superseded and connection.established_ns is None:
        ending = "unanswered"
    opened = connection.opened
    kind, handshake_ns = secured.get((opened.direction, opened.sequence), ("", None))
    return ConnectionSeen(
        device,
        connection.number,
        opened.source_port,
        opened.destination,
        opened.time_ns,
        connection.established_ns,
        connection.closed_ns,
        ending,
        kind,
        handshake_ns,
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


def departures(hosts: Iterable[Sequence[Segment]], port: int) -> Departures:
    """When each segment from a port was first seen, from the segments at the hosts' interfaces."""
    found: dict[tuple[Direction, int], int] = {}
    for segments in hosts:
        for segment in segments:
            if segment.source_port == port and segment.size:
                found.setdefault((segment.direction, segment.sequence), segment.time_ns)
    return found
