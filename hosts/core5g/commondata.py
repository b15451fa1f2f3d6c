"""Bodies that the services of the 5G core share (TS 29.571), the part of them that the lab has."""

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from meclab.messages import Body

_LONGEST_PATTERN = 255


def exactly_one(*parts: object) -> bool:
    """Whether one of the parts of a body is there."""
    return sum(part is not None for part in parts) == 1


class StringMatchingCondition(Body):
    """TS 29.571 clause 5.2.4.37; letters' case does not count in names."""

    matchingString: Annotated[str, Field(max_length=_LONGEST_PATTERN)] | None = None
    matchingOperator: Literal[
        "FULL_MATCH",
        "MATCH_ALL",
        "STARTS_WITH",
        "NOT_START_WITH",
        "ENDS_WITH",
        "NOT_END_WITH",
        "CONTAINS",
        "NOT_CONTAIN",
    ]

    @model_validator(mode="after")
    def _complete(self) -> "StringMatchingCondition":
        if (self.matchingString is None) != (self.matchingOperator == "MATCH_ALL"):
            raise ValueError("a matchingString for every operator but MATCH_ALL")
        return self


class StringMatchingRule(Body):
    """Matches where every condition does."""

    stringMatchingConditions: Annotated[tuple[StringMatchingCondition, ...], Field(min_length=1)]


class FqdnPatternMatchingRule(Body):
    """A name's pattern: a regular expression found anywhere in the name, or conditions."""

    regex: Annotated[str, Field(max_length=_LONGEST_PATTERN)] | None = None
    stringMatchingRule: StringMatchingRule | None = None

    @field_validator("regex")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"a regular expression ({error})") from error
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> "FqdnPatternMatchingRule":
        if not exactly_one(self.regex, self.stringMatchingRule):
            raise ValueError("either regex or stringMatchingRule")
        return self


Patterns = Annotated[tuple[FqdnPatternMatchingRule, ...], Field(min_length=1)]


class IpAddr(Body):
    """TS 29.571 clause 5.2.4.19: one of the three."""

    ipv4Addr: IPv4Address | None = None
    ipv6Addr: IPv6Address | None = None
    ipv6Prefix: IPv6Network | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "IpAddr":
        if not exactly_one(self.ipv4Addr, self.ipv6Addr, self.ipv6Prefix):
            raise ValueError("one of ipv4Addr, ipv6Addr and ipv6Prefix")
        return self

    @property
    def address(self) -> IPv4Address | IPv6Address:
        """The address; a prefix's first one."""
        if self.ipv6Prefix is not None:
            return self.ipv6Prefix.network_address
        found = self.ipv4Addr or self.ipv6Addr
        assert found is not None, "validated"
        return found


def ip_addr(address: IPv4Address | IPv6Address) -> IpAddr:
    """An address as a body has it."""
    return IpAddr(ipv4Addr=address) if isinstance(address, IPv4Address) else IpAddr(ipv6Addr=address)


class Snssai(Body):
    """A slice (TS 29.571 clause 5.4.4.2)."""

    sst: Annotated[int, Field(ge=0, le=255)]
    sd: Annotated[str, Field(pattern="^[A-Fa-f0-9]{6}$")] | None = None


class PatchItem(Body):
    """One operation of a JSON patch (RFC 6902 section 4)."""

    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    path: Annotated[str, Field(pattern=r"^(/[^/]*)*$")]
    source: Annotated[str | None, Field(alias="from", pattern=r"^(/[^/]*)*$")] = None
    value: Any = None

    @model_validator(mode="after")
    def _complete(self) -> "PatchItem":
        if (self.op in ("move", "copy")) != (self.source is not None):
            raise ValueError("`from` with move and copy, and with these alone")
        if self.op in ("add", "replace", "test") and "value" not in self.model_fields_set:
            raise ValueError(f"a value for {self.op}")
        return self


class ReportItem(Body):
    """A part of a patch that had no effect, and why."""

    path: str
    reason: str


class PatchResult(Body):
    """What of a patch had no effect."""

    report: tuple[ReportItem, ...]
