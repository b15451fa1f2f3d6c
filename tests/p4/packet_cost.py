"""What a packet costs in `edge.p4` and in the stand-in written by hand, by `BPF_PROG_TEST_RUN`.

Run as root: `.venv/bin/python tests/p4/packet_cost.py`. Prints the median of many short runs of each, in ns per packet.
"""

import statistics
import struct
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from dataplane.compiler.compiled import compile_program  # noqa: E402
from dataplane.target.bpf import BpfObject  # noqa: E402
from dataplane.target.pipeline import Pipeline, Surroundings  # noqa: E402

GATEWAY = bytes.fromhex("02005e000101")
"""The packet stays the same but for its TTL: its next hop is the gateway again."""
PASSES = 50
"""Fewer than the TTL."""
RUNS = 2000
UDP, TCP = 17, 6


def checksum(header):
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def frame(protocol):
    header = struct.pack("!BBHHHBBH", 0x45, 0, 46, 7, 0, 64, protocol, 0)
    header += bytes([10, 0, 0, 1, 10, 1, 1, 7])
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return GATEWAY + bytes.fromhex("020000000001 0800") + header + bytes(26)


def cost(loaded, packet):
    """Median nanoseconds; the packet leaves each time."""
    assert loaded.test_run(packet).result == 7, "not redirected"
    return statistics.median(loaded.test_run(packet, PASSES).mean_ns for _ in range(RUNS))


def standin():
    """1000 routes."""
    options = ("-target", "bpf", "-mcpu=v3", "-O2", "-g", "-I/usr/include/x86_64-linux-gnu")
    command = ["clang", *options, "-c", "-o", "/dev/stdout"]
    source = Path(__file__).with_name("standin.c")
    made = subprocess.run([*command, source], capture_output=True, check=True, timeout=60)
    loaded = BpfObject(made.stdout, "standin")
    loaded["gateways"].update(GATEWAY + bytes(2), bytes(4))
    for number in range(1000):
        key = struct.pack("<I", 32) + bytes([10, 1, number // 256, number % 256])
        loaded["routes"].update(key, GATEWAY + bytes(6) + struct.pack("<I", 1))
    return loaded


def edge():
    """1000 entries: 300 steered devices, 400 routes, 299 other stations, one gateway."""
    compiled = compile_program(ROOT / "dataplane" / "programs" / "edge.p4")
    loaded = BpfObject(compiled.object, "edge")
    Pipeline(compiled.p4info, compiled.layout, loaded, compiled.bundle.entries, Surroundings())
    actions = {action.name.rpartition(".")[2]: action.number for action in compiled.layout.actions}
    tables = {table.name.rpartition(".")[2]: table for table in compiled.layout.tables}

    def add(name, key, action, index, data=b""):
        record = struct.pack("<II", actions[action], index) + data
        loaded[tables[name].entries].update(key, record.ljust(tables[name].record_size, b"\0"))

    following = GATEWAY[::-1] + bytes(2)
    add("gateways", GATEWAY, "to_gateway", 0)
    for number in range(300):
        add(
            "steer_ipv4",
            struct.pack("<I", 64) + bytes([10, 9, 0, 9, 10, 5, number // 256, number % 256]),
            "route",
            number,
            following,
        )
        station = bytes([2, 0, 0, 1, number // 256, number % 256]) if number else GATEWAY
        add("forward", station, "output", number, bytes([2, 0]))
    for number in range(400):
        address = bytes([10, 1, number // 256, number % 256])
        add("routes_ipv4", struct.pack("<I", 32) + address, "route", number, following)
    loaded["ports"].update(struct.pack("<I", 2), struct.pack("<I", 1))
    for interface in (0, 1):  # the kernel's test runs have one of these
        loaded["port_numbers"].update(struct.pack("<I", interface), struct.pack("<I", 1))
    return loaded


def main():
    with standin() as by_hand, edge() as compiled:
        print(f"stand-in     {cost(by_hand, frame(UDP)):.0f} ns")
        print(f"edge.p4 UDP  {cost(compiled, frame(UDP)):.0f} ns")
        print(f"edge.p4 TCP  {cost(compiled, frame(TCP)):.0f} ns")


if __name__ == "__main__":
    main()
