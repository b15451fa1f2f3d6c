"""A DNS server with two zones and rules, asked in memory, and queries made by hand, for the tests of `hosts.naming`."""

import struct
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from dnslib import RR, DNSRecord

from hosts.naming.answers import Answers
from hosts.naming.authority import Authority
from hosts.naming.images import Images
from hosts.naming.names import parse_name, wire
from hosts.naming.zones import HttpsService, Zone
from meclab.messages import DnsRule

APP = "app.edge.example."
ELSEWHERE = ip_address("192.0.2.1").packed
"""A source that no rule names."""
A, NS, CNAME, SOA, HINFO, TXT, AAAA, OPT, HTTPS, ANY = 1, 2, 5, 6, 13, 16, 28, 41, 65, 255
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16
ECS = 8
EDGE_ZONE = """
edge.example.       3600 SOA   adns.edge.example. hostmaster.edge.example. 7 3600 600 86400 30
edge.example.       3600 NS    adns.edge.example.
adns.edge.example.  3600 A     10.0.2.53
mec1.edge.example.  300  A     10.1.1.10
mec1.edge.example.  300  AAAA  2001:db8:1:1::10
a.b.edge.example.   60   A     10.9.9.9
www.edge.example.   120  CNAME app.edge.example.
out.edge.example.   120  CNAME www.foreign.example.
gone.edge.example.  120  CNAME nowhere.edge.example.
loop.edge.example.  120  CNAME pool.edge.example.
pool.edge.example.  120  CNAME loop.edge.example.
"""
OTHER_ZONE = """
other.test.         5    SOA   ns.other.test. hostmaster.other.test. 1 3600 600 86400 900
other.test.         60   NS    ns.other.test.
ns.other.test.      60   A     10.0.2.54
""" + "".join(f"many.other.test. 60 A 10.7.{n // 256}.{n % 256}\n" for n in range(100))


def rule(identifier: str, address: str, *subnets: str, name: str = APP, **more: Any) -> DnsRule:
    kind = "IP_V6" if ":" in address else "IP_V4"
    content = {"dnsRuleId": identifier, "domainName": name, "ipAddressType": kind, "ipAddress": address}
    return DnsRule.model_validate({**content, "state": "ACTIVE", "clientSubnet": subnets or None, **more})


RULES = (
    rule("cloud4", "203.0.113.10"),
    rule("cloud6", "2001:db8:c10d::10"),
    rule("site1-4", "10.1.1.10", "100.64.1.0/24", "2001:db8:a:100::/56"),
    rule("site1-6", "2001:db8:1:1::10", "100.64.1.0/24", "2001:db8:a:100::/56"),
    rule("site2-4", "10.1.2.10", "100.64.2.0/24", "2001:db8:a:200::/56", ttl=3),
    rule("site2-6", "2001:db8:1:2::10", "100.64.2.0/24", "2001:db8:a:200::/56", ttl=2),
    rule("ue7", "10.1.3.10", "100.64.2.7/32"),
)


def authority(rules: Sequence[DnsRule] = RULES) -> Authority:
    https = HttpsService(8443, frozenset({parse_name(APP), parse_name("mec1.edge.example")}))
    zones = [
        Zone(parse_name("edge.example"), RR.fromZone(EDGE_ZONE), 10, https),
        Zone(parse_name("other.test"), RR.fromZone(OTHER_ZONE), 10),
    ]
    return Authority(zones, rules)


class Asked:
    """A server in memory: slow and fast way, which must agree."""

    def __init__(self, rules: Sequence[DnsRule] = RULES) -> None:
        self.authority = authority(rules)
        self.answers = Answers(self.authority)
        self.images = Images(self.answers)

    def raw(self, packet: bytes, source: bytes = ELSEWHERE, over_udp: bool = True) -> bytes | None:
        answer = self.answers.answer(packet, source, over_udp)
        slow = answer.packet if answer else None
        if over_udp:
            for _ in range(2):
                assert self.images.answer(packet, source) == slow
        return slow

    def __call__(self, name: str = APP, qtype: int = A, *, source: str = "192.0.2.1", **form: Any) -> Any:
        """The answer as dnslib reads it."""
        packet = self.raw(query(name, qtype, **form), ip_address(source).packed)
        assert packet is not None
        return DNSRecord.parse(packet)


def query(
    name: str = APP,
    qtype: int = A,
    *,
    subnet: str | None = None,
    options: Sequence[tuple[int, bytes]] | None = None,
    payload: int = 1232,
    version: int = 0,
    flags: int = 0x0100,
    qclass: int = 1,
    ident: int = 0x1234,
    do: bool = False,
) -> bytes:
    """A query with one question, as bytes; with an OPT record if a subnet or options are given."""
    if subnet is not None:
        options = [(ECS, ecs(subnet)), *(options or ())]
    additional = b"" if options is None else opt(options, payload, version, do)
    head = struct.pack("!HHHHHH", ident, flags, 1, 0, 0, 0 if options is None else 1)
    return head + question(name, qtype, qclass) + additional


def question(name: str, qtype: int = A, qclass: int = 1) -> bytes:
    labels = [label.encode() for label in name.removesuffix(".").split(".") if label]
    return wire(tuple(labels)) + struct.pack("!HH", qtype, qclass)


def opt(options: Sequence[tuple[int, bytes]], payload: int = 1232, version: int = 0, do: bool = False) -> bytes:
    data = b"".join(struct.pack("!HH", code, len(value)) + value for code, value in options)
    return b"\0" + struct.pack("!HHIH", OPT, payload, version << 16 | do << 15, len(data)) + data


def ecs(subnet: str, scope: int = 0) -> bytes:
    """The option's data: family, source prefix length, scope, address truncated to the prefix."""
    network = ip_network(subnet)
    octets = network.network_address.packed[: (network.prefixlen + 7) // 8]
    return struct.pack("!HBB", 1 if network.version == 4 else 2, network.prefixlen, scope) + octets


def addresses(message: Any) -> list[str]:
    return [str(record.rdata) for record in message.rr if record.rtype in (A, AAAA)]


def opt_of(message: Any) -> Any:
    """The OPT record of an answer; None without."""
    return next((record for record in message.ar if record.rtype == OPT), None)


def scope_of(message: Any) -> int | None:
    """The scope prefix length of an answer; None without the option."""
    record = opt_of(message)
    data = next((option.data for option in record.rdata if option.code == ECS), None) if record else None
    return data[3] if data else None


def rcode_of(message: Any) -> int:
    """The response code with its EDNS part."""
    record = opt_of(message)
    return (record.edns_rcode << 4 if record else 0) | message.header.rcode
