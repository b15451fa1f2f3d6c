"""Probes follow the client, and replies of the server that it has left still count."""

import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from hosts_child import DEADLINE_S

from hosts.device.loop import Loop
from hosts.device.prober import Prober
from hosts.device.records import Log, ProbeRecords
from meclab.packets import probe_reply

FIRST, SECOND, STRANGER = "127.88.6.1", "127.88.6.2", "127.88.6.3"


@pytest.fixture
def servers() -> Iterator[dict[str, socket.socket]]:
    """Silent ones on one port."""
    made = {address: socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for address in (FIRST, SECOND, STRANGER)}
    port = 0
    for address, server in made.items():
        server.settimeout(DEADLINE_S)
        server.bind((address, port))
        port = server.getsockname()[1]
    yield made
    for server in made.values():
        server.close()


class Device:
    """A prober with a loop; each turn is one probe."""

    def __init__(self, folder: Path, port: int) -> None:
        self.records = ProbeRecords(Log(folder / "probes.csv", "sequence,sent_ns,received_ns,host"))
        self.prober = Prober("ue1", "ipv4", 1_000_000, self.records, port)
        self.loop = Loop()
        self.loop.watch(self.prober.timer, self.prober.send_due, first=True)
        self.prober.start(time.monotonic_ns())

    def probe(self) -> None:
        self.loop.turn(DEADLINE_S)

    def take(self) -> None:
        """One reply."""
        self.prober.timer.stop()
        listening = Loop()
        listening.watch(self.prober.socket, self.prober.receive)
        listening.turn(DEADLINE_S)


def test_points_of_the_grid_without_a_server_are_counted_and_not_sent(
    tmp_path: Path, servers: dict[str, socket.socket]
) -> None:
    device = Device(tmp_path, servers[FIRST].getsockname()[1])
    device.probe()
    waited = device.prober.unaddressed
    assert waited > 0
    device.prober.aim(ip_address(FIRST))
    device.probe()
    servers[FIRST].recv(2048)
    assert device.prober.unaddressed == waited
    device.prober.timer.stop()
    device.records.write_all()
    first_row = (tmp_path / "probes.csv").read_text().splitlines()[1]
    assert first_row.split(",")[0] == str(waited)


@pytest.mark.parametrize(("replies", "counts"), [(FIRST, True), (SECOND, True), (STRANGER, False)])
def test_a_reply_counts_from_every_server_so_far(
    tmp_path: Path, servers: dict[str, socket.socket], replies: str, counts: bool
) -> None:
    device = Device(tmp_path, servers[FIRST].getsockname()[1])
    device.prober.aim(ip_address(FIRST))
    device.probe()
    request, sender = servers[FIRST].recvfrom(2048)
    device.prober.aim(ip_address(SECOND))
    device.probe()
    servers[SECOND].recv(2048)
    waiting = device.records.waiting
    servers[replies].sendto(probe_reply(request, b"mec"), sender)
    device.take()
    assert (device.prober.strays, device.records.waiting) == ((0, waiting - 1) if counts else (1, waiting))
