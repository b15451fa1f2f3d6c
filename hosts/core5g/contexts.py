"""DNS contexts: what the session function has the EASDF do for each device (TS 29.556 clause 5.2).

A context never changes: an update puts another in its place, so that a query sees the rules of before or of after.
A rule for one message that is held back (`dnsMsgId`) is not part of a context: it is carried out once.

TS 29.556 has no 409 among the answers to a create request and names no error for a device that has a context: the
lab refuses it with 403 and a cause of its own, `UE_ADDRESS_IN_USE`, and names the context in `instance`.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Network
from typing import Any

from pydantic import ValidationError

from hosts.core5g import patches
from hosts.core5g.commondata import PatchItem
from hosts.core5g.neasdf import DnsContextCreateData, DnsRule, Network
from hosts.core5g.problems import Problem, misfit
from hosts.core5g.templates import Address, QueryTemplate, ResponseTemplate, plain
from meclab.errors import PeerError

RESOURCE = "/neasdf-dnscontext/v1/dns-contexts"


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


class Contexts:
    """Every context, by its identifier and by the device's addresses."""

    def __init__(self, new_identifier: Callable[[], str] = lambda: secrets.token_hex(8)) -> None:
        self._new_identifier = new_identifier
        self._contexts: dict[str, Context] = {}
        self._by_address: dict[Address, Context] = {}
        self._by_prefix: dict[IPv6Network, Context] = {}

    def __iter__(self) -> Iterator[Context]:
        return iter(self._contexts.values())

    def at(self, address: Address) -> Context | None:
        """The context of the device with an address."""
        found = self._by_address.get(address)
        if found is None and address.version == 6:
            found = next((one for prefix, one in self._by_prefix.items() if address in prefix), None)
        return found

    def create(self, data: DnsContextCreateData) -> Context:
        """A new context. Raises `Problem`."""
        kept, releases = separated(data)
        if releases:
            raise Problem(400, "MANDATORY_IE_INCORRECT", "a rule for a message that is held back, in a new context")
        context = Context(self._new_identifier(), kept)
        self._put(context)
        return context

    def replace(self, identifier: str, data: DnsContextCreateData) -> tuple[Release, ...]:
        """Another content; what it releases. Raises `Problem` and changes nothing then."""
        before = self._known(identifier)
        kept, releases = separated(data)
        after = Context(identifier, kept)
        after.follow(before)
        self._put(after)
        return releases

    def patch(self, identifier: str, items: Sequence[PatchItem]) -> tuple[Release, ...]:
        """A changed content; what it releases. Raises `Problem` and changes nothing then."""
        content = self._known(identifier).data.model_dump(mode="json", exclude_none=True)
        try:
            changed: Any = patches.patched(content, items)
            data = DnsContextCreateData.model_validate(changed)
        except PeerError as error:
            raise Problem(400, "MANDATORY_IE_INCORRECT", str(error)) from error
        except ValidationError as error:
            raise misfit(error) from error
        return self.replace(identifier, data)

    def delete(self, identifier: str) -> None:
        """Raises `Problem`."""
        self._forget(self._known(identifier))

    def _known(self, identifier: str) -> Context:
        if (found := self._contexts.get(identifier)) is None:
            raise Problem(404, "CONTEXT_NOT_FOUND", f"no DNS context {identifier}")
        return found

    def _put(self, context: Context) -> None:
        for other in self._sharing(context.data):
            if other.identifier != context.identifier:
                detail = f"{context.data.ueIpv4Addr or context.data.ueIpv6Prefix} has a context already"
                raise Problem(403, "UE_ADDRESS_IN_USE", detail, instance=f"{RESOURCE}/{other.identifier}")
        if (before := self._contexts.get(context.identifier)) is not None:
            self._forget(before)
        self._contexts[context.identifier] = context
        self._by_address |= dict.fromkeys(_addresses(context.data), context)
        if (prefix := _wide(context.data)) is not None:
            self._by_prefix[prefix] = context

    def _sharing(self, data: DnsContextCreateData) -> Iterator[Context]:
        """The contexts that have an address in common with one."""
        for address in _addresses(data):
            if (found := self.at(address)) is not None:
                yield found
        if (prefix := _wide(data)) is not None:
            yield from (one for address, one in self._by_address.items() if address in prefix)
            yield from (one for other, one in self._by_prefix.items() if other.overlaps(prefix))

    def _forget(self, context: Context) -> None:
        del self._contexts[context.identifier]
        for address in _addresses(context.data):
            del self._by_address[address]
        if (prefix := _wide(context.data)) is not None:
            del self._by_prefix[prefix]


def _addresses(data: DnsContextCreateData) -> list[Address]:
    """The single addresses of a device."""
    found: list[Address] = [] if data.ueIpv4Addr is None else [data.ueIpv4Addr]
    if data.ueIpv6Prefix is not None and _wide(data) is None:
        found.append(data.ueIpv6Prefix.network_address)
    return found


def _wide(data: DnsContextCreateData) -> IPv6Network | None:
    """A device's prefix where it is more than one address."""
    prefix = data.ueIpv6Prefix
    return prefix if prefix is not None and prefix.prefixlen < prefix.max_prefixlen else None


def separated(data: DnsContextCreateData) -> tuple[DnsContextCreateData, tuple[Release, ...]]:
    """A content without its rules for messages that are held back, and these. Raises `Problem` if nothing is left."""
    kept = {key: rule for key, rule in data.dnsRules.items() if rule.dnsMsgId is None}
    if not kept:
        raise Problem(400, "MANDATORY_IE_INCORRECT", "no rule for queries or responses", (("/dnsRules", "too few"),))
    releases = tuple(
        Release(rule.dnsMsgId, handling_of(key, rule), patches.pointer("dnsRules", key))
        for key, rule in data.dnsRules.items()
        if rule.dnsMsgId is not None
    )
    return data.model_copy(update={"dnsRules": kept}), releases
