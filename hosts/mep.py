"""The MEC platform (MEP) of a host: its DNS and traffic rules (GS MEC 011), carried to DNS server and controller."""

from collections.abc import Sequence

from hosts.platform import mep_api
from hosts.platform.lines import Line
from hosts.platform.mep_core import Platform, outdates
from hosts.program import Context
from hosts.web import serving
from hosts.web.client import Client
from meclab.messages import DnsUpdate, Transaction
from meclab.packets import NORTHBOUND_PORT, PLATFORM_PORT, RULES_PORT
from meclab.plan import Plan

_TIMEOUT_S = 2.0


def main(context: Context) -> int:
    """Serves until SIGTERM."""
    plan, host = context.plan, context.node
    controller = controller_line(str(plan.by_role("ops")[0].ipv4), NORTHBOUND_PORT)
    server = dns_server(plan, host)
    dns = None if server is None else dns_line(server, str(plan.address(server)), RULES_PORT)
    tasks = [line.run for line in (controller, dns) if line is not None]
    application = mep_api.application(Platform(plan, host, dns, controller))
    return serving.serve(application, serving.listen(PLATFORM_PORT), context.ready, tasks)


def dns_server(plan: Plan, host: str) -> str | None:
    """Who serves a host's DNS rules: its own resolver, or the authoritative server; none where there is neither."""
    return host if host in plan.runs("ldns") else next(iter(plan.runs("adns")), None)


def dns_line(server: str, address: str, port: int) -> Line[DnsUpdate]:
    """The line to a DNS server."""
    client = Client(address, port, _TIMEOUT_S)
    return Line(f"DNS server {server}", client, "/v1/rules", _update, outdates=outdates)


def controller_line(address: str, port: int) -> Line[Transaction]:
    """The line to the controller, which listens in band too."""
    return Line("controller", Client(address, port, _TIMEOUT_S), "/v1/transactions", _transaction)


def _transaction(transactions: Sequence[Transaction]) -> bytes:
    (transaction,) = transactions
    return transaction.model_dump_json().encode()


def _update(updates: Sequence[DnsUpdate]) -> bytes:
    (update,) = updates
    return update.model_dump_json(exclude_none=True).encode()
