"""The MEC platform (MEP) of a host: its DNS and traffic rules (GS MEC 011), carried to DNS server and controller."""

from collections.abc import Sequence

from hosts import mep_api, serving
from hosts.client import Client
from hosts.lines import Line
from hosts.mep_core import Platform, outdates
from hosts.program import Context
from meclab.messages import DnsUpdate, Transaction
from meclab.packets import NORTHBOUND_PORT, PLATFORM_PORT, RULES_PORT
from meclab.plan import Plan

_TIMEOUT_S = 2.0


def main(context: Context) -> int:
    """Serves until SIGTERM."""
    plan, host = context.plan, context.node
    operations = str(plan.by_role("ops")[0].ipv4)
    controller = Line("controller", Client(operations, NORTHBOUND_PORT, _TIMEOUT_S), "/v1/transactions", _transaction)
    dns = dns_line(plan, host)
    application = mep_api.application(Platform(plan, host, dns, controller))
    tasks = (controller.run,) if dns is None else (controller.run, dns.run)
    return serving.serve(application, serving.listen(PLATFORM_PORT), context.ready, tasks)


def dns_line(plan: Plan, host: str) -> Line[DnsUpdate] | None:
    """The line to the server of the host's DNS rules: its own resolver or the authoritative server; none without."""
    if host in plan.runs("ldns"):
        server = host
    elif servers := plan.runs("adns"):
        server = servers[0]
    else:
        return None
    client = Client(str(plan.address(server)), RULES_PORT, _TIMEOUT_S)
    return Line(f"DNS server {server}", client, "/v1/rules", _update, outdates=outdates)


def _transaction(transactions: Sequence[Transaction]) -> bytes:
    (transaction,) = transactions
    return transaction.model_dump_json().encode()


def _update(updates: Sequence[DnsUpdate]) -> bytes:
    (update,) = updates
    return update.model_dump_json(exclude_none=True).encode()
