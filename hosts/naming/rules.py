"""The rules in force: which address a name has for whom. An update makes a new set; the old one never changes.

Among the active rules of a name and address type the longest client subnet that contains the client's decides,
then a rule without one; of several equal ones the smallest `dnsRuleId`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from hosts.naming.names import Name, parse_name, wire
from hosts.naming.prefixes import Prefixes
from hosts.naming.subnets import BITS, Client, Version
from meclab.errors import PeerError
from meclab.messages import DnsRule, DnsUpdate


@dataclass(frozen=True, eq=False, slots=True)
class Rule:
    """A rule, read; compared by identity, which it keeps as long as no update touches it."""

    stated: DnsRule
    update: int
    """Of the update that brought it."""
    name: Name
    version: Version

    @property
    def address(self) -> IPv4Address | IPv6Address:
        return self.stated.ipAddress


class Selection:
    """The active rules of one name and address type."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        ordered = sorted(rules, key=lambda rule: rule.stated.dnsRuleId)
        self._everybody = next((rule for rule in ordered if rule.stated.clientSubnet is None), None)
        self._prefixes: dict[Version, Prefixes[Rule]] = {
            version: Prefixes(bits, list(_entries(ordered, version))) for version, bits in BITS.items()
        }
        self.by_client = any(self._prefixes.values())
        """Whether it depends on the client."""

    def __bool__(self) -> bool:
        return self._everybody is not None or self.by_client

    def select(self, client: Client | None) -> tuple[Rule | None, int]:
        """The rule for a client, and the scope in bits; without a client, the rule for everybody."""
        if client is None:
            return self._everybody, 0
        found, scope = self._prefixes[client.version].match(client.address, client.length)
        return found or self._everybody, scope


def _entries(rules: Iterable[Rule], version: Version) -> Iterable[tuple[int, int, Rule]]:
    for rule in rules:
        for subnet in rule.stated.clientSubnet or ():
            if subnet.version == version:
                yield subnet.prefixlen, int(subnet.network_address), rule


@dataclass(frozen=True)
class NameRules:
    """The active rules of one name, by type of address."""

    ipv4: Selection
    ipv6: Selection


NO_RULES = NameRules(Selection(()), Selection(()))


@dataclass(frozen=True)
class Rules:
    """A set of rules."""

    by_id: Mapping[str, Rule] = field(default_factory=dict)
    by_name: Mapping[Name, NameRules] = field(default_factory=dict)
    """Names with active rules."""
    by_wire: Mapping[bytes, NameRules] = field(default_factory=dict)
    """The same by the name's wire form in lower case."""
    update: int = 0
    """The newest update that changed something."""

    def updated(self, update: DnsUpdate, refuse: Callable[[Rule], str | None] = lambda _: None) -> "Rules":
        """The set with an update in it; itself where the update is a repetition or outdated.

        Updates come from several platforms and need not arrive in order: each rule remembers which update it has.
        Raises `PeerError` for rules that make no sense, or that `refuse` has something against, all of them named.
        """
        read, problems = [], []
        for stated in update.rules:
            try:
                rule = read_rule(stated, update.update)
                complaint = refuse(rule)
            except ValueError as error:
                complaint = str(error)
            if complaint:
                problems.append(f"{stated.dnsRuleId}: {complaint}")
            else:
                read.append(rule)
        if len({rule.stated.dnsRuleId for rule in read}) < len(read):
            problems.append("the same dnsRuleId twice")
        if problems:
            raise PeerError("; ".join(problems))
        return self._with([rule for rule in read if self._is_news(rule)], update.update)

    def _is_news(self, rule: Rule) -> bool:
        known = self.by_id.get(rule.stated.dnsRuleId)
        return known is None or known.update < rule.update

    def _with(self, news: list[Rule], update: int) -> "Rules":
        if not news:
            return self
        by_id = {**self.by_id, **{rule.stated.dnsRuleId: rule for rule in news}}
        replaced = [self.by_id[rule.stated.dnsRuleId] for rule in news if rule.stated.dnsRuleId in self.by_id]
        touched = {rule.name for rule in (*news, *replaced)}
        active: dict[Name, list[Rule]] = {name: [] for name in touched}
        for rule in by_id.values():
            if rule.name in touched and rule.stated.state == "ACTIVE":
                active[rule.name].append(rule)
        by_name = {name: kept for name, kept in self.by_name.items() if name not in touched}
        by_name |= {name: _of_name(rules) for name, rules in active.items() if rules}
        by_wire = {wire(name): rules for name, rules in by_name.items()}
        return Rules(by_id, by_name, by_wire, max(self.update, update))

    def of(self, name: Name) -> NameRules:
        return self.by_name.get(name, NO_RULES)


def _of_name(rules: list[Rule]) -> NameRules:
    ipv4, ipv6 = ([rule for rule in rules if rule.version == version] for version in (4, 6))
    return NameRules(Selection(ipv4), Selection(ipv6))


def read_rule(stated: DnsRule, update: int) -> Rule:
    """A rule with its name read; raises `ValueError`."""
    version: Version = 4 if stated.ipAddress.version == 4 else 6
    return Rule(stated, update, parse_name(stated.domainName), version)
