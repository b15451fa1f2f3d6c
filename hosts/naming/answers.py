"""From a query to its answer, by dnslib: the slow way, which the images of `hosts.naming.images` are taken from.

Names are encoded in lower case and the question then set back as it was asked: answers point to it, and so have
the letters' case that the client chose.
"""

from dataclasses import dataclass
from typing import Any, Final

from dnslib import CLASS, EDNS0, RCODE, DNSHeader, DNSQuestion, DNSRecord, EDNSOption

from hosts.naming.authority import REFUSED, Authority, Finding
from hosts.naming.queries import HEADER_BYTES, SMALLEST_PAYLOAD, Query, read_query
from hosts.naming.subnets import OPTION, Client, of_source

UDP_PAYLOAD: Final = 1232
"""Largest answer over UDP, and what the server says it takes: fits any path without fragments."""
TCP_PAYLOAD: Final = 65_535


@dataclass(frozen=True)
class Answer:
    """An answer as bytes, and what it depends on."""

    packet: bytes
    repeatable: bool = False
    """Whether the same question in the same form has the same answer until the rules change."""
    by_source: bool = False
    """Whether it depends on where the query came from."""


FORWARD: Final = Answer(b"")
"""Not a name of this server, and it forwards."""


class Answers:
    """Answers from one authority."""

    def __init__(self, authority: Authority, forwards: bool = False, recursion: bool = False) -> None:
        """`forwards`: names outside the zones are not refused but somebody else's business. `recursion`: what
        answers say of recursion being available."""
        self.authority = authority
        self._forwards = forwards
        self._recursion = recursion

    def answer(self, packet: bytes, source: bytes, over_udp: bool = True) -> Answer | None:
        """The answer to a packet from a packed address; None where there is to be none."""
        query = read_query(packet)
        if query is None:
            return None
        if query.fault or query.question is None:
            finding = Finding(query.fault, authoritative=False)
        else:
            found = self._find(query, source)
            if found is None:
                return FORWARD
            finding = found
        by_source = finding.by_client and query.subnet is None
        return Answer(self._encode(query, finding, over_udp), not query.fault, by_source)

    def servfail(self, packet: bytes) -> bytes:
        """The answer to a well-formed query when nobody else gave one."""
        query = read_query(packet)
        assert query is not None, "it was read before"
        return self._encode(query, Finding(RCODE.SERVFAIL, authoritative=False), over_udp=True)

    def _find(self, query: Query, source: bytes) -> Finding | None:
        assert query.question is not None, "there is one where there is no fault"
        if query.question.qclass != CLASS.IN:
            return REFUSED
        client = _client(query, source)
        found = self.authority.find(query.question.name, query.question.qtype, client)
        return REFUSED if found is None and not self._forwards else found

    def _encode(self, query: Query, finding: Finding, over_udp: bool) -> bytes:
        message = self._message(query, finding)
        packed = bytes(message.pack())
        if len(packed) > (_udp_payload(query) if over_udp else TCP_PAYLOAD):
            message.header.tc = 1
            message.rr, message.auth = [], []
            packed = bytes(message.pack())
        if query.question is None:
            return packed
        return packed[:HEADER_BYTES] + query.question.wire + packed[HEADER_BYTES + len(query.question.wire) :]

    def _message(self, query: Query, finding: Finding) -> Any:
        asked = query.header
        header = DNSHeader(
            id=asked.id,
            bitmap=0,
            qr=1,
            opcode=asked.opcode,
            aa=int(finding.authoritative),
            rd=asked.rd,
            ra=int(self._recursion),
            cd=asked.cd,
            rcode=finding.rcode & 0xF,
        )
        question = query.question
        questions = [DNSQuestion(list(question.name), question.qtype, question.qclass)] if question else []
        additional = [_opt(query, finding)] if query.edns else []
        return DNSRecord(header, questions, list(finding.answers), auth=list(finding.authority), ar=additional)


def _udp_payload(query: Query) -> int:
    """Largest answer that client and server take."""
    return SMALLEST_PAYLOAD if query.edns is None else min(UDP_PAYLOAD, max(SMALLEST_PAYLOAD, query.edns.payload))


def _client(query: Query, source: bytes) -> Client | None:
    """Whom the answer is for; nobody in particular where the client keeps its address to itself."""
    if query.subnet is None:
        return of_source(source)
    return None if query.subnet.opts_out else query.subnet.client


def _opt(query: Query, finding: Finding) -> Any:
    """The answer's OPT record; the client subnet comes last, so that an image ends with it."""
    assert query.edns is not None, "there is none in an answer where the query has none"
    options = []
    if query.subnet is not None:
        options.append(EDNSOption(OPTION, query.subnet.answered(finding.scope)))
    flags = "do" if query.edns.do else ""
    return EDNS0(ext_rcode=finding.rcode >> 4, flags=flags, udp_len=UDP_PAYLOAD, opts=options)
