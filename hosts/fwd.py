"""The DNS forwarder on the access side: tells the operator's resolver where its devices are, and keeps no answers.

MODEL: stands for what a user plane function or a border gateway knows of the session: a real one takes the location
from the session, this one is reached from its own access point alone.
"""

import asyncio
import json
import logging
import signal
from collections.abc import Callable, Sequence

from hosts.naming.answers import Answers
from hosts.naming.authority import Authority
from hosts.naming.forwarding import TRIES, TRY_S, Forwarder
from hosts.naming.locating import Locator, cut
from hosts.naming.names import parse_name
from hosts.naming.server import Server
from hosts.program import Context
from meclab.errors import PeerError
from meclab.packets import DNS_PORT
from meclab.plan import Plan, PlannedNode

log = logging.getLogger(__name__)


class LocatingForwarder(Forwarder):
    """Relays queries with a location in them."""

    def __init__(
        self, locator: Locator, answers: Answers, upstream: str, port: int, try_s: float = TRY_S, tries: int = TRIES
    ) -> None:
        super().__init__(answers, upstream, port, try_s, tries)
        self._locator = locator

    async def ask(self, query: bytes, over_tcp: bool = False) -> bytes:
        relayed = self._locator.relayed(query, over_tcp)
        answer = await super().ask(relayed.packet, over_tcp)
        try:
            return relayed.answered(answer)
        except PeerError as error:
            log.warning("upstream: %s", error)
            self.failed += 1
            return self._answers.servfail(query)


def main(context: Context) -> int:
    """Serves on the host's own addresses and on the access side's until SIGTERM."""
    context.hurry()
    servers = [_server(context.plan, context.plan.node(context.node), version) for version in (4, 6)]
    asyncio.run(serve(servers, context.ready))
    log.info("answered %s", json.dumps([server.counters() for server in servers]))
    return 0


def _server(plan: Plan, node: PlannedNode, version: int) -> Server:
    """The server of one IP version: clients that ask over it are named by a prefix of it."""
    ap = next(ap for ap in plan.by_role("ap") if ap.site == node.site)
    lengths = {4: plan.dns.ecs_prefix_ipv4, 6: plan.dns.ecs_prefix_ipv6}
    (location,) = (cut(prefix, lengths[version]) for prefix in plan.location(ap.name) if prefix.version == version)
    addresses = [
        str(address)
        for address in (node.ipv4, node.ipv6, plan.resolver_ipv4, plan.resolver_ipv6)
        if address is not None and address.version == version
    ]
    upstream = plan.by_role("rdns")[0].name
    log.info("on %s: %s as %s, from %s", ", ".join(addresses), plan.dns.zone, location, upstream)
    locator = Locator(parse_name(plan.dns.zone), location)
    return server(locator, addresses, DNS_PORT, str(plan.address(upstream)), DNS_PORT)


def server(locator: Locator, addresses: Sequence[str], port: int, upstream: str, upstream_port: int) -> Server:
    """A server that relays every query that can be read; what cannot be is answered as the RFCs say."""
    answers = Answers(Authority([]), forwards=True, recursion=True)
    return Server(answers, addresses, port, LocatingForwarder(locator, answers, upstream, upstream_port))


async def serve(servers: Sequence[Server], ready: Callable[[], None]) -> None:
    """Serves until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(server.run()) for server in servers]
        ready()
        await ended.wait()
        for task in tasks:
            task.cancel()
