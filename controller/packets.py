"""The packets that the controller reads and writes itself: neighbour discovery and first segments of TCP."""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from meclab.addressing import GATEWAY_IPV6, GATEWAY_MAC
from meclab.errors import PeerError

_ETHERNET = 14
_IPV4_HEADER, _IPV6_HEADER = 20, 40
_ICMPV6 = 58
_SOLICITATION, _ADVERTISEMENT = 135, 136
_ROUTER_SOLICITED_OVERRIDE = 0xE0000000
_TARGET_LINK_LAYER = b"\x02\x01"
_UNSPECIFIED = IPv6Address("::")


@dataclass(frozen=True)
class Ends:
    """The ends of a TCP connection, its opener's first."""

    source: IPv4Address | IPv6Address
    source_port: int
    destination: IPv4Address | IPv6Address
    destination_port: int


@dataclass(frozen=True)
class FirstSegment:
    """A TCP SYN that a switch has routed."""

    ends: Ends
    routed_to: str
    """MAC of the host that it went to."""


def mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def neighbour_advertisement(solicitation: bytes) -> bytes | None:
    """The frame that answers a neighbour solicitation for the gateway (RFC 4861 section 7.2.4).

    None for a solicitation from the unspecified address: a host that looks whether its own address is taken
    (RFC 4862 section 5.4.3) gets no answer, as nobody has it. Raises `PeerError` for what is no solicitation.
    """
    body = solicitation[_ETHERNET + _IPV6_HEADER :]
    if len(body) < 24 or solicitation[12:14] != b"\x86\xdd" or body[0] != _SOLICITATION:
        raise PeerError(f"not a neighbour solicitation: {solicitation[:60].hex()}")
    asker = IPv6Address(solicitation[_ETHERNET + 8 : _ETHERNET + 24])
    if asker == _UNSPECIFIED or IPv6Address(body[8:24]) != GATEWAY_IPV6:
        return None
    gateway = mac_bytes(GATEWAY_MAC)
    answer = struct.pack("!BBHI", _ADVERTISEMENT, 0, 0, _ROUTER_SOLICITED_OVERRIDE)
    answer += GATEWAY_IPV6.packed + _TARGET_LINK_LAYER + gateway
    addresses = GATEWAY_IPV6.packed + asker.packed
    answer = answer[:2] + struct.pack("!H", _checksum(addresses, answer)) + answer[4:]
    header = struct.pack("!IHBB", 6 << 28, len(answer), _ICMPV6, 255) + addresses
    return solicitation[6:12] + gateway + b"\x86\xdd" + header + answer


def _checksum(addresses: bytes, body: bytes) -> int:
    """Internet checksum over the pseudo header of RFC 8200 section 8.1 and the body; even lengths only."""
    data = addresses + struct.pack("!II", len(body), _ICMPV6) + body
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def first_segment(frame: bytes) -> FirstSegment:
    """The connection that a frame opens, and the host that it went to; raises `PeerError` for anything else."""
    version = frame[_ETHERNET] >> 4 if len(frame) >= _ETHERNET + _IPV4_HEADER else 0
    source: IPv4Address | IPv6Address
    destination: IPv4Address | IPv6Address
    if version == 4:
        start = _ETHERNET + (frame[_ETHERNET] & 15) * 4
        protocol, source, destination = frame[23], IPv4Address(frame[26:30]), IPv4Address(frame[30:34])
    elif version == 6 and len(frame) >= _ETHERNET + _IPV6_HEADER:
        start = _ETHERNET + _IPV6_HEADER
        protocol, source, destination = frame[20], IPv6Address(frame[22:38]), IPv6Address(frame[38:54])
    else:
        raise PeerError(f"not an IP packet: {frame[:40].hex()}")
    if protocol != 6 or len(frame) < start + 4:
        raise PeerError(f"not a TCP segment: {frame[:60].hex()}")
    ports = struct.unpack_from("!HH", frame, start)
    return FirstSegment(Ends(source, ports[0], destination, ports[1]), routed_to=frame[:6].hex(":"))
