"""The partner's side of agreements (GSMA OPG.04): what this federator offers, to whom, and how far each sees it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count

from hosts.federation.core import NOTICE_NS, STATE_NS, Core
from hosts.federation.gate import Caller, Known
from meclab.federation import agreements, catalogue
from meclab.federation.agreements import Agreement
from meclab.federation.catalogue import Catalogue, CatalogueEvent, CatalogueSubscription
from meclab.federation.denials import Denied
from meclab.federation.parties import address_of
from meclab.federation.partnership import (
    FederationDetails,
    FederationRequestData,
    FederationResponseData,
    FederationUpdate,
    PartnerStatusEvent,
    ServiceEndpoint,
    ZoneRegisteredData,
    ZoneRegistrationRequestData,
    ZoneResourceEvent,
    ZoneUpdate,
)
from meclab.model import SECOND

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Watch:
    """Who hears of changes of the catalogue, under which agreement."""

    identifier: str
    context: str
    target: str
    kinds: tuple[catalogue.Kind, ...]


class Offering:
    """Agreements under which others use what this federator offers."""

    def __init__(self, core: Core, began: Callable[[str], None], ended: Callable[[str], None]) -> None:
        """`began` and `ended` hear of every partner with whom an agreement is made, and is no more."""
        self.catalogue = Catalogue()
        self._core = core
        self._began = began
        self._ended = ended
        self._watches: dict[str, Watch] = {}
        self._numbers = count(1)

    def accept(self, caller: Caller, stated: FederationRequestData) -> FederationResponseData:
        """A new directed federation. Raises `Denied`; a repetition is told the context that there is."""
        settings = self._core.settings
        self._core.callback(caller.name, stated.partnerStatusLink)
        terms = settings.terms.get(caller.name)
        try:
            made = self._core.agreements.offer(
                caller.name,
                stated.origOPFederationId,
                terms,
                stated.partnerStatusLink,
                self._core.clock(),
                self._core.identifier(),
            )
        except Denied as denial:
            existing = self._core.agreements.offered_to(caller.name)
            if denial.kind == "duplicate" and existing is not None:
                more: dict[str, object] = {
                    "federationContextId": existing.context,
                    "expiryDate": moment(existing.expires_ns).isoformat(),
                }
                raise Known(denial, more) from denial
            raise
        made.mobile_networks, made.fixed_networks = stated.origOPMobileNetworkCodes, stated.origOPFixedNetworkCodes
        self._began(caller.name)
        return FederationResponseData(
            partnerOPFederationId=settings.name,
            partnerOPCountryCode=settings.country,
            federationContextId=made.context,
            edgeDiscoveryServiceEndPoint=self._endpoint(),
            lcmServiceEndPoint=self._endpoint(),
            offeredAvailabilityZones=catalogue.offered_zones(self.catalogue, made) or None,
            platformCaps=("homeRouting", "Anchoring"),
            expiryDate=moment(made.expires_ns),
        )

    def details(self, caller: Caller, context: str) -> FederationDetails:
        """What there is of an agreement; while it is not in force, without its zones. Raises `Denied`."""
        found = self._core.agreements.find(context, caller.name)
        status = found.status(self._core.clock())
        zones = catalogue.offered_zones(self.catalogue, found) if status == "AVAILABLE" else ()
        return FederationDetails(
            edgeDiscoveryServiceEndPoint=self._endpoint(),
            lcmServiceEndPoint=self._endpoint(),
            allowedMobileNetworkIds=found.mobile_networks,
            allowedFixedNetworkIds=found.fixed_networks,
            offeredAvailabilityZones=zones or None,
            federationStatus=status,
            expiryDate=moment(found.expires_ns),
        )

    def update(self, caller: Caller, context: str, stated: FederationUpdate) -> FederationDetails:
        """Changes the originating operator's network codes. Raises `Denied`."""
        found = self._require(caller, context)
        agreements.change_networks(found, stated)
        return self.details(caller, context)

    def end(self, caller: Caller, context: str) -> None:
        """The originating operator ends it. Raises `Denied`."""
        self._forget(self._core.agreements.find(context, caller.name))

    def renew(self, caller: Caller, context: str) -> FederationDetails:
        """Another term (extension), if terms are still offered. Raises `Denied`."""
        found = self._core.agreements.find(context, caller.name)
        if found.locked_by:
            raise Denied("forbidden", "FEDERATION_LOCKED", "the federation is suspended")
        if (terms := self._core.settings.terms.get(caller.name)) is None:
            raise Denied("forbidden", "NOT_ELIGIBLE", "no federation is offered to this operator")
        found.terms = terms
        found.renew(self._core.clock())
        return self.details(caller, context)

    def set_status(self, caller: Caller, context: str, locked: bool) -> FederationDetails:
        """The originating operator suspends or resumes (extension). Raises `Denied`."""
        found = self._core.agreements.find(context, caller.name)
        (found.locked_by.add if locked else found.locked_by.discard)(caller.name)
        return self.details(caller, context)

    # Zones.

    def accept_zones(
        self, caller: Caller, context: str, stated: ZoneRegistrationRequestData
    ) -> tuple[ZoneRegisteredData, ...]:
        """The originating operator will use these. Raises `Denied` and takes none."""
        found = self._require(caller, context)
        target = self._core.callback(caller.name, stated.availZoneNotifLink)
        zones = tuple(dict.fromkeys(stated.acceptedAvailabilityZones))
        if hidden := [zone for zone in zones if self.catalogue.resources_of(zone) is None]:
            raise Denied("forbidden", "ZONE_NOT_OFFERED", f"the agreement does not offer {', '.join(sorted(hidden))}")
        agreements.accept_zones(found, zones, target)
        return tuple(self._registered(zone) for zone in zones)

    def zone(self, caller: Caller, context: str, zone: str) -> ZoneRegisteredData:
        """What is reserved in an accepted zone. Raises `Denied`."""
        agreements.accepted_zone(self._require(caller, context), zone)
        return self._registered(zone)

    def leave_zone(self, caller: Caller, context: str, zone: str) -> None:
        """Raises `Denied`."""
        found = self._core.agreements.find(context, caller.name)
        agreements.accepted_zone(found, zone)
        del found.zones[zone]

    # Catalogue (extension).

    def view(self, caller: Caller, context: str) -> Catalogue:
        """What the originating operator may see now. Raises `Denied`."""
        found = self._core.agreements.find(context, caller.name)
        return catalogue.view(self.catalogue, found, self._core.clock())

    def watch(self, caller: Caller, context: str, stated: CatalogueSubscription) -> Watch:
        """The originating operator hears of changes. The same again is answered with what there is. Raises
        `Denied`."""
        self._require(caller, context)
        target = self._core.callback(caller.name, stated.callbackReference)
        for known in self._watches.values():
            if (known.context, known.target, known.kinds) == (context, target, stated.kinds):
                return known
        made = Watch(self._core.identifier(), context, target, stated.kinds)
        self._watches[made.identifier] = made
        return made

    def unwatch(self, caller: Caller, context: str, identifier: str) -> None:
        """Raises `Denied`."""
        self._core.agreements.find(context, caller.name)
        known = self._watches.get(identifier)
        if known is None or known.context != context:
            raise Denied("unknown", "UNKNOWN_SUBSCRIPTION", "no such subscription")
        del self._watches[identifier]

    # What the own operator does.

    def publish(self, stated: Catalogue) -> list[catalogue.Kind]:
        """A new catalogue in place of the old one; partners hear of what they may see and has changed."""
        before, self.catalogue = self.catalogue, stated
        for found in self._core.agreements.listed():
            if found.partner == self._core.settings.name and found.status(self._core.clock()) == "AVAILABLE":
                self._tell_change(found, before)
        return catalogue.changed(before, stated)

    def suspend(self, found: Agreement, locked: bool) -> None:
        """This side suspends or resumes; the other hears of it."""
        own = self._core.settings.name
        (found.locked_by.add if locked else found.locked_by.discard)(own)
        self._tell_status(found)

    def terminate(self, found: Agreement) -> None:
        """This side ends it; the other hears of it."""
        self._tell_status(found, ended=True)
        self._forget(found)

    def forget_party(self, name: str) -> None:
        """A revoked party's agreement ends, and nobody tells it anything any more."""
        if (found := self._core.agreements.offered_to(name)) is not None:
            self._forget(found)

    def _tell_change(self, found: Agreement, before: Catalogue) -> None:
        now_ns = self._core.clock()
        old, new = catalogue.view(before, found, now_ns), catalogue.view(self.catalogue, found, now_ns)
        changed = catalogue.changed(old, new)
        for known in self._watches.values():
            kinds = tuple(kind for kind in changed if kind in known.kinds)
            if known.context == found.context and kinds:
                event = CatalogueEvent(
                    federationContextId=found.context, number=next(self._numbers), catalogue=new, changed=kinds
                )
                key = f"catalogue {known.identifier}"
                self._core.tell(found.originating, "POST", known.target, event, key, STATE_NS)
        for zone, target in found.zones.items():
            entry = self.catalogue.resources_of(zone)
            if entry is not None and entry != before.resources_of(zone):
                update = ZoneUpdate(availableCompResources=entry.reserved)
                told = ZoneResourceEvent(federationContextId=found.context, zoneId=zone, zoneResUpdInfo=(update,))
                self._core.tell(found.originating, "POST", target, told, f"zone {found.context} {zone}", NOTICE_NS)

    def _tell_status(self, found: Agreement, ended: bool = False) -> None:
        now_ns = self._core.clock()
        event = PartnerStatusEvent(
            federationContextId=found.context,
            objectType="FEDERATION",
            operationType="STATUS",
            federationStatus="NOT_AVAILABLE" if ended else found.status(now_ns),
            modificationDate=moment(now_ns),
            expiryDate=moment(found.expires_ns),
            ended=ended,
        )
        target = self._core.callback(found.originating, found.status_link)
        self._core.tell(found.originating, "POST", target, event, f"status {found.context}", STATE_NS)

    def _forget(self, found: Agreement) -> None:
        self._core.agreements.end(found)
        self._watches = {key: known for key, known in self._watches.items() if known.context != found.context}
        self._ended(found.originating)

    def _require(self, caller: Caller, context: str) -> Agreement:
        """An agreement of the caller's that is in force. Raises `Denied`."""
        found = self._core.agreements.find(context, caller.name)
        found.require(self._core.clock())
        return found

    def _registered(self, zone: str) -> ZoneRegisteredData:
        entry = self.catalogue.resources_of(zone)
        if entry is None:
            raise Denied("unknown", "UNKNOWN_ZONE", "no such zone in this federation")
        return entry.registered()

    def _endpoint(self) -> ServiceEndpoint:
        host, port = address_of(self._core.settings.url)
        if ":" in host:
            return ServiceEndpoint(port=port, ipv6Addresses=(host,))
        if host.replace(".", "").isdigit():
            return ServiceEndpoint(port=port, ipv4Addresses=(host,))
        return ServiceEndpoint(port=port, fqdn=host)


def moment(at_ns: int) -> datetime:
    """A time as interfaces have it."""
    return datetime.fromtimestamp(at_ns / SECOND, UTC)
