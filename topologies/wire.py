"""Wired links in user space: one process moves every link's frames through delay lines between pairs of TAPs.

`WireProcess` is the parent's side; `python -m topologies.wire` is the process.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topologies import calibration, delayline
from topologies.delayline import DelayLine, Shape
from topologies.pump import Lane, Pump
from topologies.realtime import Realtime, no_collections
from topologies.remote import Handler, RefusedError, Remote, answerer

if TYPE_CHECKING:
    from meclab.scenario import LinkShape

DIRECTIONS = ("ab", "ba")


@dataclass(frozen=True)
class WireEnds:
    """A link: the descriptors of its two TAPs, and the shape of each direction."""

    name: str
    fd_a: int
    fd_b: int
    shape: "LinkShape"


def plain(shape: "LinkShape") -> Shape:
    """The shape in plain numbers."""
    return Shape(shape.delay, shape.jitter, shape.loss, shape.rate, shape.queue, shape.reorder)


class WireProcess:
    """Every wired link of a network, in a process of its own."""

    def __init__(self, ends: Sequence[WireEnds], seed: int, log: Path) -> None:
        """Starts the process and gives it the descriptors, which are closed here; `ready` tells when it serves."""
        links = [{"name": e.name, "fds": [e.fd_a, e.fd_b], "shape": asdict(plain(e.shape))} for e in ends]
        fds = [fd for e in ends for fd in (e.fd_a, e.fd_b)]
        self._remote = Remote("topologies.wire", {"links": links, "seed": seed}, fds, log)
        for fd in fds:
            os.close(fd)

    @property
    def pid(self) -> int:
        return self._remote.pid

    @property
    def status(self) -> int | None:
        """Its exit status (negative for a signal); none while it runs."""
        return self._remote.status

    def ready(self, seconds: float = 5) -> None:
        """Waits until frames flow."""
        self._remote.ready(seconds)

    def change(self, name: str, shape: "LinkShape") -> int:
        """Gives a link a new shape; when that was (CLOCK_REALTIME, ns). Frames on the way stay as they are."""
        return int(self._remote.request("change", name=name, shape=asdict(plain(shape))))

    def down(self, name: str) -> int:
        """Cuts a link; when that was. Frames on the way are lost; the interfaces keep their carrier."""
        return int(self._remote.request("down", name=name))

    def up(self, name: str) -> int:
        """Joins a link again; when that was."""
        return int(self._remote.request("up", name=name))

    def stats(self) -> dict[str, Any]:
        """The process (`scheduling`, `load`, …) and, by link and direction (`ab`, `ba`), `Lane.stats`."""
        result: dict[str, Any] = self._remote.request("stats")
        return result

    def stop(self) -> None:
        """Ends the process, and with it the interfaces."""
        self._remote.stop()


class Wires:
    """The links inside the process."""

    def __init__(self, pump: Pump, links: Sequence[dict[str, Any]], seed: int) -> None:
        self._lanes: dict[str, tuple[Lane, Lane]] = {}
        for link in links:
            name, fds = link["name"], link["fds"]
            lines = [DelayLine(Shape(**link["shape"]), *delayline.sources(seed, name, way)) for way in DIRECTIONS]
            lanes = Lane(pump, lines[0], fds[1]), Lane(pump, lines[1], fds[0])
            for fd, lane in zip(fds, lanes, strict=True):
                pump.reader(fd, lane.put)
            self._lanes[name] = lanes

    def change(self, name: str, shape: dict[str, Any]) -> int:
        for lane in self._link(name):
            lane.line.change(Shape(**shape))
        return time.time_ns()

    def down(self, name: str) -> int:
        for lane in self._link(name):
            lane.line.down()
        return time.time_ns()

    def up(self, name: str) -> int:
        for lane in self._link(name):
            lane.line.up()
        return time.time_ns()

    def stats(self) -> dict[str, Any]:
        return {
            name: {way: lane.stats() for way, lane in zip(DIRECTIONS, lanes, strict=True)}
            for name, lanes in self._lanes.items()
        }

    def _link(self, name: str) -> tuple[Lane, Lane]:
        if name not in self._lanes:
            raise RefusedError(f"no link {name}; there are {', '.join(self._lanes)}")
        return self._lanes[name]


def process_stats(realtime: Realtime, pump: Pump) -> dict[str, Any]:
    """What a process that serves lanes tells of itself: scheduling, load, wake-up cost taken off every delay."""
    return realtime.stats() | asdict(pump.cost)


def main() -> None:
    config = json.load(sys.stdin)
    realtime = Realtime()
    pump = Pump(calibration.measure(realtime))
    wires = Wires(pump, config["links"], config["seed"])
    handlers: dict[str, Handler] = {"change": wires.change, "down": wires.down, "up": wires.up}
    handlers["stats"] = lambda: {"process": process_stats(realtime, pump), "links": wires.stats()}
    no_collections()
    pump.watch(config["control"], answerer(config["control"], handlers, pump.stop))
    pump.run(realtime)


if __name__ == "__main__":
    main()
