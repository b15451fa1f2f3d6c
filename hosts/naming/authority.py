"""What a server knows, and what it therefore says of a name: zones that stay and rules that change."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from dnslib import AAAA, CNAME, HTTPS, QTYPE, RCODE, RD, RR, A

from hosts.naming.names import Name, text, upwards
from hosts.naming.rules import Rule, Rules, Selection
from hosts.naming.subnets import Client
from hosts.naming.zones import HttpsService, Zone, zone_of
from meclab.messages import DnsRule, DnsUpdate

HINFO: Final = 13
_NOT_OFFERED: frozenset[int] = frozenset({QTYPE.AXFR, QTYPE.IXFR})
_OBSOLETE: Final = frozenset({253, 254})
"""MAILB, MAILA."""
_NO_QUESTIONS: frozenset[int] = frozenset({QTYPE.OPT, QTYPE.TKEY, QTYPE.TSIG})
_MOST_ALIASES = 8
_ANY_TTL_S = 3600
_ALPN, _PORT, _IPV4_HINT, _IPV6_HINT = 1, 3, 4, 6
"""Keys of service parameters (RFC 9460 section 14.3.2), which are sent in ascending order."""


@dataclass(frozen=True)
class Finding:
    """What is said of a question."""

    rcode: int = RCODE.NOERROR
    answers: tuple[Any, ...] = ()
    authority: tuple[Any, ...] = ()
    scope: int = 0
    """Bits of the client's address for which it holds; negative answers hold for all (RFC 7871 section 7.4)."""
    by_client: bool = False
    """Whether another client might be told something else."""
    authoritative: bool = True


REFUSED = Finding(RCODE.REFUSED, authoritative=False)


@dataclass(frozen=True)
class _Records:
    records: tuple[Any, ...]
    scope: int = 0
    by_client: bool = False


