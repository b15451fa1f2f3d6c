"""The MEC platform (MEP) of a host: its DNS and traffic rules (GS MEC 011), carried to DNS server and controller."""

from collections.abc import Sequence
from typing import Any

from hosts.platform import mep_api
from hosts.platform.lines import Line
from hosts.platform.mep_core import Platform, outdates
from hosts.program import Context
from hosts.web import serving
from hosts.web.client import Client
from meclab.messages import DnsUpdate, Transaction
from meclab.packets import MEPM_PORT, NORTHBOUND_PORT, PLATFORM_PORT, RULES_PORT
from meclab.plan import Plan
from meclab.platforms import REGISTRATION_PATH, Registration

_TIMEOUT_S = 2.0


def main(context: Context) -> int:
    """Serves until SIGTERM."""
    plan, host = context.plan, context.node
    operations = str(plan.by_role("ops")[0].ipv4)
    controller = controller_line(operations, NORTHBOUND_PORT)
    manager = manager_line(operations, MEPM_PORT)
    server = dns_server(plan, host)
    dns = None if server is None else dns_line(server, str(plan.address(server)), RULES_PORT)
    platform = Platform(plan, host, dns, controller, manager)
    return serving.serve(mep_api.application(platform), serving.listen(PLATFORM_PORT), context.ready, tasks(platform))


def tasks(platform: Platform) -> list[serving.Task]:
    """What runs beside a platform's server."""
    lines: tuple[Line[Any] | None, ...] = (platform.controller, platform.dns, platform.manager)
    return [*(line.run for line in lines if line is not None), platform.register]


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


def manager_line(address: str, port: int) -> Line[Registration]:
    """The line to the platform manager."""
    return Line("platform manager", Client(address, port, _TIMEOUT_S), REGISTRATION_PATH, _registration)


def _registration(registrations: Sequence[Registration]) -> bytes:
    (registration,) = registrations
    return registration.model_dump_json().encode()


def _transaction(transactions: Sequence[Transaction]) -> bytes:
    (transaction,) = transactions
    return transaction.model_dump_json().encode()


def _update(updates: Sequence[DnsUpdate]) -> bytes:
    (update,) = updates
    return update.model_dump_json(exclude_none=True).encode()
