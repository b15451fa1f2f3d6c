"""Attach, detach and handover, and where frames go meanwhile, with no interface and no loop."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import pytest

from meclab.packets import unpack_marker
from topologies.airspace import Airspace
from topologies.delayline import Shape
from topologies.pump import Take
from topologies.remote import RefusedError
from topologies.stations import Cell, RadioShape, station

MAC = bytes.fromhex("020000010001")
OTHER = bytes.fromhex("020000010002")
GROUP = bytes.fromhex("333300000001")


class FakePump:
    """Keeps what is to be done, and does it when told that time has passed."""

    departure_ns = 0

    def __init__(self) -> None:
        self.now_ns = 0
        self.readers: dict[int, Take] = {}
        self.agenda: list[tuple[int, int, Callable[[int, int], None]]] = []

    def reader(self, fd: int, take: Take) -> None:
        self.readers[fd] = take

    def at(self, due_ns: int, act: Callable[[int, int], None]) -> None:
        self.agenda.append((due_ns, len(self.agenda), act))

    def pass_ns(self, after_ns: int) -> None:
        """Lets time pass, and does what is due in it."""
        last_ns = self.now_ns + after_ns
        while self.agenda and min(self.agenda)[0] <= last_ns:
            entry = min(self.agenda)
            self.agenda.remove(entry)
            self.now_ns = entry[0]
            entry[2](entry[0], entry[0])
        self.now_ns = last_ns


class Air:
    """An air of two devices and two access points over pipes."""

    def __init__(self, handover: Literal["break-before-make", "make-before-break"], forward: bool = False) -> None:
        radio = RadioShape(Shape(delay_ns=2_000_000, queue_bytes=300), handover, 30_000_000, 50_000_000, forward)
        self.pipes = {name: os.pipe2(os.O_NONBLOCK) for name in ("ue1", "ue2", "ap1", "ap2")}
        self.pump, self.markers, self.events = FakePump(), list[bytes](), list[dict[str, Any]]()
        self.devices = [
            station("ue1", MAC.hex(":"), self.pipes["ue1"][1], radio, 1),
            station("ue2", OTHER.hex(":"), self.pipes["ue2"][1], radio, 1),
        ]
        cells = [Cell(name, self.pipes[name][1]) for name in ("ap1", "ap2")]
        self.space = Airspace(
            self.pump,  # type: ignore[arg-type]
            self.devices,
            cells,
            self.markers.append,
            self.events.append,
            lambda: self.pump.now_ns,
        )

    def send(self, name: str, *frames: bytes) -> None:
        """Frames come in at a device or an access point."""
        self.pump.readers[self.pipes[name][1]](list(frames), self.pump.now_ns)

    def settle(self) -> None:
        self.pump.pass_ns(3_000_000)

    def got(self, name: str) -> bytes:
        """What has come out at a device or an access point since the last look."""
        try:
            return os.read(self.pipes[name][0], 1 << 16)
        except BlockingIOError:
            return b""

    def told(self) -> list[tuple[str, str, str | None]]:
        markers = [unpack_marker(payload) for payload in self.markers]
        return [(m.event, m.fields["ap"], m.fields.get("from_ap")) for m in markers]


@pytest.fixture
def make() -> Iterator[Callable[..., Air]]:
    made: list[Air] = []

    def one(*arguments: Any, **named: Any) -> Air:
        made.append(Air(*arguments, **named))
        return made[-1]

    yield one
    for air in made:
        for pipe in air.pipes.values():
            for fd in pipe:
                os.close(fd)


Make = Callable[..., Air]


def to(mac: bytes, *rest: bytes) -> Sequence[bytes]:
    return [mac + bytes(8) + text for text in rest]


def test_frames_cross_both_ways_once_attached_and_not_before(make: Make) -> None:
    air = make("break-before-make")
    air.send("ue1", b"lost")
    air.space.attach("ue1", "ap1")
    air.send("ue1", b"up")
    air.send("ap1", *to(MAC, b"down"))
    air.settle()
    assert air.got("ap1") == b"up"
    assert air.got("ue1").endswith(b"down")
    assert air.space.stats()["devices"]["ue1"]["dropped"] == {"up_detached": 1}


def test_downlink_frames_go_by_mac_and_group_frames_to_all(make: Make) -> None:
    air = make("break-before-make")
    air.space.attach("ue1", "ap1")
    air.space.attach("ue2", "ap1")
    air.send("ap1", *to(OTHER, b"one"), *to(GROUP, b"all"), *to(bytes(6), b"nobody"))
    air.settle()
    assert air.got("ue1") == to(GROUP, b"all")[0]
    assert air.got("ue2") == to(OTHER, b"one")[0] + to(GROUP, b"all")[0]
    assert air.space.stats()["access_points"]["ap1"] == {"dropped_not_attached": 1}


def test_break_before_make_detaches_then_attaches_and_loses_what_is_in_flight(make: Make) -> None:
    air = make("break-before-make")
    air.space.attach("ue1", "ap1")
    air.send("ue1", b"up")
    air.send("ap1", *to(MAC, b"down"))
    air.space.handover("ue1", "ap2")
    assert air.space.attached("ue1") == [] and air.space.moving() == ["ue1"]
    air.send("ue1", b"into the void")
    air.send("ap1", *to(MAC, b"too late"))
    air.pump.pass_ns(31_000_000)
    assert air.space.attached("ue1") == ["ap2"] and air.space.moving() == []
    assert air.told() == [("attach", "ap1", None), ("detach", "ap1", None), ("attach", "ap2", "ap1")]
    assert [(event["ap"], event["sequence"]) for event in air.events] == [("ap1", 1), ("ap2", 2)]
    assert (air.got("ap1"), air.got("ap2"), air.got("ue1")) == (b"", b"", b"")
    stats = air.space.stats()
    assert stats["devices"]["ue1"]["dropped"] == {"up_in_flight": 1, "down_in_flight": 1, "up_detached": 1}
    assert stats["access_points"]["ap1"] == {"dropped_not_attached": 1}


def test_forwarding_delivers_in_order_what_the_old_access_point_still_gets(make: Make) -> None:
    air = make("break-before-make", forward=True)
    air.space.attach("ue1", "ap1")
    air.send("ap1", *to(MAC, b"1"))
    air.space.handover("ue1", "ap2")
    air.send("ap1", *to(MAC, b"2"))
    air.pump.pass_ns(31_000_000)
    air.send("ap1", *to(MAC, b"3"))
    air.send("ap2", *to(MAC, b"4"))
    air.settle()
    assert air.got("ue1").replace(MAC + bytes(8), b"") == b"1234"


def test_what_is_held_for_forwarding_is_bounded_by_the_queue(make: Make) -> None:
    air = make("break-before-make", forward=True)
    air.space.attach("ue1", "ap1")
    air.space.detach("ue1")
    air.send("ap1", *to(MAC, *[bytes(86)] * 5))
    assert air.space.stats()["devices"]["ue1"]["dropped"]["down_held"] == 2
    air.space.attach("ue1", "ap2")
    air.settle()
    assert len(air.got("ue1")) == 300


def test_make_before_break_keeps_both_downlinks_and_moves_the_uplink_at_once(make: Make) -> None:
    air = make("make-before-break")
    air.space.attach("ue1", "ap1")
    air.space.handover("ue1", "ap2")
    assert air.space.attached("ue1") == ["ap1", "ap2"]
    air.send("ue1", b"up")
    air.send("ap1", *to(MAC, b"old"))
    air.send("ap2", *to(MAC, b"new"))
    air.settle()
    assert (air.got("ap1"), air.got("ap2")) == (b"", b"up")
    assert air.got("ue1").replace(MAC + bytes(8), b"") == b"oldnew"
    air.pump.pass_ns(51_000_000)
    assert air.space.attached("ue1") == ["ap2"]
    assert air.told() == [("attach", "ap1", None), ("attach", "ap2", "ap1"), ("detach", "ap1", None)]


@pytest.mark.parametrize(
    ("op", "arguments", "says"),
    [
        ("handover", ("ue1", "ap1"), "attached to ap1 already"),
        ("handover", ("ue9", "ap1"), "no device ue9; there are ue1, ue2"),
        ("handover", ("ue1", "ap9"), "no access point ap9; there are ap1, ap2"),
        ("handover", ("ue2", "ap1"), "not attached to any"),
        ("attach", ("ue1", "ap1"), "attached to ap1 already"),
        ("detach", ("ue1", "ap2"), "not attached to ap2"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(
    make: Make, op: str, arguments: tuple[str, ...], says: str
) -> None:
    air = make("break-before-make")
    air.space.attach("ue1", "ap1")
    with pytest.raises(RefusedError, match=says):
        getattr(air.space, op)(*arguments)
    assert air.space.attached("ue1") == ["ap1"] and len(air.markers) == 1


@pytest.mark.parametrize("kind", ["break-before-make", "make-before-break"])
def test_a_handover_during_one_is_refused(make: Make, kind: str) -> None:
    air = make(kind)
    air.space.attach("ue1", "ap1")
    air.space.handover("ue1", "ap2")
    with pytest.raises(RefusedError, match="in the middle of a handover"):
        air.space.handover("ue1", "ap1")
    air.pump.pass_ns(60_000_000)
    air.space.handover("ue1", "ap1")


@pytest.mark.parametrize("handover", ["break-before-make", "make-before-break"])
def test_a_device_is_renumbered_before_anybody_hears_of_its_attach(make: Make, handover: Any) -> None:
    air = make(handover)
    heard: list[tuple[str, int]] = []
    air.devices[0].renumber = lambda ap: heard.append((ap, len(air.told())))
    air.space.attach("ue1", "ap1")
    air.space.handover("ue1", "ap2")
    air.pump.pass_ns(60_000_000)
    attaches = [(ap, number) for number, (event, ap, _) in enumerate(air.told()) if event == "attach"]
    assert heard == attaches
