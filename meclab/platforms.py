"""What MEC platforms are configured with: DNS rules and traffic rules, from the orchestrator over the platform manager.

Names in camel case are those of GS MEC 011 clause 7.1 and GS MEC 010-2 clause 6.2; a null is an attribute left out.
"""

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field

from meclab.messages import Body, DnsRule
from meclab.model import Name

_UINT = Annotated[int, Field(ge=0, lt=2**63)]
PLATFORM_PATH = "/mm5/v1/configurations"
"""Where a platform takes `Configurations`. The reference point between it and its manager (Mm5) is not specified by
ETSI: the interface is the lab's own."""
REGISTRATION_PATH = "/mm5/v1/platforms"
"""Where the platform manager takes a `Registration`."""
_PREFIX = "app-"
RuleState = Literal["ACTIVE", "INACTIVE"]


def app_instance(host: str) -> str:
    """The `appInstanceId` of the application on a host: one instance on every MEC host."""
    return _PREFIX + host


class TrafficFilter(Body):
    """Which packets a traffic rule is for (GS MEC 011 clause 7.1.5.2); the lab acts on addresses alone."""

    srcAddress: tuple[str, ...] | None = None
    dstAddress: tuple[str, ...] | None = None
    srcPort: tuple[str, ...] | None = None
    dstPort: tuple[str, ...] | None = None
    protocol: tuple[str, ...] | None = None
    tag: tuple[str, ...] | None = None
    uri: tuple[str, ...] | None = None
    packetLabel: tuple[str, ...] | None = None
    srcTunnelAddress: tuple[str, ...] | None = None
    tgtTunnelAddress: tuple[str, ...] | None = None
    srcTunnelPort: tuple[str, ...] | None = None
    dstTunnelPort: tuple[str, ...] | None = None
    qCI: int | None = None
    dSCP: int | None = None
    tC: int | None = None


class TunnelInfo(Body):
    """GS MEC 011 clause 7.1.5.4."""

    tunnelType: str
    tunnelDstAddress: str | None = None
    tunnelSrcAddress: str | None = None
    tunnelSpecificData: dict[str, Any] | None = None


class DestinationInterface(Body):
    """Where a traffic rule sends packets (GS MEC 011 clause 7.1.5.3). MEC 010-2 spells the addresses' names
    otherwise, which is taken too."""

    interfaceType: str
    tunnelInfo: TunnelInfo | None = None
    srcMacAddress: str | None = Field(None, validation_alias=AliasChoices("srcMacAddress", "srcMACAddress"))
    dstMacAddress: str | None = Field(None, validation_alias=AliasChoices("dstMacAddress", "dstMACAddress"))
    dstIpAddress: str | None = Field(None, validation_alias=AliasChoices("dstIpAddress", "dstIPAddress"))


class TrafficRule(Body):
    """A traffic rule (GS MEC 011 clause 7.1.2.2)."""

    trafficRuleId: str
    filterType: Literal["FLOW", "PACKET"]
    priority: Annotated[int, Field(ge=0, le=255)]
    """0 is the highest."""
    trafficFilter: Annotated[tuple[TrafficFilter, ...], Field(min_length=1)]
    action: Literal[
        "DROP",
        "FORWARD_DECAPSULATED",
        "FORWARD_ENCAPSULATED",
        "PASSTHROUGH",
        "DUPLICATE_DECAPSULATED",
        "DUPLICATE_ENCAPSULATED",
    ]
    dstInterface: DestinationInterface | None = None
    state: RuleState = "ACTIVE"
    """Left out by GS MEC 010-2 clause 6.2.1.9."""


class PlatformConfiguration(Body):
    """Into the platform manager, for one application instance: `POST …/configure_platform_for_app` (GS MEC 010-2
    clause 6.2.2.21)."""

    update: _UINT
    """Extension: counts the orchestrator's updates. A rule gives way to one of a greater update alone."""
    appDNSRule: tuple[DnsRule, ...] = ()
    """Change together, in one step."""
    appTrafficRule: tuple[TrafficRule, ...] = ()


class InstanceConfiguration(PlatformConfiguration):
    """From the platform manager to a platform."""

    instance: str


class Configurations(Body):
    """Into a platform, in order."""

    configurations: tuple[InstanceConfiguration, ...]


class Registration(Body):
    """From a platform to its manager: it has started."""

    host: Name
    start: str
    """Tells one start of its process from another."""


class Registered(Body):
    """The answer, when the platform has been told again what it was configured with before, by `PLATFORM_PATH`."""

    again: bool
    """Whether the manager has known this host's platform before, by another start."""
