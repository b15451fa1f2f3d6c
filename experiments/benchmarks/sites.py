"""Bare network namespaces to measure links in, without a lab around them."""

import json
import socket
import struct
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from meclab.errors import RunError
from topologies import namespaces

_SO_TIMESTAMPNS = 35
_ETH_P_ALL = 3
_ICMP_REQUEST, _ICMP_REPLY = 8, 0


class Site:
    """A network namespace, gone when the process that made it lets go of it or ends."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(["unshare", "-n", "cat"], stdin=subprocess.PIPE)
        own = Path("/proc/self/ns/net").readlink()
        deadline = time.monotonic() + 5
        while Path(f"/proc/{self.pid}/ns/net").readlink() == own:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RunError("unshare -n made no network namespace")
            time.sleep(0.001)

    def __enter__(self) -> "Site":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        return self._process.pid

    def command(self, *words: str) -> list[str]:
        """The command line that runs a command in here."""
        return ["nsenter", "-t", str(self.pid), "-n", *words]

    def run(self, *words: str) -> str:
        """Output of a command in here; raises `RunError` where it fails."""
        done = subprocess.run(self.command(*words), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RunError(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def address(self, interface: str, address: str) -> None:
        """Gives an interface an address and sets it up, transmit offloads off."""
        self.run("ip", "address", "add", address, "dev", interface)
        self.run("ip", "link", "set", interface, "up")
        self.run("ethtool", "-K", interface, "tx", "off", "tso", "off", "gso", "off", "gro", "off")

    def sniffer(self, interface: str, ethertype: int = _ETH_P_ALL) -> socket.socket:
        """A non-blocking packet socket with the kernel's time stamps."""
        with namespaces.network_of(self.pid):
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(ethertype))
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            sock.bind((interface, ethertype))
        return sock


def received(sock: socket.socket) -> list[tuple[int, bytes]]:
    """What waits at a sniffer: (CLOCK_REALTIME ns, frame)."""
    frames: list[tuple[int, bytes]] = []
    while True:
        try:
            frame, ancillary, _, _ = sock.recvmsg(2048, 64)
        except BlockingIOError:
            return frames
        seconds, ns = struct.unpack("qq", ancillary[0][2][:16])
        frames.append((seconds * 1_000_000_000 + ns, frame))


def pings(site: Site, interface: str, destination: str, count: int, interval_s: float) -> list[tuple[int, int]]:
    """(sequence number, RTT in ns) of echo requests as a capture at the interface sees them, in order of reply."""
    with site.sniffer(interface) as sock:
        ping = site.command("ping", "-n", "-q", "-W1", f"-c{count}", f"-i{interval_s}", destination)
        subprocess.run(ping, capture_output=True, check=False)
        sent: dict[int, int] = {}
        replies = []
        for at_ns, frame in received(sock):
            if frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_ICMP:
                continue
            sequence = int.from_bytes(frame[40:42], "big")
            if frame[34] == _ICMP_REQUEST:
                sent[sequence] = at_ns
            elif frame[34] == _ICMP_REPLY:
                replies.append((sequence, at_ns - sent[sequence]))
    return replies


def iperf3(client: Site, server: Site, destination: str, *arguments: str) -> dict[str, Any]:
    """iperf3's own result of one transfer from `client` to `server`."""
    process = subprocess.Popen(server.command("iperf3", "-s", "-1"), stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 5
        while ":5201" not in server.run("ss", "-Hltn"):
            if time.monotonic() > deadline:
                raise RunError("iperf3 -s does not listen")
            time.sleep(0.01)
        result: dict[str, Any] = json.loads(client.run("iperf3", "-J", "-c", destination, *arguments))
        return result
    finally:
        process.kill()
        process.wait()
