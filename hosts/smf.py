"""The session function (SMF): sessions, DNS contexts, local breakout and what devices are told (TS 23.548).

It asks the controller and the EASDF over the lab's links, on its own link of class `control`, and tells devices over
the air.
"""

import asyncio
import json
import logging
import socket
from collections.abc import Callable
from typing import Any

from hosts.core5g import nsmf_api
from hosts.core5g.confirming import Confirming
from hosts.core5g.connections import Connections
from hosts.core5g.deployment import Deployment
from hosts.core5g.indications import Indications
from hosts.core5g.neasdf_client import NeasdfClient
from hosts.core5g.procedures import SessionFunction
from hosts.core5g.sessions import Session
from hosts.core5g.upstreams import Upstreams
from hosts.core5g.userplane import UserPlane
from hosts.program import Context
from hosts.web import serving
from hosts.web.client import Client
from hosts.web.http1 import authority
from meclab.model import SECOND
from meclab.packets import DEVICE_CONTROL_PORT, NEASDF_PORT, NORTHBOUND_PORT, NSMF_PORT
from meclab.plan import Plan

log = logging.getLogger(__name__)
_EASDF_TIMEOUT_S = 1.0
_CONTROLLER_TIMEOUT_S = 5.0
_CONFIRM_TRY_S = 0.25
_LARGEST_DATAGRAM = 2_048


def main(context: Context) -> int:
    """Serves until SIGTERM; ready when every session has its DNS context."""
    context.hurry()
    plan, node = context.plan, context.plan.node(context.node)
    (operations,), (easdf,) = plan.by_role("ops"), plan.by_role("easdf")
    neasdf = NeasdfClient(Connections(str(easdf.ipv4), NEASDF_PORT, _EASDF_TIMEOUT_S))
    user_plane = UserPlane(Client(str(operations.ipv4), NORTHBOUND_PORT, _CONTROLLER_TIMEOUT_S))
    deployment = Deployment(plan)
    where: dict[str, Session] = {}
    air = Air(plan, context.node, lambda device: where[device].ap)
    indications = Indications(plan.easdf, plan.dns.name, air.send)
    asking = Upstreams(deployment.servers, try_s=_CONFIRM_TRY_S, tries=1)
    function = SessionFunction(
        deployment,
        neasdf,
        user_plane,
        indications,
        Confirming(asking.ask, deployment.servers, plan.dns.name),
        f"http://{authority(str(node.ipv4), NSMF_PORT)}{nsmf_api.CALLBACK}",
        plan.easdf.buffer_timeout / SECOND,
    )
    where |= function.sessions

    def counters() -> dict[str, Any]:
        return {
            "error": neasdf.error or user_plane.error,
            "breakouts": len(user_plane.present),
            "refused": user_plane.refused,
            "indications": {"confirmed": indications.confirmed, "given_up": indications.given_up},
        }

    async def work() -> None:
        asyncio.get_running_loop().add_reader(air.fileno(), lambda: air.receive(indications.received))
        await function.establish()
        context.ready()
        await user_plane.run()

    application = nsmf_api.application(function, counters)
    status = serving.serve(application, serving.listen(NSMF_PORT), lambda: None, (work,))
    log.info("ended: %s", json.dumps(counters()))
    return status


class Air:
    """Datagrams to devices and back, in the run's family."""

    def __init__(self, plan: Plan, node: str, where: Callable[[str], str]) -> None:
        """`where` is the access point that a device is at."""
        self._plan = plan
        self._where = where
        family = socket.AF_INET if plan.family == "ipv4" else socket.AF_INET6
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((str(plan.address(node)), 0))

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, device: str, datagram: bytes) -> None:
        """To a device; what the kernel will not send is lost, as in the air."""
        try:
            address = self._plan.address(device, self._where(device))
            self._socket.sendto(datagram, (str(address), DEVICE_CONTROL_PORT))
        except OSError as error:
            log.warning("nothing sent to %s: %s", device, error)

    def receive(self, take: Any) -> None:
        """Hands over what has come."""
        while True:
            try:
                datagram, _ = self._socket.recvfrom(_LARGEST_DATAGRAM)
            except OSError:
                return
            take(datagram)
