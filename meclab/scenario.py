"""The user's scenario file as models: what a file may say, with defaults and units.

The models hold what can be said about one key alone; `meclab.check` holds what needs the whole file
(names that must exist, addresses that must not overlap).
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from meclab.methods import Method, MethodField
from meclab.model import MILLISECOND, SECOND, Family, Model, Name
from meclab.quantity import Duration, Fraction, Rate, Size
from meclab.settings import P4, Bgp, Devapp, Dns, Easdf, Http, Stub

LinkClass = Literal["access", "local", "backhaul", "internet", "services", "control", "operations", "management"]
LinkKind = Literal["auto", "netem", "wire"]
Dataplane = Literal["openflow", "p4"]


class LinkShape(Model):
    """Impairment of one direction of a link; both directions have the same."""

    delay: Duration = 0
    """One way."""
    jitter: Duration = 0
    """Half the width of a uniform spread around `delay`; order is kept unless `reorder`."""
    loss: Fraction = 0.0
    """Share of frames dropped, independently."""
    rate: Rate | None = None
    """No limit where it is left out."""
    queue: Size = 1_000_000
    """Bytes that may wait for the configured rate before frames are dropped at the tail."""
    reorder: bool = False


DEFAULT_LINKS: dict[LinkClass, LinkShape] = {
    "access": LinkShape(delay=MILLISECOND),
    "local": LinkShape(delay=MILLISECOND // 2),
    "backhaul": LinkShape(delay=4 * MILLISECOND),
    "internet": LinkShape(delay=20 * MILLISECOND),
    "services": LinkShape(delay=MILLISECOND),
    "control": LinkShape(delay=MILLISECOND),
    "operations": LinkShape(delay=MILLISECOND // 2),
    "management": LinkShape(delay=MILLISECOND // 2),
}
"""Shape of each class of link where the file does not say otherwise."""


class Radio(Model):
    """The air between a device and its access point."""

    delay: Duration = 2 * MILLISECOND
    jitter: Duration = 0
    loss: Fraction = 0.0
    rate: Rate | None = None
    queue: Size = 1_000_000
    handover: Literal["break-before-make", "make-before-break"] = "break-before-make"
    interruption: Duration = 30 * MILLISECOND
    """Time without any access point, from detach to attach (break-before-make)."""
    overlap: Duration = 50 * MILLISECOND
    """Time with both access points, from attach to detach of the old one (make-before-break)."""
    forward: bool = False
    """Frames for the device that reach the old access point after detach go to the new one (as over Xn)."""


class Topology(Model):
    """Which network to build; `topohub:NAME` takes a published topology of the TopoHub package."""

    kind: Annotated[str, Field(pattern=r"^(two-site|metro|facility|topohub:.+)$")] = "two-site"
    sites: Annotated[int, Field(ge=3, le=64)] = 4
    """Number of sites of a `metro` ring."""
    mec_hosts: Annotated[int, Field(ge=1, le=64)] | tuple[str, ...] | None = None
    """`topohub`: how many nodes of highest degree get a MEC host, or which nodes by name."""
    access_points: Annotated[int, Field(ge=1, le=64)] | tuple[str, ...] | None = None
    """`topohub`: how many nodes get an access point, or which by name; by default those with a MEC host."""


class Device(Model):
    """One device, or `count` of them named `ue1`, `ue2`, …, spread over the access points in turn."""

    name: Name | None = None
    count: Annotated[int, Field(ge=1, le=1000)] | None = None
    ap: Name | None = None
    """Access point it starts at; the first one, or in turn for `count`."""
    joins: Duration = 0
    """When it attaches for the first time and starts its probes and session."""
    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None
    radio: Radio | None = None
    """The scenario's `radio` where it is left out."""
    bypasses_easdf: bool = False
    """`easdf`: whether it asks the operator's recursive resolver instead, as a device with a resolver of its own."""

    @model_validator(mode="after")
    def _one_or_many(self) -> "Device":
        if (self.name is None) == (self.count is None):
            raise ValueError("either a name or a count")
        if self.count is not None and (self.ipv4 or self.ipv6):
            raise ValueError("addresses only for a device with a name")
        return self


