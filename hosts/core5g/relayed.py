"""A device's query on its way to a name server and the answer on its way back: what the device sent decides what it
gets.

Towards the server the message is the EASDF's own: EDNS goes from hop to hop (RFC 6891 section 6.1.1), so its sizes
and options are ours, and only DO (RFC 3225) and the client subnet mean the device. Towards the device the answer has
its id, its question with the letters' case that it chose, an OPT record only if it sent one, and a client subnet only
if it sent one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from dnslib import AAAA, EDNS0, HTTPS, QTYPE, RCODE, A, DNSError, DNSHeader, DNSQuestion, DNSRecord, EDNSOption

from hosts.core5g.neasdf import Network
from hosts.naming.answers import TCP_PAYLOAD, UDP_PAYLOAD
from hosts.naming.queries import HEADER_BYTES, SMALLEST_PAYLOAD, Query
from hosts.naming.subnets import OPTION
from meclab.errors import PeerError

Address = IPv4Address | IPv6Address
_FAMILY = {4: 1, 6: 2}
_EXTENDED_ERROR = 15
_IPV4_HINT, _IPV6_HINT = 4, 6
"""Keys of HTTPS records' parameters (RFC 9460 section 14.3.2)."""


@dataclass(frozen=True)
class Relayed:
    """A query as it goes on."""

    packet: bytes
    own_subnet: bool
    """Whether the client subnet in it is not the device's."""


def subnet_data(subnet: Network) -> bytes:
    """The option's data in a query (RFC 7871 section 6)."""
    octets = (subnet.prefixlen + 7) // 8
    head = _FAMILY[subnet.version].to_bytes(2, "big") + bytes((subnet.prefixlen, 0))
    return head + subnet.network_address.packed[:octets]


def onwards(query: Query, subnet: Network | None) -> Relayed:
    """A well-formed query with the client subnet that a rule gives it, in place of the device's own.

    A device that keeps its address to itself (source prefix length 0) is obeyed (RFC 7871 section 7.1.2).
    """
    assert query.question is not None, "well-formed"
    own = subnet is not None and not (query.subnet and query.subnet.opts_out)
    data = subnet_data(subnet) if own and subnet is not None else query.subnet.data if query.subnet else None
    options = [] if data is None else [EDNSOption(OPTION, data)]
    flags = "do" if query.edns and query.edns.do else ""
    asked, question = query.header, query.question
    header = DNSHeader(id=asked.id, bitmap=0, rd=asked.rd, ad=asked.ad, cd=asked.cd)
    questions = [DNSQuestion(list(question.name), question.qtype, question.qclass)]
    message = DNSRecord(header, questions, ar=[EDNS0(flags=flags, udp_len=UDP_PAYLOAD, opts=options)])
    return Relayed(_with_question(message.pack(), question.wire), own)


def read_answer(packet: bytes) -> Any:
    """A name server's answer as dnslib has it; raises `PeerError`."""
    try:
        return DNSRecord.parse(packet)
    except (DNSError, ValueError, IndexError) as error:
        raise PeerError(f"an answer that cannot be read: {error}") from error


def addresses(answer: Any) -> tuple[Address, ...]:
    """The addresses in an answer, those of HTTPS records' hints too; without repetition, in order."""
    found: dict[Address, None] = {}
    for record in answer.rr:
        if isinstance(record.rdata, A):
            found[IPv4Address(bytes(record.rdata.data))] = None
        elif isinstance(record.rdata, AAAA):
            found[IPv6Address(bytes(record.rdata.data))] = None
        elif isinstance(record.rdata, HTTPS):
            found |= dict.fromkeys(_hints(record.rdata.params))
    return tuple(found)


def _hints(params: Any) -> list[Address]:
    found: list[Address] = []
    for key, value in params:
        data = bytes(value)
        if key == _IPV4_HINT:
            found += [IPv4Address(data[at : at + 4]) for at in range(0, len(data), 4)]
        elif key == _IPV6_HINT:
            found += [IPv6Address(data[at : at + 16]) for at in range(0, len(data), 16)]
    return found


