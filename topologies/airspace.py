"""The radio side inside the air's process: which device is attached where, and what that means for its frames.

Each attachment has a delay line for each direction; its frames live and die with it. Attach and detach take effect
between two frames, and a marker leaves at that instant.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from meclab.packets import Marker
from topologies.delayline import Counters, DelayLine, Shape, sources
from topologies.pump import Lane, Pump
from topologies.remote import RefusedError

_GROUP = 1
"""Bit of a MAC's first byte: for more than one receiver."""


@dataclass(frozen=True)
class RadioShape:
    """`meclab.scenario.Radio` in plain numbers."""

    line: Shape
    handover: Literal["break-before-make", "make-before-break"]
    interruption_ns: int
    overlap_ns: int
    forward: bool


@dataclass
class Station:
    """A device on the air."""

    name: str
    mac: bytes
    fd: int
    radio: RadioShape
    chance: dict[str, Any]
    """Random sources by direction; they go on from one attachment to the next."""
    attached: list["Attachment"] = field(default_factory=list)
    """Oldest first; frames from the device go to the last."""
    left: str | None = None
    """Access point that it left last."""
    moving: bool = False
    attaches: int = 0
    held: list[bytes] = field(default_factory=list)
    """`forward`: frames that wait for the next attachment, and their `held_bytes`."""
    held_bytes: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    ended: dict[str, Counters] = field(default_factory=lambda: {"up": Counters(), "down": Counters()})
    """Sums over the attachments that have ended."""


@dataclass
class Cell:
    """An access point's radio."""

    name: str
    fd: int
    attached: dict[bytes, "Attachment"] = field(default_factory=dict)
    forwards: dict[bytes, Station] = field(default_factory=dict)
    """Devices that left and whose frames go after them."""
    dropped: int = 0
    """Frames for devices that are not attached here."""


@dataclass
class Attachment:
    """A device at an access point."""

    cell: Cell
    up: Lane
    down: Lane


class Airspace:
    """Every device and access point. `mark` sends a marker, `notify` tells of an attach; both must not wait."""

    def __init__(
        self,
        pump: Pump,
        stations: Sequence[Station],
        cells: Sequence[Cell],
        mark: Callable[[bytes], None],
        notify: Callable[[dict[str, Any]], None],
    ) -> None:
        self._pump, self._mark, self._notify = pump, mark, notify
        self._stations = {station.name: station for station in stations}
        self._cells = {cell.name: cell for cell in cells}
        for station in stations:
            pump.reader(station.fd, lambda frames, now_ns, station=station: uplink(station, frames, now_ns))
        for cell in cells:
            pump.reader(cell.fd, lambda frames, now_ns, cell=cell: downlink(cell, frames, now_ns))

    def attach(self, device: str, ap: str) -> int:
        """Attaches a device, beside where it is attached already; when that was (CLOCK_REALTIME)."""
        station, cell = self._free(device), self._cell(ap)
        if any(at.cell is cell for at in station.attached):
            raise RefusedError(f"{device} is attached to {ap} already")
        return self._attach(station, cell)

    def detach(self, device: str, ap: str | None = None) -> int:
        """Detaches a device from one access point, or from all of them."""
        station = self._free(device)
        ended = [at for at in station.attached if ap in (None, at.cell.name)]
        if not ended:
            raise RefusedError(f"{device} is not attached to {ap or 'any access point'}")
        return [self._detach(station, at) for at in ended][-1]

    def handover(self, device: str, ap: str) -> int:
        """Begins to move a device as its radio says; when that was. It goes on by itself."""
        station, cell = self._free(device), self._cell(ap)
        if not station.attached:
            raise RefusedError(f"{device} is not attached to any access point")
        if any(at.cell is cell for at in station.attached):
            raise RefusedError(f"{device} is attached to {ap} already")
        station.moving = True
        if station.radio.handover == "make-before-break":
            old = list(station.attached)
            at_ns = self._attach(station, cell)
            self._later(station, station.radio.overlap_ns, lambda: [self._detach(station, at) for at in old])
        else:
            at_ns = [self._detach(station, at) for at in list(station.attached)][-1]
            self._later(station, station.radio.interruption_ns, lambda: self._attach(station, cell))
        return at_ns

    def attached(self, device: str) -> list[str]:
        """The access points a device is attached to, the newest last."""
        return [at.cell.name for at in self._station(device).attached]

    def moving(self) -> list[str]:
        """The devices whose handover is not over."""
        return [station.name for station in self._stations.values() if station.moving]

    def stats(self) -> dict[str, Any]:
        """`devices` by name and direction, and frames dropped at each of the `access_points`."""
        return {
            "devices": {name: station_stats(station) for name, station in self._stations.items()},
            "access_points": {name: {"dropped_not_attached": cell.dropped} for name, cell in self._cells.items()},
        }

    def _later(self, station: Station, after_ns: int, act: Callable[[], object]) -> None:
        def finish(due_ns: int, now_ns: int) -> None:
            act()
            station.moving = False

        self._pump.at(time.monotonic_ns() + after_ns, finish)

    def _attach(self, station: Station, cell: Cell) -> int:
        came_from = station.attached[-1].cell.name if station.attached else station.left
        lines = {way: DelayLine(station.radio.line, *station.chance[way]) for way in ("up", "down")}
        attachment = Attachment(
            cell, Lane(self._pump, lines["up"], cell.fd), Lane(self._pump, lines["down"], station.fd)
        )
        station.attached.append(attachment)
        cell.attached[station.mac] = attachment
        cell.forwards.pop(station.mac, None)
        at_ns = time.time_ns()
        self._mark(Marker("attach", at_ns, {"device": station.name, "ap": cell.name, "from_ap": came_from}).pack())
        station.attaches += 1
        self._notify({"device": station.name, "ap": cell.name, "at_ns": at_ns, "sequence": station.attaches})
        if station.held:
            attachment.down.put(station.held, time.monotonic_ns())
            station.held, station.held_bytes = [], 0
        return at_ns

    def _detach(self, station: Station, attachment: Attachment) -> int:
        cell = attachment.cell
        station.attached.remove(attachment)
        del cell.attached[station.mac]
        station.left = cell.name
        at_ns = time.time_ns()
        self._mark(Marker("detach", at_ns, {"device": station.name, "ap": cell.name}).pack())
        station.dropped["up_in_flight"] += len(attachment.up.line.clear())
        in_flight = attachment.down.line.clear()
        if station.radio.forward:
            cell.forwards[station.mac] = station
            pass_on(station, in_flight, time.monotonic_ns())
        else:
            station.dropped["down_in_flight"] += len(in_flight)
        for way, lane in (("up", attachment.up), ("down", attachment.down)):
            add(station.ended[way], lane.line.counters)
        return at_ns

    def _station(self, device: str) -> Station:
        if device not in self._stations:
            raise RefusedError(f"no device {device}; there are {', '.join(self._stations)}")
        return self._stations[device]

    def _free(self, device: str) -> Station:
        station = self._station(device)
        if station.moving:
            raise RefusedError(f"{device} is in the middle of a handover")
        return station

    def _cell(self, ap: str) -> Cell:
        if ap not in self._cells:
            raise RefusedError(f"no access point {ap}; there are {', '.join(self._cells)}")
        return self._cells[ap]


