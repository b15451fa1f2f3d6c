"""DNS messages as a stub resolver writes and reads them (RFC 1035, RFC 2308, RFC 6891)."""

from dataclasses import dataclass
from ipaddress import ip_address

import dnslib

from hosts.device.cache import Address, Question, absolute
from meclab.errors import PeerError
from meclab.model import Family

PAYLOAD_BYTES = 1_232
"""UDP payload that the stub says it takes: passes every link without fragments (DNS flag day 2020)."""
_TYPES: dict[Family, int] = {"ipv4": dnslib.QTYPE.A, "ipv6": dnslib.QTYPE.AAAA}
_LONGEST_CHAIN = 16
_LARGEST_TTL = 2**31 - 1


@dataclass(frozen=True)
class Reply:
    """A response to a question."""

    rcode: str
    """`NOERROR`, `NXDOMAIN`, `SERVFAIL`, …"""
    truncated: bool = False
    addresses: tuple[Address, ...] = ()
    """In the order of the response; none where the name or the type does not exist."""
    ttl_s: int = 0
    """How long it may be kept: the least TTL of the addresses and of the CNAMEs that lead to them; without addresses
    what the SOA says (RFC 2308 section 5), 0 without an SOA."""

    @property
    def is_answer(self) -> bool:
        """Whether it tells what exists, and is no failure of the server."""
        return self.rcode in ("NOERROR", "NXDOMAIN")


def query(question: Question, identifier: int) -> bytes:
    """A recursive query with an OPT record."""
    header = dnslib.DNSHeader(id=identifier, rd=1)
    record = dnslib.DNSRecord(header, questions=[dnslib.DNSQuestion(question.name, _TYPES[question.family])])
    record.add_ar(dnslib.EDNS0(udp_len=PAYLOAD_BYTES))
    packed: bytes = record.pack()
    return packed


def read(payload: bytes, question: Question, identifier: int) -> Reply:
    """The response to this query; raises `PeerError` for anything that is none (RFC 5452 section 9.1)."""
    try:
        message = dnslib.DNSRecord.parse(payload)
        _check(message, question, identifier)
        rcode = dnslib.RCODE.forward.get(message.header.rcode, str(message.header.rcode))
        if message.header.tc:
            return Reply(rcode, truncated=True)
        addresses, ttl_s = _addresses(message, question)
        return Reply(rcode, addresses=addresses, ttl_s=ttl_s if addresses else _negative_ttl_s(message))
    except PeerError:
        raise
    except Exception as error:  # dnslib raises whatever its parsing stumbles over
        raise PeerError(f"not a DNS message: {payload[:40]!r}: {error}") from error


def _check(message: dnslib.DNSRecord, question: Question, identifier: int) -> None:
    if message.header.id != identifier or not message.header.qr:
        raise PeerError(f"message {message.header.id} is no response to query {identifier}")
    asked = [(absolute(str(q.qname)), q.qtype, q.qclass) for q in message.questions]
    if asked != [(question.name, _TYPES[question.family], dnslib.CLASS.IN)]:
        raise PeerError(f"a response to {asked}, asked for {question.name} {question.family}")


def _addresses(message: dnslib.DNSRecord, question: Question) -> tuple[tuple[Address, ...], int]:
    """The addresses at the end of the chain of CNAMEs that begins at the name asked for; the least TTL on the way."""
    name, ttls = question.name, [_LARGEST_TTL]
    for _ in range(_LONGEST_CHAIN):
        records = [rr for rr in message.rr if absolute(str(rr.rname)) == name]
        final = [rr for rr in records if rr.rtype == _TYPES[question.family]]
        if final:
            ttls += [_ttl_s(rr) for rr in final]
            return tuple(ip_address(str(rr.rdata)) for rr in final), min(ttls)
        alias = next((rr for rr in records if rr.rtype == dnslib.QTYPE.CNAME), None)
        if alias is None:
            break
        name = absolute(str(alias.rdata.label))
        ttls.append(_ttl_s(alias))
    return (), 0


def _negative_ttl_s(message: dnslib.DNSRecord) -> int:
    """The lesser of the SOA's own TTL and its MINIMUM field."""
    found = [min(_ttl_s(rr), rr.rdata.times[4]) for rr in message.auth if rr.rtype == dnslib.QTYPE.SOA]
    return min(found, default=0)


def _ttl_s(record: dnslib.RR) -> int:
    """A TTL with its highest bit set counts as 0 (RFC 2181 section 8)."""
    return int(record.ttl) if record.ttl <= _LARGEST_TTL else 0
