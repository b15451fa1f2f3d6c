"""Bodies of the lab's HTTP interfaces, and the classes of flow rules.

Orchestrator (`packets.ORCHESTRATOR_PORT`): `POST /v1/attachments` takes an `AttachEvent`, `POST /v1/preparations` a
`Preparation`, `POST /v1/loads` a `LoadReport`. Controller's northbound (`packets.NORTHBOUND_PORT`):
`POST /v1/transactions` takes a `Transaction` and answers a `TransactionResult` once every switch has confirmed.
Names in camel case are those of MEC 011.
"""

from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from meclab.model import Name
from meclab.quantity import Fraction


class Body(BaseModel):
    """A message's body; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AttachEvent(Body):
    """An access point tells the orchestrator that a device has attached."""

    device: Name
    ap: Name
    at_ns: int
    """CLOCK_REALTIME of the attach."""
    sequence: int
    """Counts the attaches of one device, so that a late repetition is recognised."""


class Preparation(Body):
    """A device is about to move to an access point (`Policy.prepare`)."""

    device: Name
    ap: Name
    at_ns: int


class LoadReport(Body):
    """A MEC host tells its load."""

    host: Name
    load: Fraction


class BreakoutIntent(Body):
    """Traffic between devices and `prefix` leaves to the local host at `edge`."""

    edge: Name
    prefix: IPv4Network | IPv6Network
    device: Name | None = None
    """The one device that it holds for; every device where it is left out."""


class Transaction(Body):
    """Intents that change together: all of them or, on any error, none."""

    attach: dict[Name, Name] = {}
    """Device to access point."""
    serve: dict[Name, Name | None] = {}
    """Device to the MEC host that serves the virtual address to it; null takes the rule away."""
    breakout: tuple[BreakoutIntent, ...] = ()
    remove_breakout: tuple[BreakoutIntent, ...] = ()


class TransactionResult(Body):
    """What a transaction changed; sent once every switch has answered that it has what is new, and, where the
    transaction takes something away, that this is gone."""

    number: int
    switches: tuple[str, ...]
    rules_added: int
    rules_removed: int
    unreached: tuple[str, ...] = ()
    """Switches that are not connected; they get the intended state when they come back."""


class DnsRule(Body):
    """A DNS rule (GS MEC 011 clause 7.1.5.1), with the lab's extension `clientSubnet`."""

    dnsRuleId: str
    domainName: str
    """With or without its final dot."""
    ipAddressType: Literal["IP_V4", "IP_V6"]
    ipAddress: IPv4Address | IPv6Address
    ttl: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    """Seconds; the zone's where it is left out."""
    state: Literal["ACTIVE", "INACTIVE"] = "ACTIVE"
    """Left out by GS MEC 010-2 clause 6.2.1.13, which configures platforms with rules."""
    clientSubnet: tuple[IPv4Network | IPv6Network, ...] | None = None
    """Extension: the rule holds for clients in these prefixes; for everybody where it is left out. MEC 011 knows
    one answer for all."""

    @model_validator(mode="after")
    def _one_family(self) -> "DnsRule":
        version = 4 if self.ipAddressType == "IP_V4" else 6
        if self.ipAddress.version != version:
            raise ValueError(f"ipAddress {self.ipAddress} is no {self.ipAddressType}")
        return self


class DnsUpdate(Body):
    """Rules that change together in a DNS server: inserted or replaced by `dnsRuleId`, in one atomic step."""

    update: int
    """Counts the orchestrator's updates; a repeated or older one changes nothing."""
    change: int = 0
    """Counts what the application of the source's host has changed in a rule since `update` brought it. A rule in the
    server gives way to one with a greater (`update`, `change`) alone."""
    source: Name
    """Host whose platform sends it."""
    rules: tuple[DnsRule, ...]

    @property
    def order(self) -> tuple[int, int]:
        """What orders the updates of one rule, from whichever platform they come."""
        return self.update, self.change


