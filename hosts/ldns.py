"""The local DNS resolver of a MEC host: answers the application's zone itself, and forwards everything else to the
operator's resolver."""

import json
import logging

from hosts.naming import control, planned
from hosts.naming.answers import Answers
from hosts.naming.authority import Authority
from hosts.naming.forwarding import Forwarder
from hosts.naming.server import Server
from hosts.program import Context
from hosts.web import serving
from meclab.packets import DNS_PORT, RULES_PORT
from meclab.plan import Plan, PlannedNode

log = logging.getLogger(__name__)


def own_addresses(plan: Plan, node: PlannedNode) -> list[str]:
    """Where it is asked: at the host's own addresses, and at the access side's where the host has that."""
    shared = (plan.resolver_ipv4, plan.resolver_ipv6) if node.serves_resolver else ()
    return [str(address) for address in (node.ipv4, node.ipv6, *shared) if address is not None]


def main(context: Context) -> int:
    """Serves until SIGTERM."""
    context.hurry()
    plan = context.plan
    node, (upstream, *_) = plan.node(context.node), plan.by_role("rdns")
    addresses = own_addresses(plan, node)
    authority = Authority([planned.zone(plan, node.name)], planned.fallback(plan))
    answers = Answers(authority, forwards=True, recursion=True)
    forwarder = Forwarder(answers, str(plan.address(upstream.name)), DNS_PORT)
    server = Server(answers, addresses, DNS_PORT, forwarder)
    interface = control.application(node.name, authority, server.counters)
    log.info("%s on %s, all else from %s", plan.dns.zone, ", ".join(addresses), upstream.name)
    status = serving.serve(interface, serving.listen(RULES_PORT), context.ready, (server.run,))
    log.info("answered %s", json.dumps(server.counters()))
    return status
