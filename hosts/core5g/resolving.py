"""What the EASDF does with a device's query, from its arrival to its answer (TS 23.548 clause 6.2.3.2.2).

A query is looked up in the device's context and goes on as its rule says; the response is looked up again. What is
to be held back waits for the session function, at most `buffer_timeout`, and then goes anyway. Nothing is cached.

A device may move while its query is under way: an answer for a location that its context no longer has is not given
out but asked for again, so that no stale answer follows the indication to drop such answers.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final, Protocol

from dnslib import CLASS, QTYPE, RCODE

from hosts.core5g import relayed
from hosts.core5g.contexts import Contexts
from hosts.core5g.handling import PLAIN, Handling
from hosts.core5g.holding import Holding
from hosts.core5g.neasdf import DnsContextEventReport, DnsQueryReport, DnsRspReport, ecs_option
from hosts.core5g.templates import Address, plain
from hosts.naming.names import text
from hosts.naming.queries import Query, read_query
from meclab.errors import PeerError

log = logging.getLogger(__name__)
Ask = Callable[[bytes, Sequence[Address]], Awaitable[bytes]]
"""Sends a query to the first of the servers that answers; SERVFAIL where none does. No servers: the default ones."""
_ROUNDS: Final = 3
"""Times that a query is asked because its device's context changed meanwhile."""
_TRANSFERS = (QTYPE.AXFR, QTYPE.IXFR)


class Notify(Protocol):
    """Tells a session function."""

    async def __call__(self, uri: str, report: DnsContextEventReport) -> bool:
        """Whether it took the report."""


@dataclass
class _Counted:
    """What has become of the queries."""

    queries: int = 0
    without_context: int = 0
    discarded: int = 0
    asked_again: int = 0


class Resolving:
    """The EASDF without its sockets."""

    def __init__(self, contexts: Contexts, holding: Holding, ask: Ask, notify: Notify) -> None:
        self.counted = _Counted()
        self._contexts = contexts
        self._holding = holding
        self._ask = ask
        self._notify = notify
        self._notifications: set[asyncio.Task[None]] = set()

    async def answer(self, packet: bytes, source: Address, over_udp: bool) -> bytes | None:
        """The answer to a packet from a device; None where there is to be none."""
        query = read_query(packet)
        if query is None:
            return None
        self.counted.queries += 1
        if query.fault or query.question is None:
            return relayed.refusal(query, query.fault)
        if query.question.qtype in _TRANSFERS or query.question.qclass != CLASS.IN:
            return relayed.refusal(query, RCODE.REFUSED)
        if self._contexts.at(source) is None:
            self.counted.without_context += 1
        return await self._resolved(query, source, over_udp)

    async def _resolved(self, query: Query, source: Address, over_udp: bool) -> bytes | None:
        assert query.question is not None, "well-formed"
        name = text(query.question.name)
        for left in reversed(range(_ROUNDS)):
            handling = said = self._of_query(name, source)
            if said.report or said.buffer:
                handling = await self._reported(source, said, DnsContextEventReport(
                    timestamp=datetime.now(UTC), dnsQueryReport=DnsQueryReport(fqdn=plain(name))
                ))  # fmt: skip
            if handling.discard:
                self.counted.discarded += 1
                return None
            onwards = relayed.onwards(query, handling.subnet)
            try:
                answer = relayed.read_answer(await self._ask(onwards.packet, handling.servers))
            except PeerError as error:
                log.warning("%s for %s: %s", name, source, error)
                return relayed.refusal(query, RCODE.SERVFAIL)
            if (await self._responded(name, source, handling, answer)).discard:
                self.counted.discarded += 1
                return None
            if not left or not self._outdated(name, source, handling, said):
                break
            self.counted.asked_again += 1
        return relayed.backwards(query, onwards, answer, over_udp)

    def _of_query(self, name: str, source: Address) -> Handling:
        context = self._contexts.at(source)
        return PLAIN if context is None else context.of_query(name, source)

    def _outdated(self, name: str, source: Address, handling: Handling, said: Handling) -> bool:
        """Whether the rule for a query has another client subnet or servers now than when it was asked."""
        now = self._of_query(name, source)
        if now.buffer or said is not handling:
            return False
        return (now.subnet, now.servers) != (handling.subnet, handling.servers)

    async def _responded(self, name: str, source: Address, handling: Handling, answer: Any) -> Handling:
        """What happens to a response, once it may go."""
        context = self._contexts.at(source)
        found = relayed.addresses(answer)
        said = PLAIN if context is None else context.of_response(name, found)
        if not (said.report or said.buffer):
            return said
        ipv4 = tuple(address for address in found if isinstance(address, IPv4Address))
        ipv6 = tuple(address for address in found if isinstance(address, IPv6Address))
        response = DnsRspReport(
            fqdn=plain(name),
            easIpv4Addresses=ipv4 or None,
            easIpv6Addresses=ipv6 or None,
            ecsOption=ecs_option(handling.subnet) if handling.subnet is not None else None,
        )
        report = DnsContextEventReport(timestamp=datetime.now(UTC), dnsRspReport=response)
        return await self._reported(source, said, report)

    async def _reported(self, source: Address, said: Handling, report: DnsContextEventReport) -> Handling:
        """Reports, and holds the message back where the rule says so; what is to become of it then."""
        context = self._contexts.at(source)
        assert context is not None, "it has the rule"
        message = self._holding.hold() if said.buffer and not said.discard else None
        fate = None if message is None else self._holding.fate(message)
        if context.reports(said):
            assert context.data.notifyUri is not None, "validated"
            self._tell(context.data.notifyUri, report.model_copy(update={"dnsMsgId": message}))
        released = said if fate is None else await fate
        if released is None:
            log.warning("message %s for %s is not released by the session function and goes anyway", message, source)
        return released or said

    def _tell(self, uri: str, report: DnsContextEventReport) -> None:
        """Tells the session function while the message waits, or is on its way."""
        task = asyncio.get_running_loop().create_task(self._told(uri, report))
        self._notifications.add(task)
        task.add_done_callback(self._notifications.discard)

    async def _told(self, uri: str, report: DnsContextEventReport) -> None:
        if not await self._notify(uri, report) and report.dnsMsgId is not None:
            self._holding.let_go(report.dnsMsgId)