class DnsUpdated(Body):
    """The DNS server's answer to a `DnsUpdate`: at once in force, or known before."""

    update: int
    rules: int
    """How many it has."""
    newer: tuple[DnsUpdate, ...] = ()
    """Of the rules in the update, those that it has by a later one: how it has them, one each."""


class Serving(Body):
    """Who serves whom, into the redirecting front, the hosts and the UALCMP: device to MEC host."""

    update: int
    """Counts the orchestrator's updates; an older one changes nothing."""
    serving: dict[Name, Name]


class Relocation(Body):
    """Into the session function: a device at an access point is to use a host (TS 23.548 clause 6.2.3.3, AF
    influence on traffic routing)."""

    update: int
    device: Name
    ap: Name
    host: Name
    previous: Name | None = None


class RouterAttachment(Body):
    """Into a router: a device is at an access point; routers announce what is theirs and drop the rest."""

    device: Name
    ap: Name
    sequence: int
    """As the access point's `AttachEvent` has it; an older one changes nothing."""


class ResolverNotice(Body):
    """Over the air to a device: its resolver. MODEL: stands for protocol configuration options (TS 24.008 clause
    10.5.6.3) or DHCP."""

    kind: Literal["resolver"] = "resolver"
    sequence: int
    """Counts what a sender tells a device; repeated ones are acknowledged and change nothing."""
    ipv4: IPv4Address
    ipv6: IPv6Address


class RediscoveryNotice(Body):
    """Over the air to a device: which cached answers to drop (TS 23.548 clause 6.2.3.3, EAS rediscovery indication).
    MODEL: stands for a PDU session modification command."""

    kind: Literal["rediscovery"] = "rediscovery"
    sequence: int
    impact: Literal["all", "addresses", "name"]
    prefixes: tuple[IPv4Network | IPv6Network, ...] = ()
    """`addresses`: answers with an address in these."""
    names: tuple[str, ...] = ()
    """`name`: answers to these names and those below them."""


class NoticeAck(Body):
    """A device's answer to a notice, to where it came from."""

    kind: Literal["ack"] = "ack"
    device: Name
    sequence: int


Notice = Annotated[ResolverNotice | RediscoveryNotice | NoticeAck, Field(discriminator="kind")]
"""One UDP datagram to or from `packets.DEVICE_CONTROL_PORT`, as JSON."""

Program = Literal[
    "echo",
    "app",
    "meo",
    "agent",
    "modem",
    "mepm",
    "mep",
    "rdns",
    "adns",
    "ldns",
    "fwd",
    "easdf",
    "smf",
    "front",
    "ualcmp",
    "router",
    "speaker",
]
"""What `python -m hosts` can start on a node."""


class Start(Body):
    """Asks the process that forks the host programs (`python -m hosts`) to start one in a node's namespaces."""

    node: Name
    program: Program
    namespace_pid: int
    """A process that is in the node's network and mount namespaces."""
    log: str
    """File for its standard output and error."""


class Stop(Body):
    """Asks for a program to be ended: `SIGTERM` lets it write its log, `SIGKILL` does not."""

    node: Name
    program: str
    signal: Literal["SIGTERM", "SIGKILL"] = "SIGTERM"


class ProgramEvent(Body):
    """What became of a program: it runs, it is ready to serve, it ended."""

    event: Literal["started", "ready", "exited"]
    node: Name
    program: str
    pid: int
    status: int | None = None
    """Exit status, negative for a signal; with `exited`."""


class RuleClass(IntEnum):
    """Why a flow rule exists: the top byte of its cookie, and of the xid of messages that carry it."""

    BASE = 1
    """What the network needs with no device: ARP, ND, routes, everybody's breakout."""
    ATTACH = 2
    """What every method needs to attach a device."""
    STEER = 3
    """Which host serves the virtual address to a device, and one device's breakout: the method's own."""
    PIN = 4
    """A connection that stays with its host: the method's own."""
