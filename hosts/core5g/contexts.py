"""DNS contexts: what the session function has the EASDF do for each device (TS 29.556 clause 5.2).

A context never changes: an update puts another in its place, so that a query sees the rules of before or of after.
A rule for one message that is held back (`dnsMsgId`) is not part of a context: it is carried out once.

TS 29.556 has no 409 among the answers to a create request and names no error for a device that has a context: the
lab refuses it with 403 and a cause of its own, `UE_ADDRESS_IN_USE`, and names the context in `instance`.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv6Network
from typing import Any

from pydantic import ValidationError

from hosts.core5g import patches
from hosts.core5g.commondata import PatchItem
from hosts.core5g.handling import Context, Release, handling_of
from hosts.core5g.neasdf import DnsContextCreateData
from hosts.core5g.problems import Problem, misfit
from hosts.core5g.templates import Address
from meclab.errors import PeerError

RESOURCE = "/neasdf-dnscontext/v1/dns-contexts"


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
