"""Benchmark of the authoritative DNS server: its answers by client subnet beside those of dnslib's own server.

dnsperf sends, from a file of whole messages, a query for each of a thousand client subnets in turn. Server and
dnsperf have a core each. While dnsperf loads the server, a second client compares answers byte by byte.
"""

import contextlib
import os
import re
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from experiments.benchmarks.row import Row, at_least, at_most
from meclab.errors import RunError, SetupError

Tell = Callable[[str], None]
SUBNETS = 1_000
ROUNDS = 3
SECONDS = 5
TARGET = 5
"""Times the answers per second of dnslib's server."""
_OUTSTANDING, _CLIENTS = 100, 4
_ADDRESS = "127.0.0.1"
_READY_S, _ANSWER_S = 20, 5
_NAME = b"\x03app\x04edge\x07example\0"
_TTL_S, _PAYLOAD, _PREFIX_LENGTH = 10, 1232, 24
_FIRST_CLIENT, _FIRST_HOST = IPv4Address("100.64.0.0"), IPv4Address("10.1.0.0")
"""As `hosts.naming.loopback` has them."""


@dataclass(frozen=True)
class Load:
    """What dnsperf found."""

    answers_per_s: float
    sent: int
    lost: int
    wrong: int
    """Answers with a response code other than NOERROR."""


def answers(out: Path, tell: Tell) -> Iterator[Row]:
    """Answers per second of the naming server over 1 000 client subnets, and of dnslib's own server, on one core."""
    if shutil.which("dnsperf") is None:
        raise SetupError("dnsperf is not installed: apt-get install dnsperf")
    ours: list[Load] = []
    theirs: list[Load] = []
    compared = different = 0
    with tempfile.TemporaryDirectory() as folder:
        queries = Path(folder) / "queries"
        queries.write_bytes(b"".join(_framed(query(number)) for number in range(SUBNETS)))
        for number in range(ROUNDS):
            theirs.append(_measure(queries, ["--dnslib"])[0])
            load, seen, wrong = _measure(queries, [])
            ours.append(load)
            compared, different = compared + seen, different + wrong
            tell(f"  round {number + 1}: {load.answers_per_s:.0f}/s, dnslib {theirs[-1].answers_per_s:.0f}/s")
    yield from _rows(ours, theirs, compared, different)


def _rows(ours: Sequence[Load], theirs: Sequence[Load], compared: int, different: int) -> Iterator[Row]:
    speed, reference = (statistics.median(load.answers_per_s for load in loads) for loads in (ours, theirs))
    what = f"{SUBNETS} client subnets, median of {ROUNDS} x {SECONDS} s"
    yield Row(
        benchmark="adns",
        what=f"{what}: the naming server, dnslib's DNSServer",
        measured=f"{speed:.0f} answers/s, {reference:.0f} answers/s",
    )
    yield at_least("adns", f"{what}: times dnslib's DNSServer", speed / reference, TARGET, "")
    sent = sum(load.sent for load in ours)
    yield at_most("adns", f"lost of {sent} queries", sum(load.lost for load in ours), 0, "")
    wrong = different + sum(load.wrong for load in ours)
    yield at_most("adns", f"wrong, {compared} answers compared byte by byte under load", wrong, 0, "")


def _measure(queries: Path, options: Sequence[str]) -> tuple[Load, int, int]:
    """The load's result; of dnslib's server, whose answers may differ in bytes, nothing is compared."""
    with _server(options) as port:
        command = ["dnsperf", "-B", "-d", str(queries), "-s", _ADDRESS, "-p", str(port), "-l", str(SECONDS)]
        command += ["-q", str(_OUTSTANDING), "-c", str(_CLIENTS)]
        pinned = [*_on(_cores()[1]), *command]
        with subprocess.Popen(pinned, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as perf:
            compared, different = (0, 0) if options else _compare(port)
            said, _ = perf.communicate(timeout=SECONDS + _READY_S)
    return _read(said), compared, different


def _cores() -> tuple[list[int], list[int]]:
    """The server's core, and those left for dnsperf; the same where there is one."""
    first, *others = sorted(os.sched_getaffinity(0))
    return [first], others or [first]


def _on(cores: Sequence[int]) -> list[str]:
    """The start of a command that runs on some cores, all its threads from their first instruction on."""
    return ["taskset", "--cpu-list", ",".join(map(str, cores))]


@contextlib.contextmanager
def _server(options: Sequence[str]) -> Iterator[int]:
    """The port of a server on a core of its own, until the block ends."""
    with socket.create_server((_ADDRESS, 0)) as probe:
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "hosts.naming.loopback", str(port), "--subnets", str(SUBNETS), *options]
    with subprocess.Popen([*_on(_cores()[0]), *command], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None, "it is a pipe"
        try:
            if server.stdout.readline() != "ready\n":
                raise RunError(f"{' '.join(command)} ended with status {server.wait()} before it served")
            yield port
        finally:
            server.terminate()


def _compare(port: int) -> tuple[int, int]:
    """How many answers came, one for each subnet, and how many are not what they must be; a missing one is wrong."""
    different = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(_ANSWER_S)
        client.connect((_ADDRESS, port))
        for number in range(SUBNETS):
            client.send(query(number))
            try:
                different += client.recv(65_535) != expected(number)
            except TimeoutError:
                different += 1
    return SUBNETS, different


def query(number: int) -> bytes:
    """The query for the n-th client subnet (RFC 7871 section 6)."""
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 1) + _NAME + b"\0\1\0\1" + _opt(number, 0)


def expected(number: int) -> bytes:
    """Its answer: the subnet's own address, with the subnet's length as scope."""
    head = struct.pack("!HHHHHH", number, 0x8500, 1, 1, 0, 1)
    record = struct.pack("!HHHIH", 0xC00C, 1, 1, _TTL_S, 4) + (_FIRST_HOST + number).packed
    return head + _NAME + b"\0\1\0\1" + record + _opt(number, _PREFIX_LENGTH)


def _opt(number: int, scope: int) -> bytes:
    address = (_FIRST_CLIENT + 256 * number).packed[:3]
    option = struct.pack("!HHHBB", 8, 4 + len(address), 1, _PREFIX_LENGTH, scope) + address
    return b"\0" + struct.pack("!HHIH", 41, _PAYLOAD, 0, len(option)) + option


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


def _read(said: str) -> Load:
    """The figures in dnsperf's report; raises `RunError` for another text."""
    wanted = {
        "sent": r"Queries sent: +(\d+)",
        "completed": r"Queries completed: +(\d+)",
        "rate": r"Queries per second: +([\d.]+)",
    }
    found = {name: re.search(pattern, said) for name, pattern in wanted.items()}
    figures = {name: float(match.group(1)) for name, match in found.items() if match}
    if len(figures) < len(wanted):
        raise RunError(f"dnsperf said: {said[-500:]}")
    good = re.search(r"NOERROR (\d+)", said)
    sent, completed = int(figures["sent"]), int(figures["completed"])
    return Load(figures["rate"], sent, sent - completed, completed - int(good.group(1) if good else 0))