class Addresses(Model):
    """Where the lab's addresses come from."""

    devices_ipv4: IPv4Network = IPv4Network("10.45.0.0/16")
    devices_ipv6: IPv6Network = IPv6Network("2001:db8:45::/64")
    hosts_ipv4: IPv4Network = IPv4Network("10.1.0.0/16")
    """The MEC host of site n gets host number 10 of the n-th /24."""
    hosts_ipv6: IPv6Network = IPv6Network("2001:db8:1::/48")
    """The MEC host of site n gets host number 16 (`::10`) of the n-th /64."""
    cloud_ipv4: IPv4Address = IPv4Address("203.0.113.10")
    cloud_ipv6: IPv6Address = IPv6Address("2001:db8:c10d::10")
    operations_ipv4: IPv4Address = IPv4Address("10.0.0.10")
    operations_ipv6: IPv6Address = IPv6Address("2001:db8:0:1::10")
    vip_ipv4: IPv4Address = IPv4Address("10.99.0.1")
    vip_ipv6: IPv6Address = IPv6Address("2001:db8:99::1")
    services_ipv4: IPv4Network = IPv4Network("10.0.0.0/16")
    """Resolver, authoritative DNS, session function and the like: host n of the pool's (n + 1)-th /24."""
    services_ipv6: IPv6Network = IPv6Network("2001:db8:0::/48")
    resolver_ipv4: IPv4Address = IPv4Address("10.53.0.53")
    """The access side's resolver, one address at every edge."""
    resolver_ipv6: IPv6Address = IPv6Address("2001:db8:53::53")
    locations_ipv4: IPv4Network = IPv4Network("100.64.0.0/16")
    """Access point n is the n-th /24 in client subnets."""
    locations_ipv6: IPv6Network = IPv6Network("2001:db8:a00::/40")
    """Access point n is the n-th /56."""


class Policy(Model):
    """How the orchestrator chooses the serving host (`meclab.policy`)."""

    kind: Literal["nearest", "least-loaded"] = "nearest"
    hysteresis: Duration = 0
    """`nearest`: a new host must be nearer by more than this one-way delay."""
    load_margin: Fraction = 0.1
    """`least-loaded`: a new host must be less loaded by more than this share."""
    load_limit: Fraction = 0.9
    """`nearest`: a host loaded beyond this is passed over while another is not."""
    dwell: Duration = 0
    """Shortest time between two changes of one device's host."""
    pins: dict[Name, Name] = {}
    """Device to MEC host: the operator's rule, before anything else."""
    prepare: bool = False
    """Whether the decision about a move is made before the detach, and not at the attach."""
    lead: Duration = 100 * MILLISECOND
    """`prepare`: how long before the detach the orchestrator hears of the move."""
    delay: Duration = 0
    """Time that the orchestrator takes for a decision."""


class Probes(Model):
    """Isochronous UDP requests of every device."""

    interval: Annotated[Duration, Field(ge=100_000)] = 5 * MILLISECOND
    family: Family = "ipv4"
    """Address family of probes and session."""


class Session(Model):
    """The device's TCP session: HTTP/1.1 requests on one kept-alive connection."""

    interval: Annotated[Duration, Field(ge=MILLISECOND)] = 50 * MILLISECOND
    timeout: Annotated[Duration, Field(ge=10 * MILLISECOND)] = SECOND
    """Silence after which a connection counts as broken and is opened anew."""
    connect: Literal["at-once", "next-reconnect"] = "at-once"
    """When a client that learns of another server leaves the old one: at once, or with its next connection."""
    lifetime: Annotated[Duration, Field(ge=10 * MILLISECOND)] | None = None
    """Age at which the client closes its connection by its own choice and opens another; never where it is left
    out."""


class Traffic(Model):
    """Background traffic by iperf3, server at `to`, from `start` to the run's end."""

    source: Annotated[Name, Field(alias="from")]
    to: Name
    rate: Rate
    protocol: Literal["udp", "tcp"] = "udp"
    start: Duration = 0

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Handover(Model):
    """A device moves to another access point."""

    device: Name
    to: Name


class HandoverSeries(Model):
    """A device moves through the access points in turn, again and again."""

    device: Name
    through: Annotated[tuple[Name, ...], Field(min_length=1)]
    every: Annotated[Duration, Field(ge=10 * MILLISECOND)]
    times: Annotated[int, Field(ge=1, le=100_000)]
    spread: Duration = 0
    """Each move comes later by a share of this, uniform, seeded and stratified over the moves: with the TTL, caches
    have every age at the move."""


class LinkChange(Model):
    """A link's impairment changes; what is left out stays as it is."""

    between: tuple[Name, Name]
    delay: Duration | None = None
    jitter: Duration | None = None
    loss: Fraction | None = None
    rate: Rate | None = None
    queue: Size | None = None