def backwards(query: Query, relayed: Relayed, answer: Any, over_udp: bool) -> bytes:
    """The answer for the device."""
    asked, given = query.header, answer.header
    opt = next((record for record in answer.ar if record.rtype == QTYPE.OPT), None)
    rcode = given.rcode | ((opt.ttl >> 24) << 4 if opt is not None else 0)
    if rcode > 15 and query.edns is None:
        rcode = RCODE.SERVFAIL
    header = DNSHeader(
        id=asked.id, bitmap=0, qr=1, aa=given.aa, tc=given.tc, rd=asked.rd, ra=given.ra, ad=given.ad, cd=asked.cd,
        rcode=rcode & 15,
    )  # fmt: skip
    additional = [record for record in answer.ar if record.rtype != QTYPE.OPT]
    if query.edns is not None:
        additional.append(_opt(query, rcode, _mirrored(query, relayed, opt), _errors(opt)))
    questions = list(answer.questions) or _questions(query)
    message = DNSRecord(header, questions, list(answer.rr), auth=list(answer.auth), ar=additional)
    return _fitting(query, message, over_udp)


def refusal(query: Query, rcode: int) -> bytes:
    """An answer that says nothing but why there is none; for messages that are not well-formed too."""
    asked = query.header
    header = DNSHeader(
        id=asked.id, bitmap=0, qr=1, opcode=asked.opcode, rd=asked.rd, ra=1, cd=asked.cd, rcode=rcode & 15
    )
    mirrored = query.subnet.answered(0) if query.subnet else None
    additional = [_opt(query, rcode, mirrored)] if query.edns else []
    return _fitting(query, DNSRecord(header, _questions(query), ar=additional), over_udp=True)


def _questions(query: Query) -> list[Any]:
    question = query.question
    return [DNSQuestion(list(question.name), question.qtype, question.qclass)] if question else []


def _mirrored(query: Query, relayed: Relayed, opt: Any) -> bytes | None:
    """The client subnet in the answer (RFC 7871 section 7.2.2): the device's own, with the scope that the server gave
    it. Where a rule's was sent in its place, the answer is for the device's subnet alone."""
    asked = query.subnet
    if asked is None:
        return None
    if asked.opts_out or asked.client is None:
        return asked.answered(0)
    if relayed.own_subnet:
        return asked.answered(asked.client.length)
    options = [] if opt is None else opt.rdata
    given = next((bytes(option.data) for option in options if option.code == OPTION), None)
    return given if given is not None and len(given) > 3 and asked.answered(given[3]) == given else None


def _errors(opt: Any) -> list[Any]:
    """Why an answer is an error (RFC 8914): the one option that is passed on."""
    return [option for option in (opt.rdata if opt is not None else ()) if option.code == _EXTENDED_ERROR]


def _opt(query: Query, rcode: int, subnet: bytes | None, more: Sequence[Any] = ()) -> Any:
    flags = "do" if query.edns and query.edns.do else ""
    options = [*more] if subnet is None else [*more, EDNSOption(OPTION, subnet)]
    return EDNS0(ext_rcode=rcode >> 4, flags=flags, udp_len=UDP_PAYLOAD, opts=options)


def _fitting(query: Query, message: Any, over_udp: bool) -> bytes:
    """As bytes; truncated where the device takes less (RFC 2181 section 9)."""
    payload = SMALLEST_PAYLOAD if query.edns is None else min(UDP_PAYLOAD, max(SMALLEST_PAYLOAD, query.edns.payload))
    limit: Final = payload if over_udp else TCP_PAYLOAD
    packed = bytes(message.pack())
    if len(packed) > limit:
        message.header.tc = 1
        message.rr, message.auth = [], []
        message.ar = [record for record in message.ar if record.rtype == QTYPE.OPT]
        packed = bytes(message.pack())
    return packed if query.question is None else _with_question(packed, query.question.wire)


def _with_question(packed: bytes, question: bytes) -> bytes:
    """The question as the device asked it: what is packed may have letters in another case."""
    return bytes(packed[:HEADER_BYTES]) + question + bytes(packed[HEADER_BYTES + len(question) :])
