"""Bodies of `Neasdf_DNSContext` (TS 29.556 clause 6.1.6), the part of them that the lab has; names are its own.

Baseline patterns, responses made by the EASDF itself and features are left out: unknown keys are refused.
"""

from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from hosts.core5g.commondata import IpAddr, Patterns, Snssai, exactly_one, ip_addr
from meclab.messages import Body

Network = IPv4Network | IPv6Network


class DnsQueryMdt(Body):
    """Template of queries: a name that one of the patterns matches, and the device that asks."""

    mdtId: str
    label: str | None = None
    sourceIpv4Addr: IPv4Address | None = None
    sourceIpv6Prefix: IPv6Network | None = None
    fqdnPatternList: Patterns | None = None


class Ipv4AddressRange(Body):
    """From `start` to `end`, both included."""

    start: IPv4Address
    end: IPv4Address

    @model_validator(mode="after")
    def _ordered(self) -> "Ipv4AddressRange":
        if self.start > self.end:
            raise ValueError(f"a range from {self.start} to {self.end}; expected the lower address first")
        return self


class Ipv6PrefixRange(Body):
    """From the first address of `start` to the last one of `end`."""

    start: IPv6Network
    end: IPv6Network

    @model_validator(mode="after")
    def _ordered(self) -> "Ipv6PrefixRange":
        if self.start.network_address > self.end.broadcast_address:
            raise ValueError(f"a range from {self.start} to {self.end}; expected the lower prefix first")
        return self


class DnsRspMdt(Body):
    """Template of responses: a name that one of the patterns matches and, where ranges are given, an address in one
    of them."""

    mdtId: str
    label: str | None = None
    fqdnPatternList: Patterns | None = None
    easIpv4AddrRanges: Annotated[tuple[Ipv4AddressRange, ...], Field(min_length=1)] | None = None
    easIpv6PrefixRanges: Annotated[tuple[Ipv6PrefixRange, ...], Field(min_length=1)] | None = None


class EcsOption(Body):
    """A client subnet (RFC 7871); bits of the address beyond the source prefix length are not sent."""

    sourcePrefixLength: Annotated[int, Field(ge=0, le=128)]
    scopePrefixLength: Annotated[int, Field(ge=0, le=128)] | None = None
    ipAddr: IpAddr

    @model_validator(mode="after")
    def _fits(self) -> "EcsOption":
        bits = self.ipAddr.address.max_prefixlen
        if self.sourcePrefixLength > bits:
            raise ValueError(f"sourcePrefixLength {self.sourcePrefixLength}; expected at most {bits}")
        return self

    @property
    def subnet(self) -> Network:
        """The subnet that it names."""
        kind = IPv4Network if self.ipAddr.address.version == 4 else IPv6Network
        return kind((self.ipAddr.address, self.sourcePrefixLength), strict=False)


def ecs_option(subnet: Network) -> EcsOption:
    """A subnet as a body has it."""
    return EcsOption(sourcePrefixLength=subnet.prefixlen, ipAddr=ip_addr(subnet.network_address))


class EcsOptionInfo(Body):
    """The subnet given outright."""

    ecsOption: EcsOption


class DnsServerAddressInfo(Body):
    """Name servers, asked in turn."""

    dnsServerAddressList: Annotated[tuple[IpAddr, ...], Field(min_length=1)]

    @field_validator("dnsServerAddressList")
    @classmethod
    def _addresses(cls, value: tuple[IpAddr, ...]) -> tuple[IpAddr, ...]:
        if any(server.ipv6Prefix for server in value):
            raise ValueError("addresses of servers, no prefixes")
        return value


class ForwardingParameters(Body):
    """How a query goes on: with which client subnet, to which servers."""

    ecsOptionInfo: EcsOptionInfo | None = None
    dnsServerAddressInfo: DnsServerAddressInfo | None = None


class Action(Body):
    """What to do with a message that matches."""

    applyAction: Literal["BUFFER", "REPORT", "FORWARD", "DISCARD"]
    fwdParas: ForwardingParameters | None = None
    reportingOnceInd: bool = False
    """Report the first match alone."""
    resetReportingOnceInd: bool = False
    """Report the next match again."""


class DnsRule(Body):
    """What happens to queries, or to responses, or to one message that is held back (`dnsMsgId`)."""

    dnsRuleId: str | None = None
    label: str | None = None
    precedence: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    """The lower, the earlier it is looked at; last where it is left out."""
    dnsQueryMdtList: Annotated[dict[str, DnsQueryMdt], Field(min_length=1)] | None = None
    dnsRspMdtList: Annotated[dict[str, DnsRspMdt], Field(min_length=1)] | None = None
    dnsMsgId: str | None = None
    actionList: Annotated[dict[str, Action], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_subject(self) -> "DnsRule":
        if not exactly_one(self.dnsQueryMdtList, self.dnsRspMdtList, self.dnsMsgId):
            raise ValueError("one of dnsQueryMdtList, dnsRspMdtList and dnsMsgId")
        if "DISCARD" in self.applied and len(self.applied) > 1 and self.applied != {"DISCARD", "REPORT"}:
            raise ValueError("DISCARD alone or with REPORT")
        if self.dnsMsgId is not None and not self.applied <= {"FORWARD", "DISCARD"}:
            raise ValueError("FORWARD or DISCARD for a message that is held back")
        return self

    @property
    def applied(self) -> set[str]:
        return {action.applyAction for action in self.actionList.values()}


class DnsContextCreateData(Body):
    """A device's DNS context: what the EASDF does with the DNS messages of a session."""

    ueIpv4Addr: IPv4Address | None = None
    ueIpv6Prefix: IPv6Network | None = None
    dnn: Annotated[str, Field(min_length=1)]
    sNssai: Snssai
    dnsRules: Annotated[dict[str, DnsRule], Field(min_length=1)]
    notifyUri: Annotated[str, Field(pattern=r"^http://[^/\s]+/\S*$")] | None = None
    """MODEL: plain HTTP."""

    @model_validator(mode="after")
    def _complete(self) -> "DnsContextCreateData":
        if self.ueIpv4Addr is None and self.ueIpv6Prefix is None:
            raise ValueError("ueIpv4Addr or ueIpv6Prefix")
        if self.notifyUri is None and any("REPORT" in rule.applied for rule in self.dnsRules.values()):
            raise ValueError("a notifyUri for rules that report")
        return self


class DnsContextCreatedData(Body):
    """Where the EASDF is asked."""

    easdfIpv4Addr: IPv4Address | None = None
    easdfIpv6Addr: IPv6Address | None = None


class DnsQueryReport(Body):
    """A query that matched."""

    fqdn: str | None = None


class DnsRspReport(Body):
    """A response that matched, with every address in it."""

    fqdn: str | None = None
    easIpv4Addresses: Annotated[tuple[IPv4Address, ...], Field(min_length=1)] | None = None
    easIpv6Addresses: Annotated[tuple[IPv6Address, ...], Field(min_length=1)] | None = None
    ecsOption: EcsOption | None = None
    """The client subnet that the query had."""


class DnsContextEventReport(Body):
    """One report; `dnsMsgId` where the message is held back."""

    timestamp: datetime
    dnsQueryReport: DnsQueryReport | None = None
    dnsRspReport: DnsRspReport | None = None
    dnsMsgId: str | None = None


class DnsContextNotification(Body):
    """What the EASDF tells a session function."""

    eventreportList: Annotated[tuple[DnsContextEventReport, ...], Field(min_length=1)]
