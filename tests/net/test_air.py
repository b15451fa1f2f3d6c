"""The air over real interfaces: a device that moves between two access points."""

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from experiments.benchmarks.sites import Site
from meclab.packets import Marker, unpack_marker
from meclab.scenario import Radio
from topologies import tap
from topologies.air import AirDevice, AirPoint, AirProcess
from topologies.remote import RefusedError

pytestmark = pytest.mark.net

DEVICE_MAC, GATEWAY_MAC = "02:00:00:01:00:01", "02:00:00:00:00:99"
WAIT_S = 10.0


class Air:
    """A device and two access points that answer alike, and the lab's ends of markers and events."""

    def __init__(self, radio: Radio, folder: Path, stack: ExitStack) -> None:
        self.device, *self.points = (stack.enter_context(Site()) for _ in range(3))
        self.markers = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.markers.bind(("127.0.0.1", 0))
        self.markers.settimeout(WAIT_S)
        self.orchestrator = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.orchestrator.settimeout(WAIT_S)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect(self.markers.getsockname())
            self.process = AirProcess(
                [AirDevice("ue1", DEVICE_MAC, tap.open_tap("x", self.device.pid, DEVICE_MAC), radio)],
                [AirPoint(f"ap{n}", tap.open_tap("x", site.pid, GATEWAY_MAC)) for n, site in enumerate(self.points, 1)],
                1,
                sender.fileno(),
                self.orchestrator.getsockname(),
                folder / "air.log",
            )
        stack.callback(self.process.stop)
        for site, address in zip((self.device, *self.points), ("10.0.0.1", "10.0.0.2", "10.0.0.2"), strict=True):
            site.address("x", f"{address}/24")
        self.device.run("ip", "neighbour", "add", "10.0.0.2", "lladdr", GATEWAY_MAC, "dev", "x")
        for site in self.points:
            site.run("ip", "neighbour", "add", "10.0.0.1", "lladdr", DEVICE_MAC, "dev", "x")
        self.process.ready()

    def marker(self) -> Marker:
        return unpack_marker(self.markers.recv(2048))

    def settle(self) -> None:
        deadline = time.monotonic() + WAIT_S
        while self.process.moving():
            assert time.monotonic() < deadline

    def answered(self, count: int = 5) -> int:
        """How many of so many echo requests come back."""
        words = ("ping", "-n", "-q", "-W1", "-i0.01", f"-c{count}", "10.0.0.2")
        done = subprocess.run(self.device.command(*words), capture_output=True, text=True, check=False)
        return int(done.stdout.partition(" received")[0].split()[-1])


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Air]]:
    with ExitStack() as stack:
        yield lambda **radio: Air(Radio(**radio), tmp_path, stack)


Make = Callable[..., Air]


def test_a_device_hears_nothing_until_it_is_attached_and_keeps_its_carrier(make: Make) -> None:
    air = make(delay="1ms")
    assert air.answered(2) == 0
    air.process.attach("ue1", "ap1")
    assert air.answered() == 5
    air.process.detach("ue1")
    assert air.answered(2) == 0
    assert "LOWER_UP" in air.device.run("ip", "link", "show", "x")


def test_a_break_before_make_handover_marks_both_instants_and_lasts_its_interruption(make: Make) -> None:
    air = make(delay="1ms", interruption="60ms")
    attached_ns = air.process.attach("ue1", "ap1")
    began_ns = air.process.handover("ue1", "ap2")
    first, detach, attach = (air.marker() for _ in range(3))
    assert (first.event, first.at_ns, first.fields) == (
        "attach",
        attached_ns,
        {"device": "ue1", "ap": "ap1", "from_ap": None},
    )
    assert (detach.event, detach.at_ns, detach.fields) == ("detach", began_ns, {"device": "ue1", "ap": "ap1"})
    assert (attach.event, attach.fields) == ("attach", {"device": "ue1", "ap": "ap2", "from_ap": "ap1"})
    assert 59_000_000 < attach.at_ns - detach.at_ns < 120_000_000
    air.settle()
    assert air.process.attached("ue1") == ["ap2"]
    assert air.answered() == 5


def test_a_make_before_break_handover_loses_nothing(make: Make) -> None:
    air = make(delay="1ms", handover="make-before-break", overlap="50ms")
    air.process.attach("ue1", "ap1")
    words = ("ping", "-n", "-q", "-W1", "-i0.002", "-c200", "10.0.0.2")
    with subprocess.Popen(air.device.command(*words), stdout=subprocess.PIPE, text=True) as ping:
        for target in ("ap2", "ap1", "ap2"):
            air.process.handover("ue1", target)
            air.settle()
        assert " 0% packet loss" in ping.communicate(timeout=WAIT_S)[0]
    events = [(marker.event, marker.fields["ap"]) for marker in (air.marker() for _ in range(3))]
    assert events == [("attach", "ap1"), ("attach", "ap2"), ("detach", "ap1")]


def test_the_orchestrator_hears_of_every_attach_on_a_kept_connection(make: Make) -> None:
    air = make(interruption="1ms")
    at_ns = [air.process.attach("ue1", "ap1")]
    told: list[dict[str, Any]] = []
    connections = [air.orchestrator.accept()[0] for _ in range(4)]
    for connection in connections:
        connection.setblocking(False)
    deadline = time.monotonic() + WAIT_S
    while len(told) < 2:
        assert time.monotonic() < deadline
        for connection in connections:
            try:
                request = connection.recv(4096)
            except BlockingIOError:
                continue
            assert request.startswith(b"POST /v1/attachments HTTP/1.1\r\n")
            told.append(json.loads(request.partition(b"\r\n\r\n")[2]))
            connection.send(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            if len(told) == 1:
                air.process.handover("ue1", "ap2")
    for connection in connections:
        connection.close()
    assert told[0] == {"device": "ue1", "ap": "ap1", "at_ns": at_ns[0], "sequence": 1}
    assert (told[1]["ap"], told[1]["sequence"]) == ("ap2", 2)


def test_what_cannot_be_done_is_refused(make: Make) -> None:
    air = make()
    with pytest.raises(RefusedError, match="no device ue7; there are ue1"):
        air.process.handover("ue7", "ap1")
    air.process.attach("ue1", "ap1")
    with pytest.raises(RefusedError, match="already"):
        air.process.handover("ue1", "ap1")
    assert air.process.stats()["devices"]["ue1"]["attached"] == ["ap1"]
