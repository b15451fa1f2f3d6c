"""One DNS context: which of its rules is for a message, and what the rule says."""

from collections.abc import Sequence
from dataclasses import dataclass

from hosts.core5g.neasdf import DnsContextCreateData, DnsRule, Network
from hosts.core5g.templates import Address, QueryTemplate, ResponseTemplate, plain


@dataclass(frozen=True)
class Handling:
    """What happens to a message; without more it is forwarded."""

    rule: str | None = None
    """The rule that says so."""
    discard: bool = False
    report: bool = False
    once: bool = False
    """Report the first match alone."""
    buffer: bool = False
    subnet: Network | None = None
    """Client subnet that a query goes on with."""
    servers: tuple[Address, ...] = ()
    """Name servers that a query goes to; the EASDF's own choice where there are none."""


PLAIN = Handling()


@dataclass(frozen=True)
class Release:
    """What becomes of a message that is held back; what it says of forwarding holds for queries."""

    message: str
    handling: Handling
    path: str
    """JSON pointer of the rule that says so."""


class Context:
    """One context with its rules, read."""

    def __init__(self, identifier: str, data: DnsContextCreateData) -> None:
        self.identifier = identifier
        self.data = data
        ordered = sorted(data.dnsRules.items(), key=lambda one: (_precedence(one[1]), one[0]))
        self._queries = [
            (handling_of(key, rule), [QueryTemplate(stated) for stated in rule.dnsQueryMdtList.values()])
            for key, rule in ordered
            if rule.dnsQueryMdtList is not None
        ]
        self._responses = [
            (handling_of(key, rule), [ResponseTemplate(stated) for stated in rule.dnsRspMdtList.values()])
            for key, rule in ordered
            if rule.dnsRspMdtList is not None
        ]
        self._reported: set[str] = set()

    def of_query(self, name: str, source: Address) -> Handling:
        """What happens to a query: what the first rule that matches says."""
        name = plain(name)
        return next((said for said, given in self._queries if any(one.matches(name, source) for one in given)), PLAIN)

    def of_response(self, name: str, addresses: Sequence[Address]) -> Handling:
        """What happens to a response."""
        name = plain(name)
        found = (said for said, given in self._responses if any(one.matches(name, addresses) for one in given))
        return next(found, PLAIN)

    def reports(self, handling: Handling) -> bool:
        """Whether to report now; asked once for each message."""
        if not handling.report or handling.rule is None or (handling.once and handling.rule in self._reported):
            return False
        self._reported.add(handling.rule)
        return True

    def follow(self, before: "Context") -> None:
        """Takes over what has been reported already, of rules that stay and do not say otherwise."""
        resetting = {
            key
            for key, rule in self.data.dnsRules.items()
            if any(action.resetReportingOnceInd for action in rule.actionList.values())
        }
        self._reported = (before._reported & set(self.data.dnsRules)) - resetting


def _precedence(rule: DnsRule) -> int:
    return 2**32 if rule.precedence is None else rule.precedence


def handling_of(key: str, rule: DnsRule) -> Handling:
    """What a rule's actions come to together."""
    subnet, servers = None, []
    for action in rule.actionList.values():
        if (given := action.fwdParas) is None:
            continue
        if given.ecsOptionInfo is not None:
            subnet = given.ecsOptionInfo.ecsOption.subnet
        if given.dnsServerAddressInfo is not None:
            servers += [server.address for server in given.dnsServerAddressInfo.dnsServerAddressList]
    return Handling(
        rule=key,
        discard="DISCARD" in rule.applied,
        report="REPORT" in rule.applied,
        once=any(action.reportingOnceInd for action in rule.actionList.values()),
        buffer="BUFFER" in rule.applied,
        subnet=subnet,
        servers=tuple(servers),
    )
