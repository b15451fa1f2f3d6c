"""The rules in force: which address a name has for whom. An update makes a new set; the old one never changes.

Among the active rules of a name and address type the longest client subnet that contains the client's decides,
then a rule without one; of several equal ones the smallest `dnsRuleId`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network

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
    subnets: tuple[tuple[Version, int, int], ...] | None
    """Version, length and leading bits of the client subnets that it holds for; none: for everybody."""
    change: int = 0
    """How often the application has changed it since that update."""

    @property
    def order(self) -> tuple[int, int]:
        """As `DnsUpdate.order`."""
        return self.update, self.change

    @property
    def rule_id(self) -> str:
        return self.stated.dnsRuleId

    @property
    def is_active(self) -> bool:
        return self.stated.state == "ACTIVE"

    def precedes(self, other: "Rule | None") -> bool:
        """Whether it decides where both would."""
        return other is None or self.rule_id < other.rule_id


class Selection:
    """The active rules of one name and address type."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._everybody: Rule | None = None
        found: dict[Version, dict[int, dict[int, Rule]]] = {4: {}, 6: {}}
        for rule in rules:
            if rule.subnets is None and rule.precedes(self._everybody):
                self._everybody = rule
            for version, length, leading in rule.subnets or ():
                of_length = found[version].setdefault(length, {})
                if rule.precedes(of_length.get(leading)):
                    of_length[leading] = rule
        self._prefixes = {version: Prefixes(bits, found[version]) for version, bits in BITS.items()}
        self.by_client = any(found.values())
        """Whether it depends on the client."""

    def select(self, client: Client | None) -> tuple[Rule | None, int]:
        """The rule for a client, and the scope in bits; without a client, the rule for everybody."""
        if client is None:
            return self._everybody, 0
        found, scope = self._prefixes[client.version].match(client.address, client.length)
        return found or self._everybody, scope


class NameRules:
    """The rules of one name; put in order when the name is next asked for, not at every update of a burst."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self.by_id = rules

    @cached_property
    def ipv4(self) -> Selection:
        return self._selection(4)

    @cached_property
    def ipv6(self) -> Selection:
        return self._selection(6)

    @cached_property
    def is_active(self) -> bool:
        return any(rule.is_active for rule in self.by_id.values())

    def _selection(self, version: Version) -> Selection:
        return Selection(rule for rule in self.by_id.values() if rule.version == version and rule.is_active)


NO_RULES = NameRules({})


@dataclass(frozen=True)
class Rules:
    """A set of rules."""

    by_id: Mapping[str, Rule] = field(default_factory=dict)
    by_name: Mapping[Name, NameRules] = field(default_factory=dict)
    """Names with active rules or others."""
    by_wire: Mapping[bytes, NameRules] = field(default_factory=dict)
    """Names with active rules, by their wire form in lower case."""
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
                rule = read_rule(stated, update.update, update.change)
                complaint = refuse(rule)
            except ValueError as error:
                complaint = str(error)
            if complaint:
                problems.append(f"{stated.dnsRuleId}: {complaint}")
            else:
                read.append(rule)
        if len({rule.rule_id for rule in read}) < len(read):
            problems.append("the same dnsRuleId twice")
        if problems:
            raise PeerError("; ".join(problems))
        return self._with([rule for rule in read if self._is_news(rule)], update.update)

    def newer(self, update: DnsUpdate) -> Iterator[DnsUpdate]:
        """The rules of an update that are known by a later one, as they are known."""
        for stated in update.rules:
            known = self.by_id.get(stated.dnsRuleId)
            if known is not None and known.order > update.order:
                changed = {"update": known.update, "change": known.change, "rules": (known.stated,)}
                yield update.model_copy(update=changed)

    def _is_news(self, rule: Rule) -> bool:
        known = self.by_id.get(rule.rule_id)
        return known is None or known.order < rule.order

    def _with(self, news: list[Rule], update: int) -> "Rules":
        if not news:
            return self
        changed: dict[Name, dict[str, Rule]] = {}
        for rule in news:
            before = self.by_id.get(rule.rule_id)
            if before is not None and before.name != rule.name:
                self._copy(before.name, changed).pop(rule.rule_id)
            self._copy(rule.name, changed)[rule.rule_id] = rule
        by_id = {**self.by_id, **{rule.rule_id: rule for rule in news}}
        by_name = {**self.by_name, **{name: NameRules(rules) for name, rules in changed.items()}}
        by_wire = {wire(name): rules for name, rules in by_name.items() if rules.is_active}
        return Rules(by_id, by_name, by_wire, max(self.update, update))

    def _copy(self, name: Name, changed: dict[Name, dict[str, Rule]]) -> dict[str, Rule]:
        """The rules of a name, to be changed."""
        if name not in changed:
            changed[name] = dict(self.of(name).by_id)
        return changed[name]

    def of(self, name: Name) -> NameRules:
        return self.by_name.get(name, NO_RULES)


def read_rule(stated: DnsRule, update: int, change: int = 0) -> Rule:
    """A rule with its name and subnets read; raises `ValueError`."""
    version: Version = 4 if stated.ipAddress.version == 4 else 6
    subnets = None if stated.clientSubnet is None else tuple(_leading(subnet) for subnet in stated.clientSubnet)
    return Rule(stated, update, parse_name(stated.domainName), version, subnets, change)


def _leading(subnet: IPv4Network | IPv6Network) -> tuple[Version, int, int]:
    version: Version = 4 if subnet.version == 4 else 6
    return version, subnet.prefixlen, int(subnet.network_address) >> (BITS[version] - subnet.prefixlen)