def uplink(station: Station, frames: Sequence[bytes], now_ns: int) -> None:
    """Frames that a device sends: to the access point it attached to last, or nowhere."""
    if station.attached:
        station.attached[-1].up.put(frames, now_ns)
    else:
        station.dropped["up_detached"] += len(frames)


def downlink(cell: Cell, frames: Sequence[bytes], now_ns: int) -> None:
    """Frames that come to an access point: by destination MAC; group addresses go to every device here."""
    batches: dict[bytes, list[bytes]] = {}
    for frame in frames:
        if frame[0] & _GROUP:
            for mac in cell.attached:
                batches.setdefault(mac, []).append(frame)
        else:
            batches.setdefault(frame[:6], []).append(frame)
    for mac, batch in batches.items():
        if (attachment := cell.attached.get(mac)) is not None:
            attachment.down.put(batch, now_ns)
        elif (station := cell.forwards.get(mac)) is not None:
            pass_on(station, batch, now_ns)
        else:
            cell.dropped += len(batch)


def pass_on(station: Station, frames: Sequence[bytes], now_ns: int) -> None:
    """Frames for a device that has left, to where it is; held while it is nowhere, as many as its queue takes.

    MODEL: the way from the old access point to the new one takes no time.
    """
    if station.attached:
        station.attached[-1].down.put(frames, now_ns)
        return
    for frame in frames:
        if station.held_bytes + len(frame) > station.radio.line.queue_bytes:
            station.dropped["down_held"] += 1
        else:
            station.held.append(frame)
            station.held_bytes += len(frame)


def add(sums: Counters, counters: Counters) -> None:
    """Adds counters to sums (the largest of queues)."""
    for name, value in vars(counters).items():
        before = getattr(sums, name)
        setattr(sums, name, max(before, value) if name == "max_queue_bytes" else before + value)


def station_stats(station: Station) -> dict[str, Any]:
    """Counters of each direction over all attachments, what was dropped for want of one, where it is."""
    result: dict[str, Any] = {}
    for way in ("up", "down"):
        sums = Counters()
        add(sums, station.ended[way])
        for attachment in station.attached:
            add(sums, (attachment.up if way == "up" else attachment.down).line.counters)
        result[way] = vars(sums)
    return result | {
        "dropped": dict(station.dropped),
        "attaches": station.attaches,
        "attached": [at.cell.name for at in station.attached],
    }


def station(name: str, mac: str, fd: int, radio: RadioShape, seed: int) -> Station:
    """A device that is not attached yet, with random sources of its own."""
    chance = {way: sources(seed, name, way) for way in ("up", "down")}
    return Station(name, bytes.fromhex(mac.replace(":", "")), fd, radio, chance)
