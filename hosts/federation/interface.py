"""A federator's whole interface as ASGI, and a federator as a process."""

import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.types import ASGIApp

from hosts.federation import callbacks_api, operator_api, partner_api, systems_api, tokens_api
from hosts.federation.audit import Audit, Clock
from hosts.federation.client import PeerClient
from hosts.federation.core import Means, Peer
from hosts.federation.federator import Federator
from hosts.federation.identity import Identity
from hosts.web import problems, serving
from hosts.web.serving import Site
from meclab.federation.parties import Party, Settings, address_of

_SECRET_BYTES = 32


def application(federator: Federator) -> ASGIApp:
    """The interface, behind the gate."""
    core = federator.core
    routes = [
        *tokens_api.routes(core),
        *systems_api.routes(core, federator.directory),
        *partner_api.routes(core, federator.offering),
        *operator_api.routes(federator),
    ]
    if not core.is_broker:
        routes += callbacks_api.routes(core, federator.directory, federator.using)
    return core.gate.around(Starlette(routes=routes, exception_handlers=problems.HANDLERS))


@dataclass(frozen=True)
class Place:
    """Where a federator runs, and with what."""

    identity: Identity
    folder: Path
    """For `NAME-audit.jsonl`."""
    seed: int | None = None
    """Of identifiers and jitter; the system's random source where it is left out."""
    clock: Clock = time.time_ns


def run(settings: Settings, place: Place, ready: Callable[[], None]) -> int:
    """Serves until SIGTERM, on the address and port in the settings' URL; the exit status. Raises `OSError`."""
    source = random.SystemRandom() if place.seed is None else random.Random(f"{settings.name} {place.seed}")

    def reach(party: Party) -> Peer:
        return PeerClient(place.identity, party, place.clock, source, settings.timeout_ns)

    audit = Audit(place.clock, place.folder / f"{settings.name}-audit.jsonl")
    federator = Federator(settings, Means(place.clock, source, secrets.token_bytes(_SECRET_BYTES), reach, audit))

    def refused(reason: str) -> None:
        audit.write("HANDSHAKE_REFUSED", reason)

    address, port = address_of(settings.url)
    site = Site(application(federator), serving.listen(port, [address]), place.identity.server_context(refused))
    task = federator.assuring.run if federator.core.is_broker else federator.follow_revocations
    return serving.serve_all([site], ready, [task])
