"""Which discovery a method gives its devices."""

import socket
import time

from hosts.device.by_context import ByContext
from hosts.device.by_name import ByName
from hosts.device.by_redirect import ByRedirect
from hosts.device.cache import Address
from hosts.device.connection import Connection
from hosts.device.discovery import Discovery, Known
from hosts.device.exchange import Asker, Listener
from hosts.device.loop import Alarm, Loop
from hosts.device.resolver import Resolver
from hosts.device.servers import Servers
from hosts.device.stub import Note
from hosts.web import http1
from meclab.methods import BY_NAME
from meclab.packets import CALLBACK_PORT, UALCMP_PORT
from meclab.plan import Plan, PlannedDevice


def discovery(
    plan: Plan, device: PlannedDevice, loop: Loop, client: Connection, resolver: Resolver, note: Note
) -> Discovery:
    """How a device's client finds its server."""
    servers, family = Servers(plan), plan.family
    if plan.method.name in BY_NAME:
        return _by_name(plan, loop, client, resolver)
    if plan.method.name == "devapp":
        return _by_context(plan, device, loop, client, note)
    address = device.server_ipv4 if family == "ipv4" else device.server_ipv6
    assert address is not None, "the other methods tell it at the start"
    if plan.method.name != "http-redirect":
        return Known(client, servers.at(address))
    front = servers.at(address, probed=False)
    return ByRedirect(client, front, family, servers, resolver.resolve, plan.http.most_redirects, note)


def _by_name(plan: Plan, loop: Loop, client: Connection, resolver: Resolver) -> Discovery:
    alarm = Alarm(loop, lambda: by_name.wake(time.monotonic_ns())) if plan.session.connect == "at-once" else None
    by_name = ByName(client, plan.dns.name, plan.family, Servers(plan), resolver.resolve, alarm)
    return by_name


def _by_context(plan: Plan, device: PlannedDevice, loop: Loop, client: Connection, note: Note) -> Discovery:
    proxy = plan.address(plan.by_role("ops")[0].name)

    def callback() -> str:
        own = _own_address(proxy) if plan.renumbers else str(plan.address(device.name))
        return f"http://{http1.authority(own, CALLBACK_PORT)}/notifications"

    by_context = ByContext(
        client,
        device.name,
        callback,
        Servers(plan),
        Asker(loop, proxy, UALCMP_PORT),
        Alarm(loop, lambda: by_context.wake(time.monotonic_ns())),
        plan.session.connect == "at-once",
        time.monotonic_ns,
        note,
    )
    Listener(loop, CALLBACK_PORT, by_context.notified)
    return by_context


def _own_address(peer: Address) -> str:
    """The address that the device's kernel takes towards a peer now; nothing is sent."""
    family = socket.AF_INET if peer.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((str(peer), UALCMP_PORT))
        return str(probe.getsockname()[0])