class Authority:
    """The zones of a server and the rules in force; `rules` is replaced as a whole."""

    def __init__(self, zones: Sequence[Zone], rules: Sequence[DnsRule] = ()) -> None:
        """`rules` hold from the start; any update replaces them. Raises `PeerError` as `apply` does."""
        self.zones = tuple(zones)
        self.rules = Rules()
        self._existing: frozenset[Name] = frozenset()
        self.apply(DnsUpdate(update=0, source="plan", rules=tuple(rules)))

    def apply(self, update: DnsUpdate) -> None:
        """Puts an update in force, all of it at once; raises `PeerError` and changes nothing if a rule is wrong."""
        rules = self.rules.updated(update, self._refusal)
        active = [name for name, of_name in rules.by_name.items() if of_name.is_active]
        existing = {above for name in active for above in upwards(name, self._zone(name).origin)}
        self._existing = frozenset(existing)
        self.rules = rules

    def _refusal(self, rule: Rule) -> str | None:
        zone = zone_of(self.zones, rule.name)
        if zone is None:
            known = ", ".join(text(zone.origin) for zone in self.zones)
            return f"{rule.stated.domainName} is outside the zones; expected a name in {known}"
        return f"{rule.stated.domainName} is an alias" if zone.records(rule.name, QTYPE.CNAME) else None

    def _zone(self, name: Name) -> Zone:
        zone = zone_of(self.zones, name)
        assert zone is not None, "rules are for names in zones"
        return zone

    def find(self, name: Name, qtype: int, client: Client | None) -> Finding | None:
        """What there is to say of a name and type to a client; None for a name in none of the zones."""
        zone = zone_of(self.zones, name)
        if zone is None:
            return None
        if qtype in _NOT_OFFERED:
            return REFUSED
        if qtype in _OBSOLETE or qtype in _NO_QUESTIONS:
            return Finding(RCODE.NOTIMP if qtype in _OBSOLETE else RCODE.FORMERR, authoritative=False)
        return self._follow(zone, name, qtype, client)

    def _follow(self, zone: Zone, name: Name, qtype: int, client: Client | None) -> Finding:
        """Follows aliases as far as this server knows them (RFC 1034 section 4.3.2)."""
        aliases: tuple[Any, ...] = ()
        for _ in range(_MOST_ALIASES):
            found = self._records(zone, name, qtype, client)
            if found.records:
                return Finding(answers=aliases + found.records, scope=found.scope, by_client=found.by_client)
            alias = zone.records(name, QTYPE.CNAME)
            if not alias:
                negative = Finding(authority=(zone.negative,), answers=aliases, by_client=found.by_client)
                return negative if self._exists(zone, name) else replace(negative, rcode=RCODE.NXDOMAIN)
            aliases += alias
            name = _target(alias[0].rdata)
            target = zone_of(self.zones, name)
            if target is None:
                break
            zone = target
        return Finding(answers=aliases)

    def _exists(self, zone: Zone, name: Name) -> bool:
        return zone.has(name) or name in self._existing

    def _records(self, zone: Zone, name: Name, qtype: int, client: Client | None) -> _Records:
        rules = self.rules.of(name)
        if qtype == QTYPE.A:
            return self._addresses(zone, name, qtype, rules.ipv4, client)
        if qtype == QTYPE.AAAA:
            return self._addresses(zone, name, qtype, rules.ipv6, client)
        if qtype == QTYPE.HTTPS and zone.https and name in zone.https.names:
            return self._service(zone, zone.https, name, client)
        if qtype == QTYPE.ANY:
            return self._anything(zone, name)
        return _Records(zone.records(name, qtype))

    def _addresses(self, zone: Zone, name: Name, qtype: int, rules: Selection, client: Client | None) -> _Records:
        rule, scope = rules.select(client)
        if rule is None:
            return _Records(zone.records(name, qtype), scope, rules.by_client)
        ttl = zone.ttl_s if rule.stated.ttl is None else rule.stated.ttl
        return _Records((_address_record(name, rule.stated.ipAddress, ttl),), scope, rules.by_client)

    def _service(self, zone: Zone, https: HttpsService, name: Name, client: Client | None) -> _Records:
        """The HTTPS record made of the same decisions as A and AAAA."""
        rules = self.rules.of(name)
        ipv4 = self._addresses(zone, name, QTYPE.A, rules.ipv4, client)
        ipv6 = self._addresses(zone, name, QTYPE.AAAA, rules.ipv6, client)
        scope, by_client = max(ipv4.scope, ipv6.scope), ipv4.by_client or ipv6.by_client
        hints = ipv4.records + ipv6.records
        if not hints:
            return _Records((), scope, by_client)
        parameters = [
            (_ALPN, b"".join(bytes((len(protocol),)) + protocol for protocol in https.alpn)),
            (_PORT, https.port.to_bytes(2, "big")),
            (_IPV4_HINT, b"".join(bytes(record.rdata.data) for record in ipv4.records)),
            (_IPV6_HINT, b"".join(bytes(record.rdata.data) for record in ipv6.records)),
        ]
        rdata = HTTPS(1, [], [(key, value) for key, value in parameters if value])
        record = RR(list(name), QTYPE.HTTPS, ttl=min(hint.ttl for hint in hints), rdata=rdata)
        return _Records((record,), scope, by_client)

    def _anything(self, zone: Zone, name: Name) -> _Records:
        """ANY is answered with as little as there may be (RFC 8482 section 4.2)."""
        if zone.records(name, QTYPE.CNAME) or not self._exists(zone, name):
            return _Records(zone.records(name, QTYPE.CNAME))
        return _Records((RR(list(name), HINFO, ttl=_ANY_TTL_S, rdata=RD(b"\x07RFC8482\x00")),))


def _address_record(name: Name, address: IPv4Address | IPv6Address, ttl_s: int) -> Any:
    data = tuple(address.packed)
    if address.version == 4:
        return RR(list(name), QTYPE.A, ttl=ttl_s, rdata=A(data))
    return RR(list(name), QTYPE.AAAA, ttl=ttl_s, rdata=AAAA(data))


def _target(rdata: CNAME) -> Name:
    return tuple(label.lower() for label in rdata.label.label)
