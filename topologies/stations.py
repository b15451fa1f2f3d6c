"""Devices and access points inside the air's process, and the way of a frame between them.

Each attachment has a delay line for each direction; its frames live and die with it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from topologies.delayline import Counters, Shape, sources
from topologies.pump import Lane, Lateness

WAYS = ("up", "down")
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
    chance: dict[str, tuple[Random, Random]]
    """Random sources by direction; they go on from one attachment to the next, as does `lateness`."""
    lateness: dict[str, Lateness] = field(default_factory=lambda: {way: Lateness() for way in WAYS})
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
    renumber: Callable[[str], None] = lambda _ap: None
    """Gives the device its addresses at an access point, where it does not keep those that it has."""
    ended: dict[str, Counters] = field(default_factory=lambda: {way: Counters() for way in WAYS})
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
    """Counters and lateness of each direction over all attachments, what was dropped for want of one, where it is."""
    result: dict[str, Any] = {}
    for way in WAYS:
        sums = Counters()
        add(sums, station.ended[way])
        for attachment in station.attached:
            add(sums, (attachment.up if way == "up" else attachment.down).line.counters)
        result[way] = {**vars(sums), **station.lateness[way].stats()}
    return result | {
        "dropped": dict(station.dropped),
        "attaches": station.attaches,
        "attached": [at.cell.name for at in station.attached],
    }


def station(name: str, mac: str, fd: int, radio: RadioShape, seed: int) -> Station:
    """A device that is not attached yet, with random sources of its own."""
    chance = {way: sources(seed, name, way) for way in WAYS}
    return Station(name, bytes.fromhex(mac.replace(":", "")), fd, radio, chance)
