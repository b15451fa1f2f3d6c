"""Frames and pcapng files made by hand, and a whole run of the two-site lab as its captures would show it."""

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from experiments import pcapng
from experiments.measurement import frames
from experiments.measurement.traffic import Traffic
from meclab import packets, planning, scenario, topology
from meclab.packets import Marker, Probe, probe_reply
from meclab.plan import Plan

MS = 1_000_000
S = 1_000_000_000
ETHER = bytes.fromhex("020000000001020000000002")
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def ip_packet(source: str, destination: str, protocol: int, body: bytes) -> bytes:
    src, dst = ip_address(source), ip_address(destination)
    if isinstance(src, IPv4Address):
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0)
        return ETHER + b"\x08\x00" + head + src.packed + dst.packed + body
    assert isinstance(dst, IPv6Address)
    return ETHER + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + src.packed + dst.packed + body


def udp(source: str, source_port: int, destination: str, destination_port: int, payload: bytes) -> bytes:
    head = struct.pack("!HHHH", source_port, destination_port, 8 + len(payload), 0)
    return ip_packet(source, destination, 17, head + payload)


def tcp(
    source: str, source_port: int, destination: str, destination_port: int, flags: int, sequence: int = 0,
    payload: bytes = b"",
) -> bytes:  # fmt: skip
    head = struct.pack("!HHIIBBHHH", source_port, destination_port, sequence, 0, 0x50, flags, 1000, 0, 0)
    return ip_packet(source, destination, 6, head + payload)


