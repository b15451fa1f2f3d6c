"""Benchmarks of the P4 data plane: packets, table writes, and a handover on it."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.benchmarks import handover
from experiments.benchmarks.row import Row, at_least, at_most
from experiments.benchmarks.sites import Site, iperf3, pings
from meclab.addressing import GATEWAY_MAC
from meclab.errors import RunError
from topologies import sandbox

Tell = Callable[[str], None]
_SECONDS = 300
_INTERFACE = "x"
_ADDRESSES = "10.20.1.1", "10.20.2.1"
_MACS = "02:00:00:00:00:01", "02:00:00:00:00:02"
"""As `python -m dataplane forward` has them."""


def programs(out: Path, tell: Tell) -> Iterator[Row]:
    """What a packet costs in edge.p4 and in a program written by hand, compile time, table writes over P4Runtime."""
    argv = [sys.executable, "-m", "dataplane", "measure"]
    done = subprocess.run(argv, cwd=sandbox.PROJECT, capture_output=True, text=True, check=False, timeout=_SECONDS)
    if done.returncode != 0:
        raise RunError(done.stderr.strip())
    found: dict[str, float] = json.loads(done.stdout)
    yield at_most("p4", "edge.p4 compiled", found["compile_s"], 3, "s")
    yield Row(benchmark="p4", what="a packet in the program written by hand", measured=f"{found['standin']:.0f} ns")
    for kind in ("udp", "tcp"):
        yield Row(benchmark="p4", what=f"a {kind} packet in edge.p4, 1000 entries", measured=f"{found[kind]:.0f} ns")
        what = f"the same, times that of the program written by hand ({kind})"
        yield at_most("p4", what, found[kind] / found["standin"], 3, "")
    yield at_least("p4", "exact entries written in batches of 1000", found["entries_per_s"], 5000, "entries/s")
    for name, value in found.items():
        if name.startswith("lookup_ns_"):
            what = f"a packet that finds its entry among {name.removeprefix('lookup_ns_')}"
            yield Row(benchmark="p4", what=what, measured=f"{value:.0f} ns")


@contextmanager
def _between(program: str) -> Iterator[tuple[Site, Site]]:
    """Two sites with a program between them; offloads are off everywhere."""
    with Site() as a, Site() as b, Site() as switch:
        for number, (site, mac) in enumerate(zip((a, b), _MACS, strict=True)):
            peer = ("peer", "name", _INTERFACE, "address", mac, "netns", str(site.pid))
            switch.run("ip", "link", "add", f"p{number}", "type", "veth", *peer)
            switch.run("ethtool", "-K", f"p{number}", "tx", "off", "tso", "off", "gso", "off", "gro", "off")
            switch.run("ip", "link", "set", f"p{number}", "up")
            site.address(_INTERFACE, f"{_ADDRESSES[number]}/32")
            other = _ADDRESSES[1 - number]
            via = GATEWAY_MAC if program == "edge" else _MACS[1 - number]
            site.run("ip", "route", "add", f"{other}/32", "dev", _INTERFACE)
            site.run("ip", "neighbour", "add", other, "lladdr", via, "dev", _INTERFACE)
        argv = switch.command(sys.executable, "-m", "dataplane", "forward", program, "p0", "p1")
        pipe = subprocess.PIPE
        process = subprocess.Popen(argv, cwd=sandbox.PROJECT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        assert process.stdout is not None
        try:
            if process.stdout.readline().strip() != "ready":
                raise RunError(process.communicate()[1].strip())
            yield a, b
        finally:
            process.kill()
            process.communicate()


def link(out: Path, tell: Tell) -> Iterator[Row]:
    """TCP throughput and RTT between two veths through edge.p4 with 1 000 entries, and through a plain redirect."""
    rtt_ms = {}
    for program in ("redirect", "edge"):
        with _between(program) as (a, b):
            replies = pings(a, _INTERFACE, _ADDRESSES[1], 500, 0.002)
            rtt_ms[program] = statistics.median(rtt_ns / 1e6 for _, rtt_ns in replies)
            end = iperf3(a, b, _ADDRESSES[1], "-t4", "-O1")["end"]
        gbps = end["sum_received"]["bits_per_second"] / 1e9
        what = f"{program}: TCP through one switch, offloads off"
        if program == "edge":
            yield at_least("p4-link", what, gbps, 3, "Gbit/s")
        else:
            yield Row(benchmark="p4-link", what=what, measured=f"{gbps:.2f} Gbit/s")
        yield Row(benchmark="p4-link", what=f"{program}: RTT, median", measured=f"{rtt_ms[program]:.4f} ms")
    added = rtt_ms["edge"] - rtt_ms["redirect"]
    yield at_most("p4-link", "RTT that edge.p4 adds to a plain redirect", added, 0.02, "ms")


def vip(out: Path, tell: Tell) -> Iterator[Row]:
    """From attach to the decided host's answer on the P4 data plane, and on OpenFlow in the same way."""
    for dataplane in ("p4", "openflow"):
        yield from handover.vip_on(dataplane, out, tell)
