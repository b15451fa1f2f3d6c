"""What a system publishes: zones, platforms, resources, applications; and how much of it an agreement shows."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from meclab.federation.agreements import Agreement
from meclab.federation.parties import Identifier
from meclab.federation.partnership import ComputeResourceInfo, Flavour, ZoneDetails, ZoneRegisteredData
from meclab.messages import Body

Kind = Literal["zones", "platforms", "resources", "applications"]
_TEXT = Annotated[str, Field(min_length=1)]


class PublishedService(Body):
    """A service of a platform's registry, by the attributes of GS MEC 011 clause 8.1.2.2 that federation needs."""

    serName: _TEXT
    version: _TEXT
    consumedLocalOnly: bool = True
    """GS MEC 011's default: the service must not cross systems."""


class Platform(Body):
    """A MEC platform in a zone."""

    platformId: Identifier
    zoneId: Identifier
    endpoint: str | None = None
    """Where other platforms reach it (Mpp-fed)."""
    services: tuple[PublishedService, ...] = ()


class Resources(Body):
    """What a zone has to give to a partner."""

    zoneId: Identifier
    reserved: Annotated[tuple[ComputeResourceInfo, ...], Field(min_length=1)]
    quota: Annotated[tuple[ComputeResourceInfo, ...], Field(min_length=1)]
    flavours: Annotated[tuple[Flavour, ...], Field(min_length=1)]

    def registered(self) -> ZoneRegisteredData:
        """As GSMA's interface has it."""
        return ZoneRegisteredData(
            zoneId=self.zoneId,
            reservedComputeResources=self.reserved,
            computeResourceQuotaLimits=self.quota,
            flavoursSupported=self.flavours,
        )


class Application(Body):
    """An application that runs, or can be started, in zones."""

    appId: Identifier
    appProviderId: Identifier
    zones: tuple[Identifier, ...]


class Catalogue(Body):
    """All that a system publishes. A platform, resource or application is in zones of the same catalogue."""

    zones: tuple[ZoneDetails, ...] = ()
    platforms: tuple[Platform, ...] = ()
    resources: tuple[Resources, ...] = ()
    applications: tuple[Application, ...] = ()

    @model_validator(mode="after")
    def _in_zones(self) -> "Catalogue":
        known = {zone.zoneId for zone in self.zones}
        named = {platform.zoneId for platform in self.platforms} | {entry.zoneId for entry in self.resources}
        named |= {zone for application in self.applications for zone in application.zones}
        if unknown := sorted(named - known):
            raise ValueError(f"found zones {', '.join(unknown)}; expected one of {', '.join(sorted(known)) or 'none'}")
        return self

    def zone(self, name: str) -> ZoneDetails | None:
        return next((zone for zone in self.zones if zone.zoneId == name), None)

    def resources_of(self, zone: str) -> Resources | None:
        return next((entry for entry in self.resources if entry.zoneId == zone), None)


def offered_zones(catalogue: Catalogue, agreement: Agreement) -> tuple[ZoneDetails, ...]:
    """Zones that the agreement names and that there are."""
    return tuple(zone for zone in catalogue.zones if zone.zoneId in agreement.terms.zones)


def view(catalogue: Catalogue, agreement: Agreement, now_ns: int) -> Catalogue:
    """What an agreement shows of a catalogue at a time: the zones that it offers; of those that the originating
    operator has accepted platforms and resources too; services and applications only where the terms say so; never a
    service that is `consumedLocalOnly`. Raises `Denied` while it is not in force."""
    agreement.require(now_ns)
    accepted = set(agreement.zones)
    applications = [
        entry.model_copy(update={"zones": tuple(zone for zone in entry.zones if zone in accepted)})
        for entry in catalogue.applications
    ]
    return Catalogue(
        zones=offered_zones(catalogue, agreement),
        platforms=tuple(
            _shown(platform, agreement.terms.services)
            for platform in catalogue.platforms
            if platform.zoneId in accepted
        ),
        resources=tuple(entry for entry in catalogue.resources if entry.zoneId in accepted),
        applications=tuple(entry for entry in applications if agreement.terms.applications and entry.zones),
    )


def changed(before: Catalogue, after: Catalogue) -> list[Kind]:
    """Which parts differ."""
    kinds: list[Kind] = ["zones", "platforms", "resources", "applications"]
    return [kind for kind in kinds if getattr(before, kind) != getattr(after, kind)]


def _shown(platform: Platform, services: bool) -> Platform:
    shown = tuple(service for service in platform.services if services and not service.consumedLocalOnly)
    return platform.model_copy(update={"services": shown})


class CatalogueSubscription(Body):
    """Extension, `POST …/catalogue/subscriptions`."""

    callbackReference: str
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("zones", "platforms", "resources", "applications")


class CatalogueEvent(Body):
    """Extension: the parts of a catalogue that have changed, as far as the agreement shows them."""

    federationContextId: Identifier
    number: int
    """Counts the events of one federation; an older one than is known changes nothing."""
    catalogue: Catalogue
    changed: tuple[Kind, ...]
