"""Isochronous UDP probes: one at every point of a fixed grid of times, each reply noted when it comes."""

import socket
import time
from array import array
from ipaddress import IPv4Address, IPv6Address

from hosts.device.records import ProbeRecords
from hosts.system.linux import Timer
from meclab.errors import PeerError
from meclab.model import Family
from meclab.packets import PROBE_PORT, Probe, unpack_probe

_LARGEST_DATAGRAM = 2_048
_BURST = 32
_BUCKET_NS = 10_000
_BUCKETS = 5_000


class Lateness:
    """How late probes left, as a histogram of 10 µs up to 50 ms."""

    def __init__(self) -> None:
        self._buckets = array("I", bytes(4 * _BUCKETS))
        self.count = 0

    def add(self, late_ns: int) -> None:
        self._buckets[min(max(late_ns, 0) // _BUCKET_NS, _BUCKETS - 1)] += 1
        self.count += 1

    def quantile_ms(self, share: float) -> float:
        """Upper edge of the bucket that holds this share; 0 with no probes."""
        wanted, seen = share * self.count, 0
        for bucket, count in enumerate(self._buckets):
            seen += count
            if seen >= wanted and seen:
                return (bucket + 1) * _BUCKET_NS / 1e6
        return 0.0


class Prober:
    """Sends a device's probes to its client's server and takes the replies."""

    def __init__(
        self,
        device: str,
        family: Family,
        interval_ns: int,
        records: ProbeRecords,
        port: int = PROBE_PORT,
        trail: bool = False,
    ) -> None:
        self.timer = Timer()
        self.socket = socket.socket(socket.AF_INET if family == "ipv4" else socket.AF_INET6, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.lateness = Lateness()
        self.unsent = 0
        """Probes that the kernel would not send: no route, a full queue."""
        self.unaddressed = 0
        """Points of the grid at which no server was known yet."""
        self.strays = 0
        """Datagrams that are no reply to a probe still waiting for one."""
        self._server: tuple[str, int] | None = None
        self._servers: set[tuple[str, int]] = set()
        """Every server so far: a reply may come from one that the client has left since."""
        self._port = port
        self._device = device
        self._interval_ns = interval_ns
        self._records = records
        self._trail = trail
        self._sequence = 0
        self._start_ns = 0

    def aim(self, server: IPv4Address | IPv6Address) -> None:
        """Probes go there from now on."""
        self._server = (str(server), self._port)
        self._servers.add(self._server)

    def start(self, start_ns: int) -> None:
        """The first probe leaves at this time (CLOCK_MONOTONIC), the others an interval apart."""
        self._start_ns = start_ns
        self.timer.at(start_ns, self._interval_ns)

    def send_due(self) -> None:
        """Sends the probes whose time has come; after a stall more than one."""
        for _ in range(self.timer.expirations()):
            if self._server is None:
                self.unaddressed += 1
            else:
                due_ns = self._start_ns + self._sequence * self._interval_ns
                self.lateness.add(time.monotonic_ns() - due_ns)
                self._send(self._sequence, self._server)
            self._sequence += 1

    def _send(self, sequence: int, server: tuple[str, int]) -> None:
        sent_ns = time.time_ns()
        try:
            self.socket.sendto(Probe(self._device, sequence, sent_ns).pack(self._trail), server)
        except OSError:
            self.unsent += 1
            return
        self._records.sent(sequence, sent_ns)

    def receive(self) -> None:
        """Takes the replies that have come, so many that no probe waits for them."""
        for _ in range(_BURST):
            try:
                payload, sender = self.socket.recvfrom(_LARGEST_DATAGRAM)
            except BlockingIOError:
                return
            received_ns = time.time_ns()
            try:
                probe = unpack_probe(payload)
            except PeerError:
                self.strays += 1
                continue
            ours = probe.is_reply and probe.device == self._device and sender[:2] in self._servers
            if not (ours and self._records.received(probe.sequence, received_ns, probe.host)):
                self.strays += 1
