"""What a packet costs in `edge.p4` and in the stand-in written by hand, by `BPF_PROG_TEST_RUN`."""

import statistics
import struct
import subprocess
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path

from dataplane.compiler.compiled import compile_program
from dataplane.target.bpf import BpfObject
from dataplane.target.pipeline import Pipeline, Surroundings
from meclab.errors import RunError

EDGE = Path(__file__).parents[1] / "programs" / "edge.p4"
GATEWAY = bytes.fromhex("02005e000101")
"""The packet stays the same but for its TTL: its next hop is the gateway again."""
PASSES = 50
"""Fewer than the TTL."""
RUNS = 2000
UDP, TCP = 17, 6
REDIRECTED = 7
"""`TC_ACT_REDIRECT`."""
_CLANG = ("clang", "-target", "bpf", "-mcpu=v3", "-O2", "-g", "-I/usr/include/x86_64-linux-gnu", "-c")


def costs() -> dict[str, float]:
    """Median nanoseconds of a packet: `standin`, and `udp` and `tcp` through `edge.p4` with 1 000 entries."""
    with standin() as written, edge() as compiled:
        return {"standin": cost(written, UDP), "udp": cost(compiled, UDP), "tcp": cost(compiled, TCP)}


def cost(loaded: BpfObject, protocol: int) -> float:
    """Median nanoseconds of many short runs; raises `RunError` where the packet does not leave."""
    packet = frame(protocol)
    if (result := loaded.test_run(packet).result) != REDIRECTED:
        raise RunError(
            f"a packet of protocol {protocol} is not forwarded: found result {result}, expected {REDIRECTED}"
        )
    return statistics.median(loaded.test_run(packet, PASSES).mean_ns for _ in range(RUNS))


def frame(protocol: int) -> bytes:
    """60 bytes of IPv4 from 10.0.0.1 to 10.1.1.7 by way of the gateway."""
    header = struct.pack("!BBHHHBBH", 0x45, 0, 46, 7, 0, 64, protocol, 0) + bytes([10, 0, 0, 1, 10, 1, 1, 7])
    header = header[:10] + struct.pack("!H", _checksum(header)) + header[12:]
    return GATEWAY + bytes.fromhex("020000000001 0800") + header + bytes(26)


def _checksum(header: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def by_hand(name: str) -> BpfObject:
    """A program written by hand, of a file beside this one."""
    source = Path(__file__).with_name(f"{name}.c")
    made = subprocess.run([*_CLANG, "-o", "/dev/stdout", str(source)], capture_output=True, check=True, timeout=60)
    return BpfObject(made.stdout, name)


def standin() -> BpfObject:
    """The program written by hand, with 1 000 routes."""
    loaded = by_hand("standin")
    loaded["gateways"].update(GATEWAY + bytes(2), bytes(4))
    for number in range(1000):
        key = struct.pack("<I", 32) + bytes([10, 1, number // 256, number % 256])
        loaded["routes"].update(key, GATEWAY + bytes(6) + struct.pack("<I", 1))
    return loaded


def edge(stations: Mapping[IPv4Address, tuple[bytes, int]] = {}) -> BpfObject:
    """`edge.p4` with 1 000 entries: 300 steered devices, 400 routes, 300 stations, and the gateway.

    `stations`: more of them, address to MAC and port.
    """
    compiled = compile_program(EDGE)
    loaded = BpfObject(compiled.object, "edge")
    Pipeline(compiled.p4info, compiled.layout, loaded, compiled.bundle.entries, Surroundings())
    actions = {action.name.rpartition(".")[2]: action.number for action in compiled.layout.actions}
    tables = {table.name.rpartition(".")[2]: table for table in compiled.layout.tables}

    def add(name: str, key: bytes, action: str, index: int, data: bytes = b"") -> None:
        record = struct.pack("<II", actions[action], index) + data
        loaded[tables[name].entries].update(key, record.ljust(tables[name].record_size, b"\0"))

    following = GATEWAY[::-1] + bytes(2)
    add("gateways", GATEWAY, "to_gateway", 0)
    for number in range(300):
        steered = struct.pack("<I", 64) + bytes([10, 9, 0, 9, 10, 5, number // 256, number % 256])
        add("steer_ipv4", steered, "route", number, following)
        station = bytes([2, 0, 0, 1, number // 256, number % 256]) if number else GATEWAY
        add("forward", station, "output", number, bytes([2, 0]))
    for number in range(400):
        route = bytes([10, 1, number // 256, number % 256])
        add("routes_ipv4", struct.pack("<I", 32) + route, "route", number, following)
    for number, (address, (mac, port)) in enumerate(stations.items(), 400):
        key = struct.pack("<I", 32) + address.packed
        add("routes_ipv4", key, "route", number, mac[::-1] + bytes(2))
        add("forward", mac, "output", number, struct.pack("<H", port))
    loaded["ports"].update(struct.pack("<I", 2), struct.pack("<I", 1))
    for interface in (0, 1):  # the kernel's test runs have one of these
        loaded["port_numbers"].update(struct.pack("<I", interface), struct.pack("<I", 1))
    return loaded
