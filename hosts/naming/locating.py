"""The location in a query: what a forwarder on the access side does to the client subnet, without sockets.

Queries for the application's zone go upstream with the access point's prefix as client subnet, whatever the device said
itself, except that a device that opts out is named by nothing (RFC 7871 section 7.1.2). What comes back is made what
the device expects: no EDNS where it asked without (RFC 6891 section 7), no client subnet where it sent none, else its
own mirrored (RFC 7871 section 7.2.2), with scope 0: at this access point the answer is the same for every address.

Records are passed on as bytes; only the OPT record is written anew, as it speaks of one hop.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from hosts.naming.answers import UDP_PAYLOAD
from hosts.naming.names import Name, is_within
from hosts.naming.queries import HEADER_BYTES, SMALLEST_PAYLOAD, Query, read_query
from hosts.naming.subnets import OPTION
from meclab.errors import PeerError

Network = IPv4Network | IPv6Network
_HEADER: Final = struct.Struct("!HHHHHH")
_FIXED: Final = struct.Struct("!HHIH")
"""Type, class, TTL and data length of a record."""
_OPT: Final = 41
_KEPT_FLAGS: Final = 0x0130
"""Of a query: recursion desired, authentic data, checking disabled."""
_TRUNCATED: Final = 0x0200
_EXTENDED_ERROR: Final = 15
"""The one option of an answer that is passed on: why it is an error (RFC 8914)."""


@dataclass(frozen=True)
class Relayed:
    """A query on its way: what goes upstream, and what its answer becomes."""

    query: Query
    packet: bytes
    limit: int
    """Longest answer that the device takes, in octets."""

    def answered(self, answer: bytes) -> bytes:
        """The device's answer; raises `PeerError` for one that cannot be read."""
        try:
            return self._rewritten(answer)
        except (struct.error, IndexError) as error:
            raise PeerError(f"an answer that ends early, after {len(answer)} octets") from error

    def _rewritten(self, answer: bytes) -> bytes:
        identifier, flags, questions, *counts = _HEADER.unpack_from(answer)
        start, opt = _opt_record(answer, questions, sum(counts))
        question = self._question() if questions else b""
        body = answer[HEADER_BYTES + len(question) : start]
        counts[2] -= opt is not None
        rcode, options = (opt.ttl >> 24, opt.options) if opt else (0, ())
        if rcode and self.query.edns is None:
            raise PeerError(f"extended response code {rcode << 4 | flags & 15} without EDNS")
        own = self._opt(rcode, options)
        if HEADER_BYTES + len(question) + len(body) + len(own) > self.limit:
            flags, body, counts = flags | _TRUNCATED, b"", [0, 0, 0]
        counts[2] += bool(own)
        return _HEADER.pack(identifier, flags, questions, *counts) + question + body + own

    def _question(self) -> bytes:
        """As it was asked, letters' case included."""
        assert self.query.question is not None, "only what can be read is relayed"
        return self.query.question.wire

    def _opt(self, rcode: int, options: tuple[tuple[int, bytes], ...]) -> bytes:
        """The answer's OPT record; none where the query had none."""
        edns, subnet = self.query.edns, self.query.subnet
        if edns is None:
            return b""
        kept = [(code, data) for code, data in options if code == _EXTENDED_ERROR]
        if subnet is not None:
            kept.append((OPTION, subnet.answered(0)))
        return _pack_opt(rcode << 24 | edns.do << 15, kept)


@dataclass(frozen=True)
class _Opt:
    ttl: int
    """Extended response code, version and flags (RFC 6891 section 6.1.3)."""
    options: tuple[tuple[int, bytes], ...]


class Locator:
    """Puts one access point's location into queries."""

    def __init__(self, zone: Name, location: Network) -> None:
        self._zone = zone
        family = 1 if location.version == 4 else 2
        used = location.network_address.packed[: (location.prefixlen + 7) // 8]
        self._subnet = struct.pack("!HBB", family, location.prefixlen, 0) + used

    def relayed(self, packet: bytes, over_tcp: bool = False) -> Relayed:
        """What becomes of a well-formed query with one question."""
        query = read_query(packet)
        assert query is not None and query.question is not None, "only what can be read is relayed"
        options = self._options(query)
        limit = 0xFFFF if over_tcp else _udp_limit(query)
        flags = int.from_bytes(packet[2:4], "big") & _KEPT_FLAGS
        head = _HEADER.pack(query.header.id, flags, 1, 0, 0, 1) + query.question.wire
        do = query.edns is not None and query.edns.do
        opt = _pack_opt(do << 15, options, payload=min(UDP_PAYLOAD, limit + _added(query, options)))
        return Relayed(query, head + opt, limit)

    def _options(self, query: Query) -> list[tuple[int, bytes]]:
        assert query.question is not None, "only what can be read is relayed"
        if not is_within(query.question.name, self._zone):
            return []
        if query.subnet is not None and query.subnet.opts_out:
            return [(OPTION, query.subnet.data)]
        return [(OPTION, self._subnet)]


def cut(location: Network, length: int) -> Network:
    """A location told with another prefix length: shorter ones tell less, longer ones no more than it holds."""
    return ip_network((location.network_address, length), strict=False)


def _udp_limit(query: Query) -> int:
    """Longest answer over UDP that device and forwarder take."""
    return SMALLEST_PAYLOAD if query.edns is None else min(UDP_PAYLOAD, max(SMALLEST_PAYLOAD, query.edns.payload))


def _added(query: Query, options: list[tuple[int, bytes]]) -> int:
    """By how much the upstream's OPT record is longer than the device's, so that it does not truncate too early."""
    device = 0
    if query.edns is not None:
        device = len(_pack_opt(0, [(OPTION, query.subnet.data)] if query.subnet else []))
    return max(0, len(_pack_opt(0, options)) - device)


def _pack_opt(ttl: int, options: list[tuple[int, bytes]], payload: int = UDP_PAYLOAD) -> bytes:
    data = b"".join(struct.pack("!HH", code, len(content)) + content for code, content in options)
    return b"\0" + _FIXED.pack(_OPT, payload, ttl, len(data)) + data


def _opt_record(packet: bytes, questions: int, records: int) -> tuple[int, _Opt | None]:
    """Where the records before the OPT record end, and it; raises `PeerError` where others follow it."""
    offset = HEADER_BYTES
    for _ in range(questions):
        offset = _past_name(packet, offset) + 4
    for number in range(records):
        start, offset = offset, _past_name(packet, offset)
        kind, _, ttl, length = _FIXED.unpack_from(packet, offset)
        offset += _FIXED.size + length
        if offset > len(packet):
            raise IndexError(offset)
        if kind == _OPT:
            if number < records - 1:
                raise PeerError("records after the OPT record")
            return start, _Opt(ttl, tuple(_read_options(packet[offset - length : offset])))
    return offset, None


def _past_name(packet: bytes, offset: int) -> int:
    while length := packet[offset]:
        if length & 0xC0:
            return offset + 2
        offset += length + 1
    return offset + 1


def _read_options(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while data:
        code, length = struct.unpack_from("!HH", data)
        found.append((code, data[4 : 4 + length]))
        data = data[4 + length :]
    return found
