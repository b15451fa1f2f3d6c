"""What the captures of a run showed, one row per observation: what the metrics are computed from."""

from dataclasses import dataclass
from typing import Literal

Ending = Literal["open", "client", "server", "reset", "abandoned", "refused", "unanswered", "renumbered"]
"""How a connection ended: not yet; FIN by the client or by the server; RST by the server or by the client, which
gives up a silent connection that way; RST in answer to the SYN; no answer to the SYN; nothing at all, but the device
goes on with another address of its own."""
Lesson = Literal["dns", "redirect", "notification", "context"]
"""How a device is told of a server: a DNS answer; a redirect; a notification or a context of MEC 016."""
Handshake = Literal["", "full", "resumed"]
"""Of TLS, by whether the server took a pre-shared key (RFC 8446 section 2.2)."""
BROKEN: frozenset[Ending] = frozenset({"server", "reset", "abandoned", "renumbered"})
"""Endings of an established connection that the client did not choose."""


@dataclass(frozen=True, slots=True)
class ProbeSeen:
    """One probe, by the capture at the device's interface."""

    device: str
    sequence: int
    sent_ns: int
    replied_ns: int | None
    host: str
    """The host named in the reply; empty without one."""
    delivered_to: str = ""
    """Host at whose interface the request arrived first; empty where it never did."""
    delivered_ns: int | None = None

    @property
    def rtt_ns(self) -> int | None:
        return None if self.replied_ns is None else self.replied_ns - self.sent_ns


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request's first arrival at a host's interface."""

    host: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class RequestSeen:
    """One request of a device's session, by the capture at the device's interface."""

    device: str
    number: int
    connection: int
    """Counts the device's connections, from 1."""
    sent_ns: int
    """First transmission."""
    done_ns: int | None
    """First arrival of the response that completed it (200)."""
    host: str
    """The host named in the response; empty without one."""
    deliveries: tuple[Delivery, ...] = ()
    """By the captures at the hosts, in order of time."""
    server: str = ""
    """Address that it was sent to."""
    answered_ns: int | None = None
    """First arrival of a response of any status."""
    status: int | None = None
    location: str = ""
    """Where a redirect sends it on to."""


@dataclass(frozen=True, slots=True)
class ConnectionSeen:
    """One TCP connection of a device's session, by the capture at the device's interface."""

    device: str
    connection: int
    local_port: int
    server: str
    """Address."""
    opened_ns: int
    """First SYN."""
    established_ns: int | None
    """First SYN with ACK."""
    closed_ns: int | None
    """First FIN or RST of either side."""
    ending: Ending
    tls: Handshake = ""
    handshake_ns: int | None = None
    """First SYN to the client's Finished; none without TLS, and where there was none."""


@dataclass(frozen=True, slots=True)
class MessageSeen:
    """One control message, by the capture at its sender, or at its receiver where its sender is not captured."""

    at_ns: int
    """When its last byte passed."""
    role: str
    message: str
    """`FLOW_MOD`, `POST /v1/transactions`, `200`, `A app.edge.example.`, `rediscovery`, `UPDATE`, `BFD Up`."""
    rule_class: str
    """`base`, `attach`, `steer`, `pin`; empty for what carries no rule."""
    size_bytes: int
    own: bool
    """Whether it is the method's own, and not what every method needs."""
    device: str = ""
    """The one device it is about; empty for none or several."""
    sender: str = ""
    """The node; empty for the switches."""


@dataclass(frozen=True, slots=True)
class LessonSeen:
    """A message that names a server to a device, by the capture at the device's interface."""

    device: str
    at_ns: int
    """When it arrived."""
    by: Lesson
    host: str
    """The host whose address it names; empty for one that is no single host's."""
    detail: str = ""
    """The address or name in it."""
    handed_ns: int | None = None
    """Of an answer to the application's name: when the authoritative server gave it out, by the time to live that it
    came with; whole seconds off at most one."""
