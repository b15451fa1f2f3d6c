"""Message detection templates, read once: which names and addresses they match (TS 29.556 clauses 6.1.6.2.5 and 6).

Names are compared in lower case without their final dot.
"""

import re
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address

from hosts.core5g.commondata import FqdnPatternMatchingRule, StringMatchingCondition
from hosts.core5g.neasdf import DnsQueryMdt, DnsRspMdt

Address = IPv4Address | IPv6Address
Names = Callable[[str], bool]
"""Whether a name matches."""
_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "FULL_MATCH": lambda name, given: name == given,
    "MATCH_ALL": lambda _name, _given: True,
    "STARTS_WITH": lambda name, given: name.startswith(given),
    "NOT_START_WITH": lambda name, given: not name.startswith(given),
    "ENDS_WITH": lambda name, given: name.endswith(given),
    "NOT_END_WITH": lambda name, given: not name.endswith(given),
    "CONTAINS": lambda name, given: given in name,
    "NOT_CONTAIN": lambda name, given: given not in name,
}


def plain(name: str) -> str:
    """A name as templates see it."""
    return name.lower().removesuffix(".")


def names(patterns: Sequence[FqdnPatternMatchingRule] | None) -> Names:
    """Any of the patterns; without patterns every name matches."""
    if patterns is None:
        return lambda _: True
    compiled = [_pattern(pattern) for pattern in patterns]
    return lambda name: any(matches(name) for matches in compiled)


def _pattern(pattern: FqdnPatternMatchingRule) -> Names:
    if pattern.regex is not None:
        expression = re.compile(pattern.regex, re.IGNORECASE)
        return lambda name: expression.search(name) is not None
    assert pattern.stringMatchingRule is not None, "validated"
    conditions = [_condition(one) for one in pattern.stringMatchingRule.stringMatchingConditions]
    return lambda name: all(holds(name) for holds in conditions)


def _condition(condition: StringMatchingCondition) -> Names:
    operator = _OPERATORS[condition.matchingOperator]
    given = (condition.matchingString or "").lower()
    if condition.matchingOperator in ("FULL_MATCH", "ENDS_WITH", "NOT_END_WITH"):
        given = given.removesuffix(".")
    return lambda name: operator(name, given)


class QueryTemplate:
    """Which queries a rule is for."""

    def __init__(self, stated: DnsQueryMdt) -> None:
        self._names = names(stated.fqdnPatternList)
        self._ipv4 = stated.sourceIpv4Addr
        self._ipv6 = stated.sourceIpv6Prefix

    def matches(self, name: str, source: Address) -> bool:
        """Whether a device's query for a name is meant."""
        return self._names(name) and self._from(source)

    def _from(self, source: Address) -> bool:
        if isinstance(source, IPv4Address):
            return self._ipv4 == source if self._ipv4 else self._ipv6 is None
        return source in self._ipv6 if self._ipv6 else self._ipv4 is None


class ResponseTemplate:
    """Which responses a rule is for."""

    def __init__(self, stated: DnsRspMdt) -> None:
        self._names = names(stated.fqdnPatternList)
        ipv4, ipv6 = stated.easIpv4AddrRanges, stated.easIpv6PrefixRanges
        self._any = ipv4 is None and ipv6 is None
        self._ranges: list[tuple[int, int, int]] = [(4, int(one.start), int(one.end)) for one in ipv4 or ()]
        self._ranges += [(6, int(one.start.network_address), int(one.end.broadcast_address)) for one in ipv6 or ()]

    def matches(self, name: str, addresses: Sequence[Address]) -> bool:
        """Whether a response for a name with these addresses is meant."""
        return self._names(name) and (self._any or any(self._within(address) for address in addresses))

    def _within(self, address: Address) -> bool:
        value = int(address)
        return any(version == address.version and low <= value <= high for version, low, high in self._ranges)
