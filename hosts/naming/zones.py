"""Zones: what is fixed about the names of a server. Records are dnslib's `RR`, names in lower case."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dnslib import QTYPE, RR

from hosts.naming.names import Name, is_within, text, upwards


@dataclass(frozen=True)
class HttpsService:
    """What HTTPS records (RFC 9460) say beside addresses, and of which names of a zone."""

    port: int
    names: frozenset[Name]
    alpn: tuple[bytes, ...] = (b"http/1.1",)


class Zone:
    """One zone with its records; never changes."""

    def __init__(self, origin: Name, records: Iterable[Any], ttl_s: int, https: HttpsService | None = None) -> None:
        """`ttl_s` is that of addresses by rules that say none. Raises `ValueError` for what is no zone:
        MODEL: no delegations, no wildcards, no DNSSEC."""
        self.origin = origin
        self.ttl_s = ttl_s
        self.https = https
        self._sets: dict[Name, dict[int, tuple[Any, ...]]] = {}
        for record in records:
            self._add(record)
        self._existing = {above for name in self._sets for above in upwards(name, origin)}
        apex = self._sets.get(origin, {})
        if len(apex.get(QTYPE.SOA, ())) != 1 or QTYPE.NS not in apex:
            raise ValueError(f"zone {text(origin)}: expected one SOA and at least one NS record at its origin")
        self.negative = _negative(apex[QTYPE.SOA][0])
        """The SOA of negative answers."""

    def _add(self, record: Any) -> None:
        name: Name = tuple(label.lower() for label in record.rname.label)
        if not is_within(name, self.origin):
            raise ValueError(f"zone {text(self.origin)}: {text(name)} is outside")
        if record.rtype in (QTYPE.NS, QTYPE.SOA) and name != self.origin:
            raise ValueError(f"zone {text(self.origin)}: {QTYPE[record.rtype]} at {text(name)}; no delegations here")
        found = self._sets.setdefault(name, {})
        found[record.rtype] = (*found.get(record.rtype, ()), record)
        if QTYPE.CNAME in found and (len(found) > 1 or len(found[QTYPE.CNAME]) > 1):
            raise ValueError(f"zone {text(self.origin)}: {text(name)} is an alias and has other records")

    def records(self, name: Name, rtype: int) -> tuple[Any, ...]:
        """The records of a name and type."""
        return self._sets.get(name, {}).get(rtype, ())

    def has(self, name: Name) -> bool:
        """Whether a name exists: it has records, or a name below it does (RFC 8020)."""
        return name in self._existing


def _negative(soa: Any) -> Any:
    """The SOA with the TTL of negative answers (RFC 2308 section 3): its own or its minimum, the smaller."""
    return RR(soa.rname, QTYPE.SOA, soa.rclass, min(soa.ttl, soa.rdata.times[4]), soa.rdata)


def zone_of(zones: Sequence[Zone], name: Name) -> Zone | None:
    """The zone with the longest origin that contains a name."""
    containing = [zone for zone in zones if is_within(name, zone.origin)]
    return max(containing, key=lambda zone: len(zone.origin), default=None)
