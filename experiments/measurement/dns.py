"""DNS messages as far as they were captured (RFC 1035 section 4, RFC 6891, RFC 7871); no input makes it fail.

Tolerant where a library is not: a capture holds the beginning of a message, and often not its end.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_TYPES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 48: "DNSKEY"}
_TYPES |= {33: "SRV", 43: "DS", 64: "SVCB", 65: "HTTPS", 255: "ANY"}
_RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_OPT, _CLIENT_SUBNET = 41, 8
_ADDRESS_BYTES = {1: 4, 28: 16}
_JUMPS = 32
"""Compression pointers followed in one name at most."""


@dataclass(frozen=True)
class Answer:
    """An address in an answer section."""

    address: IPv4Address | IPv6Address
    ttl_s: int


@dataclass(frozen=True)
class Message:
    """One query or response."""

    is_response: bool
    name: str
    """Of the question, lower case with its final dot; empty without a question."""
    kind: str
    """Of the question: `A`, `AAAA`, `TYPE99`."""
    rcode: str
    truncated: bool
    answers: tuple[Answer, ...]
    subnet: IPv4Network | IPv6Network | None
    """The client subnet option."""

    @property
    def text(self) -> str:
        """`A app.edge.example.`, `A app.edge.example. NOERROR 10.1.2.10`."""
        words = [self.kind, self.name]
        if self.is_response:
            words += [self.rcode, *(["truncated"] if self.truncated else [])]
            words += [str(answer.address) for answer in self.answers]
        return " ".join(word for word in words if word)


def parse(payload: bytes) -> Message | None:
    """The message that these bytes begin with; none where they are no header and question."""
    payload = bytes(payload)
    try:
        _, flags, questions, *counts = _HEADER.unpack_from(payload)
        offset, name, kind = _HEADER.size, "", 0
        for number in range(questions):
            asked, offset = _name(payload, offset)
            if number == 0:
                name, (kind,) = asked, struct.unpack_from("!H", payload, offset)
            offset += 4
    except (struct.error, IndexError, ValueError):
        return None
    answers: list[Answer] = []
    subnet = None
    for section, record_kind, ttl_s, data in _records(payload, offset, counts):
        if section == 0 and len(data) == _ADDRESS_BYTES.get(record_kind):
            answers.append(Answer(ip_address(data), ttl_s))
        elif record_kind == _OPT:
            subnet = _client_subnet(data)
    return Message(
        is_response=bool(flags & 0x8000),
        name=name.lower(),
        kind=(_TYPES.get(kind) or f"TYPE{kind}") if questions else "",
        rcode=_RCODES.get(flags & 15, f"RCODE{flags & 15}"),
        truncated=bool(flags & 0x0200),
        answers=tuple(answers),
        subnet=subnet,
    )


def split(stream: bytes) -> Iterator[tuple[int, int]]:
    """Begin and end of each whole message of a TCP stream, without its length (RFC 1035 section 4.2.2)."""
    offset = 0
    while offset + 2 <= len(stream):
        begin, length = offset + 2, int.from_bytes(stream[offset : offset + 2])
        if not length or begin + length > len(stream):
            return
        yield begin, begin + length
        offset = begin + length


def _records(payload: bytes, offset: int, counts: list[int]) -> Iterator[tuple[int, int, int, bytes]]:
    """(section, type, TTL, data) of the records, up to where the bytes end."""
    try:
        for section, count in enumerate(counts):
            for _ in range(count):
                _, offset = _name(payload, offset)
                kind, _, ttl_s, length = _RECORD.unpack_from(payload, offset)
                offset += _RECORD.size + length
                if offset > len(payload):
                    return
                yield section, kind, ttl_s, payload[offset - length : offset]
    except (struct.error, IndexError, ValueError):
        return


def _name(payload: bytes, offset: int) -> tuple[str, int]:
    """A name, and where what follows it begins. Raises `IndexError` or `ValueError`."""
    labels: list[str] = []
    after = None
    for _ in range(_JUMPS + 127):
        length = payload[offset]
        if length >= 0xC0:
            after = offset + 2 if after is None else after
            offset = (length & 0x3F) << 8 | payload[offset + 1]
        elif length:
            label = payload[offset + 1 : offset + 1 + length]
            if len(label) < length:
                raise IndexError("a label cut short")
            labels.append(label.decode("ascii", errors="backslashreplace"))
            offset += 1 + length
        else:
            return ".".join([*labels, ""]) or ".", offset + 1 if after is None else after
    raise ValueError("a name that goes round in a circle")


def _client_subnet(options: bytes) -> IPv4Network | IPv6Network | None:
    offset = 0
    while offset + 4 <= len(options):
        code, length = struct.unpack_from("!HH", options, offset)
        data = options[offset + 4 : offset + 4 + length]
        offset += 4 + length
        if code != _CLIENT_SUBNET or len(data) < 4:
            continue
        family, source = int.from_bytes(data[:2]), data[2]
        width = {1: 4, 2: 16}.get(family, 0)
        if width and source <= 8 * width:
            packed = data[4 : 4 + width].ljust(width, b"\0")
            return ip_network((packed, source), strict=False)
    return None
