"""What the methods can be set to: names and caches, the device's stub, redirects, notifications, routing."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from meclab.model import MILLISECOND, SECOND, Model
from meclab.quantity import Duration, Fraction


class Dns(Model):
    """The application's name and how it is served (RFC 1034, RFC 7871)."""

    zone: Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+$")] = "edge.example."
    """Zone of the application and of every host's own name."""
    ttl: Duration = 10 * SECOND
    """Of the application's addresses; whole seconds. 0: not to be cached."""
    host_ttl: Duration = 3600 * SECOND
    """Of every other record; whole seconds."""
    ecs_source: Literal["location", "host", "address"] = "location"
    """What the client subnet says: the access point's prefix (a forwarder on the access side puts it in), the
    device itself (/32, /128: identity), or the device's own prefix."""
    ecs_prefix_ipv4: Annotated[int, Field(ge=0, le=32)] = 24
    """Source prefix length of `location` and `address`; `host` takes 32."""
    ecs_prefix_ipv6: Annotated[int, Field(ge=0, le=128)] = 56
    max_subnets: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Subnets that the recursive resolver keeps for one name and family (Unbound's `max-ecs-tree-size-ipv4`)."""
    serve_stale: bool = False
    """Whether the recursive resolver answers from expired entries while the authoritative is down (RFC 8767); not
    together with client subnets."""

    @field_validator("ttl", "host_ttl")
    @classmethod
    def _whole_seconds(cls, value: int) -> int:
        if value % SECOND or value > 2**31 * SECOND:
            raise ValueError("whole seconds, such as 10s")
        return value

    @property
    def name(self) -> str:
        """The application's name, with its final dot."""
        return f"app.{self.zone}"


class Stub(Model):
    """The device's resolver."""

    timeout: Duration = 5 * SECOND
    """Wait for an answer before the next try, as glibc has it (resolv.conf(5))."""
    tries: Annotated[int, Field(ge=1, le=10)] = 2
    flush_on_resolver_change: bool = False
    """Whether cached answers are dropped when the network hands the device another resolver."""
    stretch_share: Fraction = 0.0
    """Share of the devices that keep answers for `stretch_to` where their TTL is shorter."""
    stretch_to: Duration = 60 * SECOND


class Easdf(Model):
    """3GPP's EASDF and session function (TS 23.548 clause 6.2.3)."""

    rediscovery: Literal["all", "addresses", "name", "none"] = "name"
    """Which answers the device is told to drop when its host changes: all, those with an address of the old host's,
    those of the application's name; `none` tells it nothing."""
    buffer_timeout: Duration = SECOND
    """Longest time that a response is held back for the session function."""


class Http(Model):
    """Redirects (RFC 9110 section 15.4.8) and the session's transport."""

    location: Literal["address", "name"] = "address"
    """What a redirect names the serving host by: its literal address, or its own name, which adds a lookup."""
    tls: bool = False
    """Whether the session runs over TLS, with certificates of the lab's own authority."""
    most_redirects: Annotated[int, Field(ge=1, le=50)] = 5
    """Redirects in a row that the client follows before it takes them for a loop."""


class Devapp(Model):
    """The device application interface (ETSI GS MEC 016)."""

    callback_timeout: Duration = 500 * MILLISECOND
    """Wait for the answer to a notification before it is sent again."""
    callback_tries: Annotated[int, Field(ge=1, le=100)] = 8


class P4(Model):
    """Switches that run a P4 program (`dataplane: p4`)."""

    target: Literal["ebpf", "bmv2"] = "ebpf"
    """What runs it: the lab's own switch, or BMv2's `simple_switch_grpc` where it is installed."""
    program: Annotated[str, Field(min_length=1)] | None = None
    """A program in place of the lab's own, with tables of the same names; seen from the scenario's file."""


class Bgp(Model):
    """Routed anycast (RFC 4271, RFC 5880); the timers are named in the results."""

    advertisement_interval: Duration = 0
    """MinRouteAdvertisementInterval; whole seconds."""
    hold_time: Duration = 9 * SECOND
    keepalive: Duration = 3 * SECOND
    bfd_interval: Annotated[Duration, Field(ge=10 * MILLISECOND)] = 100 * MILLISECOND
    bfd_multiplier: Annotated[int, Field(ge=2, le=255)] = 3

    @field_validator("advertisement_interval", "hold_time", "keepalive")
    @classmethod
    def _whole_seconds(cls, value: int) -> int:
        if value % SECOND:
            raise ValueError("whole seconds, such as 3s")
        return value