class Failure(Model):
    """A MEC host, resolver or other service fails: its processes are killed, it falls silent, or its link goes down."""

    host: Name
    how: Literal["process", "silence", "link"]


class Restore(Model):
    """A failed host comes back."""

    host: Name


class Pin(Model):
    """The operator pins a device to a MEC host; without a host, the pin ends."""

    device: Name
    host: Name | None = None


class Load(Model):
    """A MEC host's load becomes `value`, which it reports to the orchestrator."""

    host: Name
    value: Fraction


class Event(Model):
    """Something that happens `at` a time after the lab is ready; exactly one kind each."""

    at: Duration
    handover: Handover | None = None
    handovers: HandoverSeries | None = None
    link: LinkChange | None = None
    fail: Failure | None = None
    restore: Restore | None = None
    load: Load | None = None
    pin: Pin | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "Event":
        kinds = [name for name in type(self).model_fields if name != "at" and getattr(self, name) is not None]
        if len(kinds) != 1:
            found = " and ".join(kinds) or "none"
            raise ValueError(f"one of handover, handovers, link, fail, restore, load, pin (found {found})")
        return self


Metric = Literal[
    "radio_gap_ms",
    "decide_ms",
    "learn_ms",
    "steer_ms",
    "steer_beyond_rtt_ms",
    "gap_ms",
    "gap_beyond_radio_ms",
    "interruption_ms",
    "rtt_before_ms",
    "detour_rtt_ms",
    "rtt_after_ms",
    "lost",
    "resets",
    "reconnects",
    "stale_requests",
    "served_by_decided",
    "signalling_msgs",
    "signalling_bytes",
]
"""What an expectation may speak of; definitions in `meclab.metrics`. `steer_beyond_rtt_ms` is `steer_ms` less
`rtt_after_ms`, `gap_beyond_radio_ms` is `gap_ms` less `radio_gap_ms`, `served_by_decided` is 1 or 0."""


class Expectation(Model):
    """A statement about the results; one that does not hold makes the command exit with 1."""

    metric: Metric
    method: MethodField | None = None
    """Every method where it is left out."""
    of: Literal["all", "median", "p95", "max", "sum"] = "all"
    """Over the run's handovers; `all` asks it of each."""
    at_most: float | None = None
    at_least: float | None = None

    @model_validator(mode="after")
    def _bounded(self) -> "Expectation":
        if self.at_most is None and self.at_least is None:
            raise ValueError("at_most or at_least")
        return self


class Scenario(Model):
    """A whole scenario file."""

    scenario: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    summary: str = ""
    topology: Topology = Topology()
    methods: Annotated[tuple[MethodField, ...], Field(min_length=1)] = (Method(name="vip", variant="immediate"),)
    dataplane: Dataplane = "openflow"
    p4: P4 = P4()
    link_kind: LinkKind = "auto"
    links: dict[str, LinkShape] = {}
    """By class (`backhaul`) or by pair (`edge1-core`); the pair wins, key by key."""
    radio: Radio = Radio()
    devices: Annotated[tuple[Device, ...], Field(min_length=1)] = (Device(name="ue1"),)
    addresses: Addresses = Addresses()
    address: Literal["fixed", "per-anchor"] = "fixed"
    """Whether a device keeps its addresses when it moves, or has others at each access point."""
    policy: Policy = Policy()
    breakout: bool = True
    """Local breakout at every edge with a MEC host; without it all traffic passes the anchor."""
    probes: Probes = Probes()
    session: Session = Session()
    dns: Dns = Dns()
    stub: Stub = Stub()
    easdf: Easdf = Easdf()
    http: Http = Http()
    devapp: Devapp = Devapp()
    bgp: Bgp = Bgp()
    traffic: tuple[Traffic, ...] = ()
    events: tuple[Event, ...] = ()
    duration: Duration | None = None
    """From ready to the end, drain included; by default 2 s after the last event, plus the drain."""
    drain: Duration = SECOND
    """Time at the end whose probes are not counted."""
    capture: Literal["all", "endpoints"] = "all"
    """`all` captures every interface; `endpoints` those of devices, hosts and operations."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    expect: tuple[Expectation, ...] = ()
    sweep: dict[str, tuple[Any, ...]] = {}
    """Dotted path of a parameter to its values; the run is repeated for their product."""


def is_pair(key: str) -> bool:
    """Whether a key of `links` names one link (`edge1-core`) and not a class."""
    return re.fullmatch(r"[a-z][a-z0-9]*-[a-z][a-z0-9]*", key) is not None
