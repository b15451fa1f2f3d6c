"""Bodies of GSMA's East/West-bound interface (OPG.04): federation, zones, notifications. Names are GSMA's.

What a partner may see is in `meclab.federation.catalogue`, what becomes of an agreement in
`meclab.federation.agreements`.
"""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field

from meclab.federation.parties import Identifier
from meclab.messages import Body

PATH: Final = "/operatorplatform/federation/v1"
Status = Literal["FAILED", "TEMPORARY_FAILURE", "AVAILABLE", "LOCKED", "NOT_AVAILABLE"]
_INT32 = Annotated[int, Field(ge=-(2**31), lt=2**31)]


class MobileNetworkIds(Body):
    mcc: Annotated[str, Field(pattern="^[0-9]{3}$")] | None = None
    mncs: Annotated[tuple[Annotated[str, Field(pattern="^[0-9]{2,3}$")], ...], Field(min_length=1)] | None = None


FixedNetworkIds = Annotated[tuple[str, ...], Field(min_length=1)]


class CallbackCredentials(Body):
    """Taken and not used: callbacks are authorised as every other request, by certificate and bound token."""

    tokenUrl: str
    clientId: str
    clientSecret: str


class FederationRequestData(Body):
    """`POST /partner`."""

    origOPFederationId: Identifier
    origOPCountryCode: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None
    origOPMobileNetworkCodes: MobileNetworkIds | None = None
    origOPFixedNetworkCodes: FixedNetworkIds | None = None
    initialDate: AwareDatetime
    partnerStatusLink: str
    partnerCallbackCredentials: CallbackCredentials | None = None


class ServiceEndpoint(Body):
    port: Annotated[int, Field(ge=0)]
    fqdn: str | None = None
    ipv4Addresses: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    ipv6Addresses: Annotated[tuple[str, ...], Field(min_length=1)] | None = None


class ZoneDetails(Body):
    zoneId: Identifier
    geolocation: Annotated[str, Field(pattern=r"^[-+]?[0-9]{1,2}(\.[0-9]{1,4})?,\s*[-+]?[0-9]{1,3}(\.[0-9]{1,4})?$")]
    """Latitude and longitude in degrees."""
    geographyDetails: str


class ComputeResourceInfo(Body):
    cpuArchType: Literal["ISA_X86_64", "ISA_ARM_64"]
    numCPU: Annotated[str, Field(pattern=r"^[0-9]+((\.[0-9]{1,3})|(m))?$")]
    memory: Annotated[int, Field(ge=0)]
    """Mbytes."""
    diskStorage: int | None = None
    """Gbytes."""


class OSType(Body):
    architecture: Literal["x86_64", "x86"]
    distribution: Literal["RHEL", "UBUNTU", "COREOS", "FEDORA", "WINDOWS", "OTHER"]
    version: str
    license: str


class Flavour(Body):
    flavourId: str
    cpuArchType: Literal["ISA_X86", "ISA_X86_64", "ISA_ARM_64"]
    supportedOSTypes: Annotated[tuple[OSType, ...], Field(min_length=1)]
    numCPU: _INT32
    memorySize: _INT32
    """Mbytes."""
    storageSize: _INT32
    """Gbytes."""


class ZoneRegisteredData(Body):
    """A zone that a partner has accepted, with what is reserved there."""

    zoneId: Identifier
    reservedComputeResources: Annotated[tuple[ComputeResourceInfo, ...], Field(min_length=1)]
    computeResourceQuotaLimits: Annotated[tuple[ComputeResourceInfo, ...], Field(min_length=1)]
    flavoursSupported: Annotated[tuple[Flavour, ...], Field(min_length=1)]


class FederationResponseData(Body):
    """The answer to `POST /partner`."""

    partnerOPFederationId: Identifier
    partnerOPCountryCode: str | None = None
    federationContextId: Identifier
    edgeDiscoveryServiceEndPoint: ServiceEndpoint | None = None
    lcmServiceEndPoint: ServiceEndpoint | None = None
    offeredAvailabilityZones: Annotated[tuple[ZoneDetails, ...], Field(min_length=1)] | None = None
    platformCaps: tuple[Literal["homeRouting", "Anchoring"], ...]
    expiryDate: datetime | None = None
    """Extension: when it ends unless it is renewed."""


class FederationDetails(Body):
    """The answer to `GET …/partner` and `PATCH …/partner`."""

    edgeDiscoveryServiceEndPoint: ServiceEndpoint
    lcmServiceEndPoint: ServiceEndpoint
    allowedMobileNetworkIds: MobileNetworkIds | None = None
    allowedFixedNetworkIds: FixedNetworkIds | None = None
    offeredAvailabilityZones: Annotated[tuple[ZoneDetails, ...], Field(min_length=1)] | None = None
    federationStatus: Status
    """Extension, as is the next."""
    expiryDate: datetime


class FederationUpdate(Body):
    """`PATCH …/partner`: network codes of the originating operator."""

    objectType: Literal["MOBILE_NETWORK_CODES", "FIXED_NETWORK_CODES"]
    operationType: Literal["ADD_CODES", "REMOVE_CODES", "UPDATE_CODES"]
    addMobileNetworkIds: MobileNetworkIds | None = None
    removeMobileNetworkIds: MobileNetworkIds | None = None
    addFixedNetworkIds: FixedNetworkIds | None = None
    removeFixedNetworkIds: FixedNetworkIds | None = None
    modificationDate: AwareDatetime


class ZoneRegistrationRequestData(Body):
    """`POST …/zones`."""

    acceptedAvailabilityZones: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    availZoneNotifLink: str


class ZoneRegistrationResponseData(Body):
    acceptedZoneResourceInfo: Annotated[tuple[ZoneRegisteredData, ...], Field(min_length=1)]


class ZoneStatus(Body):
    zoneId: Identifier
    status: Status


class PartnerStatusEvent(Body):
    """To the originating operator's `partnerStatusLink`; objects and operations that the lab does not have are left
    out."""

    federationContextId: Identifier
    objectType: Literal["FEDERATION", "ZONES"]
    operationType: Literal["STATUS", "ADD", "REMOVE"]
    federationStatus: Status | None = None
    zoneStatus: tuple[ZoneStatus, ...] | None = None
    addZones: tuple[ZoneDetails, ...] | None = None
    removeZones: tuple[Identifier, ...] | None = None
    modificationDate: AwareDatetime
    expiryDate: AwareDatetime | None = None
    """Extension, with a STATUS of the FEDERATION; so is the next."""
    ended: bool = False
    """Not only out of force: there is nothing left of it."""


class ZoneUpdate(Body):
    availableCompResources: Annotated[tuple[ComputeResourceInfo, ...], Field(min_length=1)]


class ZoneResourceEvent(Body):
    """To `availZoneNotifLink`: what a zone has now."""

    federationContextId: Identifier
    zoneId: Identifier
    zoneResUpdInfo: tuple[ZoneUpdate, ...]


class StatusChange(Body):
    """Extension, `PUT …/status`: the originating operator suspends (LOCKED) or resumes its use."""

    federationStatus: Literal["LOCKED", "AVAILABLE"]
