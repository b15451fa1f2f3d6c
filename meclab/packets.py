"""The lab's own small packets: probes and markers, as bytes.

A probe is a UDP datagram that a device sends and an echo server answers with its own name added. Where switches run a
P4 program it has a trail: room for the times at which it comes to each of them, which the switches fill in.
A marker is a UDP datagram on the interface `lab0` that makes an instant visible in a capture.
"""

import json
import struct
from dataclasses import dataclass, field
from typing import Any

from meclab.errors import PeerError

PROBE_PORT = 9007
APP_PORT = 8080
ORCHESTRATOR_PORT = 8090
NORTHBOUND_PORT = 8091
OPENFLOW_PORT = 6653
P4RUNTIME_PORT = 9559
"""The first switch's; each of the others has the next."""
APP_TLS_PORT = 8443
UALCMP_PORT = 8092
"""MEC 016, on operations."""
MEPM_PORT = 8093
"""The platform manager, on operations."""
PLATFORM_PORT = 8094
"""The platform (MEP) of a MEC host."""
RULES_PORT = 8095
"""DNS rules into the authoritative server and the local resolvers."""
SERVING_PORT = 8096
"""Who is served where, into the redirecting front and the hosts."""
NEASDF_PORT = 8097
NSMF_PORT = 8098
CALLBACK_PORT = 8099
"""A device's, for notifications (MEC 016)."""
ROUTER_PORT = 8100
DEVICE_CONTROL_PORT = 9008
"""A device's, UDP: what the network tells it over the air (`meclab.messages.Notice`)."""
DNS_PORT = 53
BGP_PORT = 179
BFD_PORT = 3784
MARKER_PORT = 9747

_MAGIC = b"MECP"
_PROBE = struct.Struct("!4sBB10sIQ12s")
"""Magic, version, kind (0 request, 1 reply), device, sequence number, send time in ns, serving host."""
PROBE_BYTES = _PROBE.size
_VERSION = 1
STAMPS = 8
"""Slots of a trail; further switches leave no stamp."""
_HOPS = struct.Struct("!H")
_STAMP = struct.Struct("!HHI")
"""Number of the switch, then 48 bits of microseconds in two parts."""
TRAIL_BYTES = _HOPS.size + STAMPS * _STAMP.size
_EMPTY_TRAIL = bytes(TRAIL_BYTES)


@dataclass(frozen=True)
class Probe:
    """One probe; `host` is empty in a request and the name of the answering host in a reply."""

    device: str
    sequence: int
    sent_ns: int
    """CLOCK_REALTIME at the device when it was sent."""
    host: str = ""

    @property
    def is_reply(self) -> bool:
        return bool(self.host)

    def pack(self, trail: bool = False) -> bytes:
        """The datagram's payload, `PROBE_BYTES` long for requests and replies alike; with an empty trail
        `TRAIL_BYTES` more."""
        kind = 1 if self.host else 0
        names = self.device.encode("ascii"), self.host.encode("ascii")
        probe = _PROBE.pack(_MAGIC, _VERSION, kind, names[0], self.sequence, self.sent_ns, names[1])
        return probe + _EMPTY_TRAIL if trail else probe


def unpack_probe(payload: bytes) -> Probe:
    """The probe in a payload, which may be longer; raises `PeerError` for anything else."""
    if len(payload) < PROBE_BYTES or payload[:4] != _MAGIC or payload[4] != _VERSION:
        raise PeerError(f"not a probe of version {_VERSION}: {payload[:16]!r}")
    _, _, kind, device, sequence, sent_ns, host = _PROBE.unpack_from(payload)
    if (kind == 1) != (host[0] != 0):
        raise PeerError(f"a probe of kind {kind} with host {host!r}")
    try:
        return Probe(device.rstrip(b"\0").decode("ascii"), sequence, sent_ns, host.rstrip(b"\0").decode("ascii"))
    except UnicodeDecodeError as error:
        raise PeerError(f"a probe with names that are not ASCII: {payload[:PROBE_BYTES]!r}") from error


def probe_reply(request: bytes, host: bytes) -> bytes:
    """The reply to a packed request, by patching its bytes: what an echo server does a thousand times a second.

    A trail begins anew: it is the reply's own way that the switches stamp."""
    reply = request[:5] + b"\x01" + request[6 : PROBE_BYTES - 12] + host.ljust(12, b"\0")
    return reply if len(request) < PROBE_BYTES + TRAIL_BYTES else reply + _EMPTY_TRAIL


@dataclass(frozen=True)
class Stamp:
    """When a probe came to a switch."""

    switch: int
    """`PlannedNode.dpid`."""
    time_us: int
    """On a clock that all switches share, from any beginning."""


def stamps(payload: bytes) -> tuple[Stamp, ...]:
    """What the switches on a probe's way wrote into it, in their order; empty where it has no trail."""
    if len(payload) < PROBE_BYTES + TRAIL_BYTES:
        return ()
    (hops,) = _HOPS.unpack_from(payload, PROBE_BYTES)
    offsets = range(PROBE_BYTES + _HOPS.size, PROBE_BYTES + TRAIL_BYTES, _STAMP.size)
    found = (_STAMP.unpack_from(payload, offset) for offset in list(offsets)[:hops])
    return tuple(Stamp(switch, high << 32 | low) for switch, high, low in found)


@dataclass(frozen=True)
class Marker:
    """An instant that is not a packet, made one.

    Events and their fields: `attach` and `detach` (device, ap; attach also `from_ap`), `decision`
    (device, ap, host, from_host, trigger, reason), `link` (link, and what changed), `fail` (host, how),
    `restore` (host), `load` (host, value), `pin` (device, host), `policy` (what changed), `ready`, `end`.
    """

    event: str
    at_ns: int
    """CLOCK_REALTIME of the instant; the capture's time stamp of the marker is at most microseconds later."""
    fields: dict[str, Any] = field(default_factory=dict)

    def pack(self) -> bytes:
        return json.dumps({"event": self.event, "at_ns": self.at_ns, **self.fields}, sort_keys=True).encode()

    def comment(self) -> str:
        """`attach device=ue1 ap=ap2`: the packet comment."""
        return " ".join([self.event, *(f"{key}={value}" for key, value in sorted(self.fields.items()))])


def unpack_marker(payload: bytes) -> Marker:
    """The marker in a payload; raises `PeerError` for anything else."""
    try:
        content = json.loads(payload)
        return Marker(content.pop("event"), content.pop("at_ns"), content)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise PeerError(f"not a marker: {payload[:40]!r}") from error
