"""What a device's parts are tested against: DNS responses by dnslib, a client that notes what it is told."""

from collections.abc import Callable
from ipaddress import ip_address

import dnslib

from hosts.device.cache import Answer
from hosts.device.servers import Server
from hosts.device.stub import Resolution, Then
from meclab.model import SECOND, Family

ZONE = """
app.edge.example. 10 IN A 10.1.1.10
app.edge.example. 20 IN AAAA 2001:db8:1::10
"""
SOA = "edge.example. 300 IN SOA ns.edge.example. admin.edge.example. 1 3600 600 86400 60"


def respond(
    query: bytes, zone: str = ZONE, authority: str = "", rcode: str = "NOERROR", truncated: bool = False
) -> bytes:
    """The response to a query with the records of its type in `zone`, CNAMEs first."""
    request = dnslib.DNSRecord.parse(query)
    reply = request.reply()
    records = [rr for rr in dnslib.RR.fromZone(zone) if rr.rtype in (request.q.qtype, dnslib.QTYPE.CNAME)]
    reply.add_answer(*records)
    reply.add_auth(*dnslib.RR.fromZone(authority))
    reply.header.rcode = getattr(dnslib.RCODE, rcode)
    reply.header.tc = int(truncated)
    packed: bytes = reply.pack()
    return packed


class Told:
    """A client that notes what a discovery tells it."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def found(self, server: Server) -> None:
        self.heard.append(("found", str(server)))

    def unfound(self) -> None:
        self.heard.append(("unfound", ""))

    def moved(self, server: Server) -> None:
        self.heard.append(("moved", str(server)))

    def take(self) -> list[tuple[str, str]]:
        """What was told since the last call."""
        heard, self.heard = self.heard, []
        return heard


class Alarms:
    """An alarm that notes when it is to ring."""

    def __init__(self) -> None:
        self.at_ns: int | None = None

    def at(self, when_ns: int) -> None:
        self.at_ns = when_ns

    def stop(self) -> None:
        self.at_ns = None


class Names:
    """Resolves names when it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._callers: list[tuple[str, Then]] = []

    def __call__(self, name: str, then: Then) -> None:
        self.asked.append(name)
        self._callers.append((name, then))

    def answer(self, *addresses: str, ttl_s: int = 10, at_ns: int = 0, family: Family = "ipv4") -> None:
        """Everybody who waits gets these addresses."""
        expires_ns = at_ns + ttl_s * SECOND
        found = Answer(tuple(ip_address(address) for address in addresses), ttl_s, expires_ns)
        self._tell(lambda name: Resolution(name, at_ns, {family: found}))

    def fail(self, at_ns: int = 0) -> None:
        """Everybody who waits gets nothing."""
        self._tell(lambda name: Resolution(name, at_ns, {}, "SERVFAIL"))

    def _tell(self, resolution: Callable[[str], Resolution]) -> None:
        callers, self._callers = self._callers, []
        for name, then in callers:
            then(resolution(name))


def quiet(what: str, server: str, detail: str, at_ns: int | None = None) -> None:
    """Notes nothing."""
