"""The EASDF (TS 23.548 clause 6.2.3): the DNS server of the devices, ruled by the session function.

What a device's context says nothing of, and everything from an address without a context, goes to the operator's
recursive resolver as it is. A device that bypasses the EASDF asks that resolver itself, which knows nothing of places:
with `dns.ecs_source: host` it names the device, which so follows its decisions whenever the TTL has run out; else the
device is answered as everybody is, the cloud.
"""

import json
import logging
from dataclasses import asdict
from typing import Any

from hosts.core5g import neasdf_api
from hosts.core5g.contexts import Contexts
from hosts.core5g.frontage import Frontage
from hosts.core5g.holding import Holding
from hosts.core5g.neasdf import DnsContextCreatedData
from hosts.core5g.reporting import Reporting
from hosts.core5g.resolving import Resolving
from hosts.core5g.upstreams import Upstreams
from hosts.program import Context
from hosts.web import serving
from meclab.model import SECOND
from meclab.packets import DNS_PORT, NEASDF_PORT

log = logging.getLogger(__name__)


def main(context: Context) -> int:
    """Serves on the host's addresses until SIGTERM."""
    context.hurry()
    plan, node = context.plan, context.plan.node(context.node)
    addresses = [str(address) for address in (node.ipv4, node.ipv6) if address is not None]
    timeout_s = plan.easdf.buffer_timeout / SECOND
    contexts, holding, reporting = Contexts(), Holding(timeout_s), Reporting(timeout_s)
    upstreams = Upstreams([plan.address(server.name) for server in plan.by_role("rdns")])
    resolving = Resolving(contexts, holding, upstreams.ask, reporting.notify)
    frontage = Frontage(resolving, addresses, DNS_PORT)

    def counters() -> dict[str, Any]:
        return {
            **asdict(resolving.counted),
            "repeated": frontage.repeated,
            "reports": {"sent": reporting.sent, "failed": reporting.failed},
            "buffered": {"released": holding.released, "overdue": holding.overdue},
            "upstream": upstreams.counters(),
        }

    created = DnsContextCreatedData(easdfIpv4Addr=node.ipv4, easdfIpv6Addr=node.ipv6)
    interface = neasdf_api.application(contexts, holding, created, counters)
    log.info("EASDF on %s", ", ".join(addresses))
    status = serving.serve(interface, serving.listen(NEASDF_PORT), context.ready, (frontage.run,))
    log.info("ended: %s", json.dumps(counters()))
    return status
