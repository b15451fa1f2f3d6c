"""Reading a query: strict where RFCs say FORMERR, silent where an answer would be wrong.

dnslib's buffer, header and options do the reading; its parser of whole messages is not strict enough: it takes
labels of 64 to 191 octets, refuses labels that are not UTF-8 though they may hold any octet (RFC 2181 section 11),
and overlooks an EDNS option whose data is missing.
"""

from dataclasses import dataclass
from typing import Any, Final

from dnslib import QTYPE, RCODE, DNSHeader, EDNSOption
from dnslib.buffer import Buffer, BufferError

from hosts.naming.names import LARGEST_LABEL, LARGEST_NAME, Name
from hosts.naming.subnets import OPTION, ClientSubnet, read_subnet
from meclab.errors import PeerError

HEADER_BYTES = 12
BADVERS: Final = 16
SMALLEST_PAYLOAD = 512
"""UDP payload of a client without EDNS; smaller sizes in EDNS mean this (RFC 6891 section 6.2.3)."""
_POINTER = 0xC0


@dataclass(frozen=True)
class Edns:
    """The OPT record of a query (RFC 6891 section 6.1)."""

    payload: int
    """Largest UDP payload that the client takes."""
    version: int
    do: bool
    data: bytes
    """The options, unread."""


@dataclass(frozen=True)
class Question:
    """What is asked."""

    name: Name
    """In lower case."""
    qtype: int
    qclass: int
    wire: bytes
    """As it was asked, letters' case included."""


@dataclass(frozen=True)
class Query:
    """A message to answer; `fault` is the response code where the message itself decides it already."""

    header: Any
    question: Question | None = None
    """None where there is not exactly one that can be read."""
    edns: Edns | None = None
    subnet: ClientSubnet | None = None
    fault: int = RCODE.NOERROR


def read_query(packet: bytes) -> Query | None:
    """The query in a packet; None for what gets no answer: no header, or an answer itself."""
    if len(packet) < HEADER_BYTES or packet[2] & 0x80:
        return None
    buffer = Buffer(packet)
    header = DNSHeader.parse(buffer)
    wrong = RCODE.NOTIMP if header.opcode else RCODE.FORMERR
    if header.q > 1:  # RFC 9619
        return Query(header, fault=wrong)
    question: Question | None = None
    try:
        question = _question(buffer, packet) if header.q else None
        found = _opt_records(buffer, header)
    except (PeerError, BufferError):
        return Query(header, question, fault=wrong)
    edns = found[0] if found else None
    if header.opcode or question is None or len(found) > 1:  # RFC 6891 section 6.1.1: one OPT record at most
        return Query(header, question, edns, fault=wrong)
    if edns and edns.version:  # RFC 6891 section 6.1.3
        return Query(header, question, edns, fault=BADVERS)
    try:
        subnet = _client_subnet(edns) if edns else None
    except (PeerError, BufferError):
        return Query(header, question, edns, fault=RCODE.FORMERR)
    return Query(header, question, edns, subnet)


def _question(buffer: Any, packet: bytes) -> Question:
    """Its name cannot be compressed: there is nothing before it to point to."""
    name = _labels(buffer)
    if name is None:
        raise PeerError("a compressed name in the question")
    qtype, qclass = buffer.unpack("!HH")
    return Question(name, qtype, qclass, packet[HEADER_BYTES : buffer.offset])


def _labels(buffer: Any) -> Name | None:
    """Reads a name; None where it ends in a pointer, which is not followed. Raises `PeerError`, `BufferError`."""
    labels: list[bytes] = []
    start = buffer.offset
    while length := buffer.get(1)[0]:
        if length & _POINTER == _POINTER:
            if (length & ~_POINTER) << 8 | buffer.get(1)[0] >= start:
                raise PeerError("a name that points forwards")
            return None
        if length > LARGEST_LABEL:
            raise PeerError(f"a label of type {length >> 6}")
        labels.append(buffer.get(length).lower())
        if buffer.offset - start >= LARGEST_NAME:
            raise PeerError(f"a name longer than {LARGEST_NAME} octets")
    return tuple(labels)


def _opt_records(buffer: Any, header: Any) -> list[Edns]:
    """The OPT records behind the question; all other records are skipped. The message must end with the last."""
    found = []
    for number in range(header.a + header.auth + header.ar):
        name = _labels(buffer)
        rtype, rclass, ttl, length = buffer.unpack("!HHIH")
        data = buffer.get(length)
        if rtype != QTYPE.OPT:
            continue
        if name != () or number < header.a + header.auth:  # RFC 6891 section 6.1.2
            raise PeerError("an OPT record with a name, or outside the additional section")
        found.append(Edns(rclass, ttl >> 16 & 0xFF, bool(ttl & 0x8000), data))
    if buffer.remaining():
        raise PeerError(f"{buffer.remaining()} octets after the message")
    return found


def _client_subnet(edns: Edns) -> ClientSubnet | None:
    """The first client subnet among the options; every other option is ignored (RFC 6891 section 6.1.2)."""
    buffer = Buffer(edns.data)
    options = []
    while buffer.remaining():
        code, length = buffer.unpack("!HH")
        options.append(EDNSOption(code, buffer.get(length)))
    return next((read_subnet(option.data) for option in options if option.code == OPTION), None)
