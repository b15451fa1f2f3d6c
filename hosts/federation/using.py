"""The originating operator's side of agreements: forming them, and what is known of partners under them."""

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from hosts.federation import client
from hosts.federation.client import FAILURES
from hosts.federation.core import STATE_NS, Core
from hosts.federation.directory import Directory
from hosts.federation.offering import moment
from hosts.web.http1 import Response
from hosts.web.problems import Refusal
from meclab.federation.agreements import Agreement
from meclab.federation.catalogue import Catalogue, CatalogueEvent, CatalogueSubscription
from meclab.federation.denials import Denied
from meclab.federation.parties import Terms
from meclab.federation.partnership import (
    PATH,
    FederationRequestData,
    FederationResponseData,
    PartnerStatusEvent,
    StatusChange,
    ZoneRegistrationRequestData,
    ZoneRegistrationResponseData,
    ZoneResourceEvent,
)
from meclab.messages import Body
from meclab.model import SECOND

log = logging.getLogger(__name__)
STATUS_CALLBACK: Final = "/callbacks/status"
ZONE_CALLBACK: Final = "/callbacks/zones"
CATALOGUE_CALLBACK: Final = "/callbacks/catalogue"


@dataclass
class Learned:
    """What a partner has shown."""

    catalogue: Catalogue = field(default_factory=Catalogue)
    number: int = 0
    zone_events: int = 0


class Using:
    """Agreements under which this federator uses what others offer."""

    def __init__(self, core: Core, directory: Directory) -> None:
        self._core = core
        self._directory = directory
        self._learned: dict[str, Learned] = {}

    async def form(self, partner: str) -> Agreement:
        """A directed federation with a partner: accepted, its zones subscribed, its catalogue known. Raises `Denied`
        and, where the partner refuses or does not answer, `Refusal`."""
        known = self._core.agreements.used_from(partner)
        if known is not None:
            raise Denied("duplicate", "FEDERATION_EXISTS", "there is a federation in this direction")
        now_ns = self._core.clock()
        link = f"{self._core.settings.url}{STATUS_CALLBACK}"
        request = FederationRequestData(
            origOPFederationId=self._core.settings.name,
            origOPCountryCode=self._core.settings.country,
            initialDate=moment(now_ns),
            partnerStatusLink=link,
        )
        response = await self._ask(partner, "POST", f"{PATH}/partner", request)
        context, zones, expires_ns = _accepted(partner, response, now_ns)
        if response.status == 409:
            zones = await self._offered(partner, context)
        made = Agreement(context, self._core.settings.name, partner, Terms(zones=zones), expires_ns, link)
        self._core.agreements.use(made)
        self._learned[partner] = Learned()
        if zones:
            await self._subscribe_zones(made, zones)
        if self._core.members.get(partner).role == "manager":
            await self._subscribe_catalogue(made)
        self._directory.join(partner)
        return made

    async def refresh(self, made: Agreement) -> None:
        """Asks for the catalogue anew. Raises as `form`."""
        response = await self._ask(made.partner, "GET", f"{PATH}/{made.context}/catalogue", None)
        if response.status != 200:
            raise _refusal(made.partner, response)
        self._learned.setdefault(made.partner, Learned()).catalogue = Catalogue.model_validate_json(response.body)

    async def renew(self, made: Agreement) -> None:
        """Another term. Raises as `form`."""
        response = await self._ask(made.partner, "POST", f"{PATH}/{made.context}/renewal", None)
        if response.status != 200:
            raise _refusal(made.partner, response)
        made.expires_ns = _expiry(client.read(response), self._core.clock())

    async def suspend(self, made: Agreement, locked: bool) -> None:
        """Suspends or resumes on both sides. Raises as `form`."""
        change = StatusChange(federationStatus="LOCKED" if locked else "AVAILABLE")
        response = await self._ask(made.partner, "PUT", f"{PATH}/{made.context}/status", change)
        if response.status != 200:
            raise _refusal(made.partner, response)
        own = self._core.settings.name
        (made.locked_by.add if locked else made.locked_by.discard)(own)
        if locked:
            self._learned.pop(made.partner, None)
        elif made.status(self._core.clock()) == "AVAILABLE" and self._is_manager(made.partner):
            await self.refresh(made)

    def end(self, made: Agreement) -> None:
        """Ends it here at once, and there as soon as the partner can be reached."""
        self._core.tell(made.partner, "DELETE", f"{PATH}/{made.context}/partner", None, "end", STATE_NS)
        self.forget(made.partner)

    def forget(self, partner: str) -> None:
        """Drops the agreement and all that was known under it."""
        self._learned.pop(partner, None)
        if (made := self._core.agreements.used_from(partner)) is not None:
            self._core.agreements.end(made)

    def catalogue(self, partner: str) -> Catalogue:
        """What a partner shows, while the agreement is in force. Raises `Denied`."""
        made = self._core.agreements.used_from(partner)
        if made is None:
            raise Denied("forbidden", "NO_AGREEMENT", "no federation agreement allows this")
        made.require(self._core.clock())
        return self._learned.setdefault(partner, Learned()).catalogue

    # Callbacks.

    async def status_changed(self, partner: str, event: PartnerStatusEvent) -> None:
        """The partner has suspended, resumed or ended it. Raises `Denied`."""
        made = self._of(partner, event.federationContextId)
        if event.ended:
            self.forget(partner)
            return
        if event.objectType != "FEDERATION":
            return
        if event.expiryDate is not None:
            made.expires_ns = int(event.expiryDate.timestamp() * SECOND)
        (made.locked_by.add if event.federationStatus == "LOCKED" else made.locked_by.discard)(partner)
        if event.federationStatus == "LOCKED":
            self._learned.pop(partner, None)
        elif made.status(self._core.clock()) == "AVAILABLE" and self._is_manager(partner):
            await self.refresh(made)

    def catalogue_changed(self, partner: str, event: CatalogueEvent) -> None:
        """Raises `Denied`."""
        made = self._of(partner, event.federationContextId)
        made.require(self._core.clock())
        known = self._learned.setdefault(partner, Learned())
        if event.number > known.number:
            known.number, known.catalogue = event.number, event.catalogue

    def zone_changed(self, partner: str, event: ZoneResourceEvent) -> None:
        """What a zone has now. Raises `Denied`."""
        made = self._of(partner, event.federationContextId)
        made.require(self._core.clock())
        known = self._learned.setdefault(partner, Learned())
        known.zone_events += 1
        resources = tuple(
            entry.model_copy(update={"reserved": event.zoneResUpdInfo[-1].availableCompResources})
            if entry.zoneId == event.zoneId and event.zoneResUpdInfo
            else entry
            for entry in known.catalogue.resources
        )
        known.catalogue = known.catalogue.model_copy(update={"resources": resources})

    def _of(self, partner: str, context: str) -> Agreement:
        made = self._core.agreements.used_from(partner)
        if made is None or made.context != context:
            raise Denied("unknown", "UNKNOWN_FEDERATION", "no such federation")
        return made

    async def _offered(self, partner: str, context: str) -> tuple[str, ...]:
        """The zones of a federation whose first answer was lost."""
        response = await self._ask(partner, "GET", f"{PATH}/{context}/partner", None)
        if response.status != 200:
            raise _refusal(partner, response)
        return tuple(str(zone["zoneId"]) for zone in client.read(response).get("offeredAvailabilityZones", ()))

    async def _subscribe_zones(self, made: Agreement, zones: tuple[str, ...]) -> None:
        link = f"{self._core.settings.url}{ZONE_CALLBACK}"
        request = ZoneRegistrationRequestData(acceptedAvailabilityZones=zones, availZoneNotifLink=link)
        response = await self._ask(made.partner, "POST", f"{PATH}/{made.context}/zones", request)
        if response.status == 409:
            return
        if response.status != 200:
            raise _refusal(made.partner, response)
        answer = ZoneRegistrationResponseData.model_validate_json(response.body)
        made.zones = dict.fromkeys((entry.zoneId for entry in answer.acceptedZoneResourceInfo), link)

    async def _subscribe_catalogue(self, made: Agreement) -> None:
        request = CatalogueSubscription(callbackReference=f"{self._core.settings.url}{CATALOGUE_CALLBACK}")
        target = f"{PATH}/{made.context}/catalogue/subscriptions"
        response = await self._ask(made.partner, "POST", target, request)
        if response.status != 201:
            raise _refusal(made.partner, response)
        await self.refresh(made)

    def _is_manager(self, name: str) -> bool:
        return self._core.members.get(name).role == "manager"

    async def _ask(self, partner: str, method: str, target: str, content: Body | None) -> Response:
        """Raises `Refusal` 504 where the partner does not answer."""
        try:
            return await self._core.peer(partner).call(method, target, content)
        except FAILURES as error:
            raise Refusal(504, f"{partner} does not answer: {type(error).__name__}: {error}") from error


