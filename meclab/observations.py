"""What the captures of a run showed, one row per observation: what the metrics are computed from."""

from dataclasses import dataclass
from typing import Literal

Ending = Literal["open", "client", "server", "reset", "abandoned", "refused", "unanswered"]
"""How a connection ended: not yet; FIN by the client or by the server; RST by the server or by the client, which
gives up a silent connection that way; RST in answer to the SYN; no answer to the SYN."""
BROKEN: frozenset[Ending] = frozenset({"server", "reset", "abandoned"})
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
    """First arrival of the response."""
    host: str
    """The host named in the response; empty without one."""
    deliveries: tuple[Delivery, ...] = ()
    """By the captures at the hosts, in order of time."""


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


@dataclass(frozen=True, slots=True)
class MessageSeen:
    """One control message, by the capture at the operations host."""

    at_ns: int
    """When its last byte passed."""
    role: str
    message: str
    """`FLOW_MOD`, `POST /v1/transactions`, `200`."""
    rule_class: str
    """`base`, `attach`, `steer`, `pin`; empty for what carries no rule."""
    size_bytes: int
    own: bool
    """Whether it is the method's own, and not what every method needs."""
    device: str = ""
    """The one device it is about; empty for none or several."""