@dataclass
class Pcapng:
    """A capture file in the making."""

    interfaces: Sequence[str]
    frames: list[tuple[int, str, bytes]] = field(default_factory=list)
    snap: int = 512

    def add(self, time_ns: int, interface: str, frame: bytes) -> None:
        self.frames.append((time_ns, interface, frame))

    def write(self, path: Path, statistics: bool = True, dropped: int = 0) -> None:
        blocks = [_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
        for name in self.interfaces:
            options = _option(2, name.encode()) + _option(9, b"\x09") + _option(0, b"")
            blocks.append(_block(1, struct.pack("<HHI", 1, 0, self.snap) + options))
        for time_ns, interface, frame in sorted(self.frames, key=lambda row: row[0]):
            kept = frame[: self.snap]
            index = self.interfaces.index(interface)
            head = struct.pack("<IIIII", index, time_ns >> 32, time_ns & 0xFFFFFFFF, len(kept), len(frame))
            blocks.append(_block(6, head + kept + bytes(-len(kept) % 4)))
        if statistics:
            for index in range(len(self.interfaces)):
                options = _option(5, struct.pack("<Q", dropped)) + _option(0, b"")
                blocks.append(_block(5, struct.pack("<III", index, 0, 0) + options))
        path.write_bytes(b"".join(blocks))


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def a_plan(method: str = "vip", **changes: object) -> Plan:
    """The two-site lab's plan with one handover of ue1 from ap1 to ap2, 2 s after it is ready."""
    text = {
        "scenario": "synthetic",
        "methods": [method],
        "events": [{"at": "2s", "handover": {"device": "ue1", "to": "ap2"}}],
        "duration": "5s",
        **changes,
    }
    made = scenario.Scenario.model_validate(text)
    return planning.make(made, topology.two_site(), made.methods[0], "wire")


UP1 = ("ue1-eth0", "ap1-radio", "ap1-eth2", "edge1-eth1", "edge1-eth2", "mec1-eth0")
UP2 = ("ue1-eth0", "ap2-radio", "ap2-eth2", "edge2-eth1", "edge2-eth2", "mec2-eth0")
ONE_WAY_MS = (2.0, 0.0, 1.0, 0.0, 0.5)
"""Delays between these interfaces: air, switch, access, switch, local."""


@dataclass
class Run:
    """The captures of a run while they are made; instants in ms after `start_ns`."""

    plan: Plan
    start_ns: int = 1_700_000_000 * S
    files: dict[str, Pcapng] = field(default_factory=dict)
    error_ms: float = 0.01
    """Added to each link's delay."""

    def __post_init__(self) -> None:
        self.file_of: dict[str, str] = {}
        for point in self.plan.captures:
            interfaces = self.files.setdefault(point.file, Pcapng([])).interfaces
            self.files[point.file].interfaces = [*interfaces, point.interface]
            self.file_of[point.interface] = point.file
        for node in self.plan.by_role("ops"):
            self.files[node.name].snap = 262_144

    def at(self, ms: float) -> int:
        return self.start_ns + round(ms * MS)

    def add(self, ms: float, interface: str, frame: bytes) -> None:
        self.files[self.file_of[interface]].add(self.at(ms), interface, frame)

    def mark(self, ms: float, event: str, **fields: object) -> None:
        marker = Marker(event, self.at(ms), dict(fields))
        self.add(ms + 0.02, "lab0", udp("169.254.77.1", 4000, "169.254.77.2", packets.MARKER_PORT, marker.pack()))

    def udp(
        self, ms: float, interfaces: Iterable[str], source: tuple[str, int], to: tuple[str, int], payload: bytes
    ) -> None:
        """A datagram that passes interfaces, 1 ms from each to the next."""
        for hop, interface in enumerate(interfaces):
            self.add(ms + hop, interface, udp(*source, *to, payload))

    def probe(self, sequence: int, ms: float, host: str | None, lost_after: int = 99) -> None:
        """A probe to a host and back; with no host, or from the n-th hop on, it is lost."""
        device, vip = self.plan.devices[0], str(self.plan.vip_ipv4)
        request = Probe("ue1", sequence, self.at(ms)).pack()
        way = UP1 if host in ("mec1", None) else UP2
        frame = udp(str(device.ipv4), 5000, vip, packets.PROBE_PORT, request)
        ms = self._travel(ms, way, ONE_WAY_MS, frame, 1 if host is None else lost_after)
        if host is not None and lost_after > len(way):
            reply = udp(vip, packets.PROBE_PORT, str(device.ipv4), 5000, probe_reply(request, host.encode()))
            self._travel(ms + 0.05, way[::-1], ONE_WAY_MS[::-1], reply, 99)

    def _travel(self, ms: float, way: Sequence[str], delays: Sequence[float], frame: bytes, hops: int) -> float:
        for hop, interface in enumerate(way[:hops]):
            if hop:
                ms += delays[hop - 1] + (self.error_ms if delays[hop - 1] else 0.005)
            self.add(ms, interface, frame)
        return ms

    def traffic(self, folder: Path) -> Traffic:
        """The captures as the measurement reads them."""
        files = {}
        for name, file in self.files.items():
            file.write(folder / f"{name}.pcapng")
            capture = pcapng.read(folder / f"{name}.pcapng")
            files[name] = capture, frames.decode(capture)
        return Traffic(self.plan, files)

    def write(self, run_dir: Path, leave_out: Iterable[str] = ()) -> Path:
        (run_dir / "captures").mkdir(parents=True, exist_ok=True)
        (run_dir / "logs").mkdir(exist_ok=True)
        (run_dir / "plan.json").write_text(self.plan.model_dump_json())
        for name, file in self.files.items():
            if name not in leave_out:
                file.write(run_dir / "captures" / f"{name}.pcapng")
        rows = "".join(f"{self.at(ms)},0.250\n" for ms in range(0, 5000, 100))
        (run_dir / "logs" / "processor.csv").write_text("at_ns,busy\n" + rows)
        return run_dir


def a_run(made: Plan | None = None, **changes: object) -> Run:
    """One handover: detach at 2000 ms, attach at 2030, decision at 2031, the new host from the probe at 2035 on."""
    run = Run(made or a_plan(), **changes)  # type: ignore[arg-type]
    run.mark(-50, "attach", device="ue1", ap="ap1")
    run.mark(-49, "decision", device="ue1", host="mec1", from_host=None, trigger="attach", reason="near")
    run.mark(0, "ready")
    run.mark(2000, "detach", device="ue1", ap="ap1")
    run.mark(2030, "attach", device="ue1", ap="ap2", from_ap="ap1")
    run.mark(2031, "decision", device="ue1", host="mec2", from_host="mec1", trigger="attach", reason="near")
    run.mark(5000, "end")
    for sequence in range(1000):
        ms = sequence * 5
        if ms + 8 < 2000:
            run.probe(sequence, ms, "mec1")
        elif ms < 2030:
            run.probe(sequence, ms, None)
        else:
            run.probe(sequence, ms, "mec2", lost_after=3 if ms == 2030 else 99)
    return run


def http_response(host: str, device: str, number: int) -> bytes:
    body = json.dumps({"host": host, "device": device, "n": number, "count": number}).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMEC-Host: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass
class Connection:
    """A TCP connection in the making, seen at both ends, 1 ms apart; its bytes are numbered."""

    run: Run
    client: tuple[str, int, str]
    """Address, port, interface."""
    server: tuple[str, int, str]
    sequences: list[int] = field(default_factory=lambda: [1000, 5000])

    def open(self, ms: float) -> "Connection":
        self._segment(ms, True, SYN, b"", self.sequences[0] - 1)
        self._segment(ms + 2, False, SYN | ACK, b"", self.sequences[1] - 1)
        return self

    def say(self, ms: float, outgoing: bool, payload: bytes, flags: int = PSH | ACK) -> "Connection":
        """One segment, sent at `ms`."""
        side = 0 if outgoing else 1
        self._segment(ms, outgoing, flags, payload, self.sequences[side])
        self.sequences[side] += len(payload)
        return self

    def post(self, ms: float, path: str, body: object, status: str = "200 OK", answer: object = None) -> "Connection":
        """A request with its response 3 ms later."""
        self.say(ms, True, http_request("POST", path, body))
        content = json.dumps(answer or {}).encode()
        return self.say(
            ms + 3, False, f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content
        )

    def _segment(self, ms: float, outgoing: bool, flags: int, payload: bytes, sequence: int) -> None:
        near, far = (self.client, self.server) if outgoing else (self.server, self.client)
        frame = tcp(near[0], near[1], far[0], far[1], flags, sequence, payload)
        for later, end in ((0, near), (1, far)):
            if end[2]:
                self.run.add(ms + later, end[2], frame)


def http_request(method: str, path: str, body: object) -> bytes:
    content = json.dumps(body).encode()
    return f"{method} {path} HTTP/1.1\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content