def _accepted(partner: str, response: Response, now_ns: int) -> tuple[str, tuple[str, ...], int]:
    """Context, zones and expiry in the answer to `POST /partner`, or in that to its repetition. Raises `Refusal`."""
    if response.status == 409:
        said = client.read(response)
        if "federationContextId" in said:
            return str(said["federationContextId"]), (), _expiry(said, now_ns)
    if response.status != 200:
        raise _refusal(partner, response)
    try:
        answer = FederationResponseData.model_validate_json(response.body)
    except ValidationError as error:
        raise Refusal(502, f"{partner} answers what is none: {error}") from error
    zones = tuple(zone.zoneId for zone in answer.offeredAvailabilityZones or ())
    return answer.federationContextId, zones, _expiry(client.read(response), now_ns)


def _expiry(said: dict[str, Any], now_ns: int) -> int:
    """When a federation ends: as the partner says or, where it says nothing, by the lab's own term."""
    stated = said.get("expiryDate")
    return now_ns + Terms().lasts_ns if stated is None else int(datetime.fromisoformat(stated).timestamp() * SECOND)


def _refusal(partner: str, response: Response) -> Refusal:
    """A partner's refusal, passed on: 422 for its own rules, 502 for what should not happen."""
    try:
        said = client.read(response)
        cause, detail = str(said.get("cause", "")), str(said.get("detail", ""))
    except (*FAILURES, AttributeError):
        cause, detail = "", ""
    status = response.status if response.status in (403, 404, 409, 422) else 502
    return Refusal(status, f"{partner} refuses with {response.status}: {detail}", more={"cause": cause})
