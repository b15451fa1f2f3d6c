"""The program on every router of `bgp-anycast`: which devices are attached here, into the kernel's routing table.

| request | answer |
|---|---|
| `POST /v1/attachments`, a `RouterAttachment` or a list of them | 200 `{"attachments": [{"device", "outcome"}]}` |
| `GET /v1/attachments` | 200 `{"attachments": {device: access point}}`: the devices that are here |
| `GET /v1/health` | 200 `{"status": "ok", "router": name}` |

Outcomes: `here` and `elsewhere` as this router sees it, `repeated` and `outdated` where nothing changed. A body that is
none is answered with 422, unknown names with 404; then nothing has changed.

A device that is here gets a /32 and a /128 out of the access point's interface, from the next packet on; FRR sees them
in the kernel's table, and announces and withdraws them (`redistribute kernel`). With `address: per-anchor` an access
point's addresses are out of its interface from the start, and announced: an attach changes nothing there.
"""

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hosts.program import Context
from hosts.system.netlink import Address, RoutingTable
from hosts.web import serving
from meclab import routers
from meclab.errors import PeerError
from meclab.messages import RouterAttachment
from meclab.packets import ROUTER_PORT
from meclab.plan import Plan

log = logging.getLogger(__name__)
_BODY: TypeAdapter[RouterAttachment | list[RouterAttachment]] = TypeAdapter(RouterAttachment | list[RouterAttachment])


class UnknownName(PeerError):
    """A message names a device or access point that the plan does not have."""


class Table(Protocol):
    """What the program needs of `hosts.system.netlink.RoutingTable`."""

    def add(self, address: Address, interface: str) -> None: ...

    def remove(self, address: Address, interface: str) -> bool: ...


@dataclass(frozen=True)
class Outcome:
    """What an attachment led to."""

    device: str
    outcome: str


class Attachments:
    """The devices of a plan as one router knows them."""

    def __init__(self, plan: Plan, router: str, table: Table) -> None:
        self._devices = {device.name: device for device in plan.devices}
        self._aps = frozenset(ap.name for ap in plan.access_points)
        self._interfaces = routers.access_ports(plan, router)
        self._table = table
        self._sequences: dict[str, int] = {}
        self.here: dict[str, str] = {}
        """Device to access point of this router."""

    def change(self, attachments: list[RouterAttachment]) -> list[Outcome]:
        """Takes these in. Raises `UnknownName` before anything has changed, `OSError` from the kernel."""
        for attachment in attachments:
            _require(attachment.device, self._devices, "device")
            _require(attachment.ap, self._aps, "access point")
        return [Outcome(attachment.device, self._attach(attachment)) for attachment in attachments]

    def _attach(self, attachment: RouterAttachment) -> str:
        device, known = attachment.device, self._sequences.get(attachment.device)
        if known is not None and attachment.sequence <= known:
            return "repeated" if attachment.sequence == known else "outdated"
        interface = self._interfaces.get(attachment.ap)
        if not self._devices[device].anchored:
            self._route(self._devices[device].owned, interface)
        self._sequences[device] = attachment.sequence
        self.here.pop(device, None)
        if interface is None:
            return "elsewhere"
        self.here[device] = attachment.ap
        return "here"

    def _route(self, addresses: Iterable[Address], interface: str | None) -> None:
        """Has these out of one interface alone, or out of none."""
        for address in addresses:
            if interface is not None:
                self._table.add(address, interface)
            for other in self._interfaces.values():
                if other != interface:
                    self._table.remove(address, other)


def _require(name: str, valid: Collection[str], kind: str) -> None:
    if name not in valid:
        raise UnknownName(f"{kind} {name}; expected one of {', '.join(sorted(valid))}")


def application(attachments: Attachments, router: str) -> Starlette:
    """The interface as ASGI."""

    async def attach(request: Request) -> Response:
        body = _BODY.validate_json(await request.body())
        outcomes = attachments.change(body if isinstance(body, list) else [body])
        for outcome in outcomes:
            log.info("%s: %s", outcome.device, outcome.outcome)
        listed = [{"device": outcome.device, "outcome": outcome.outcome} for outcome in outcomes]
        return JSONResponse({"attachments": listed})

    async def attached(_: Request) -> Response:
        return JSONResponse({"attachments": attachments.here})

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "router": router})

    return Starlette(
        routes=[
            Route("/v1/attachments", attach, methods=["POST"]),
            Route("/v1/attachments", attached, methods=["GET"]),
            Route("/v1/health", health, methods=["GET"]),
        ],
        exception_handlers={ValidationError: _invalid, UnknownName: _unknown},
    )


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError), "registered for it"
    return JSONResponse({"error": serving.complaints(error)}, 422)


async def _unknown(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 404)


def main(context: Context) -> int:
    """Serves until SIGTERM."""
    attachments = Attachments(context.plan, context.node, RoutingTable())
    return serving.serve(application(attachments, context.node), serving.listen(ROUTER_PORT), context.ready)
