"""The authoritative DNS server of the application's zone: answers from the decisions that platforms tell it."""

import json
import logging

from hosts.naming import control, planned
from hosts.naming.answers import Answers
from hosts.naming.authority import Authority
from hosts.naming.server import Server
from hosts.program import Context
from hosts.web import serving
from meclab.packets import DNS_PORT, RULES_PORT

log = logging.getLogger(__name__)


def main(context: Context) -> int:
    """Serves on the host's addresses until SIGTERM."""
    context.hurry()
    node = context.plan.node(context.node)
    addresses = [str(address) for address in (node.ipv4, node.ipv6) if address is not None]
    authority = Authority([planned.zone(context.plan, node.name)], planned.fallback(context.plan))
    server = Server(Answers(authority), addresses, DNS_PORT)
    interface = control.application(node.name, authority, server.counters)
    log.info("%s on %s", context.plan.dns.zone, ", ".join(addresses))
    status = serving.serve(interface, serving.listen(RULES_PORT), context.ready, (server.run,))
    log.info("answered %s", json.dumps(server.counters()))
    return status
