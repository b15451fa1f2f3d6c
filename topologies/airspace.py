"""The moves inside the air's process: attach, detach, and handovers that time themselves.

They take effect between two frames, and a marker leaves at that instant.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from meclab.packets import Marker
from topologies import stations as radio
from topologies.delayline import DelayLine
from topologies.pump import Lane, Pump
from topologies.remote import RefusedError
from topologies.stations import WAYS, Attachment, Cell, Station


class Airspace:
    """Every device and access point. `mark` sends a marker, `notify` tells of an attach; both must not wait."""

    def __init__(
        self,
        pump: Pump,
        stations: Sequence[Station],
        cells: Sequence[Cell],
        mark: Callable[[bytes], None],
        notify: Callable[[dict[str, Any]], None],
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._pump, self._mark, self._notify, self._clock = pump, mark, notify, clock
        self._stations = {station.name: station for station in stations}
        self._cells = {cell.name: cell for cell in cells}
        for station in stations:
            pump.reader(station.fd, partial(radio.uplink, station))
        for cell in cells:
            pump.reader(cell.fd, partial(radio.downlink, cell))

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
        began_ns = self._clock()
        if station.radio.handover == "make-before-break":
            old = list(station.attached)
            at_ns = self._attach(station, cell)
            self._later(station, began_ns + station.radio.overlap_ns, lambda: [self._detach(station, at) for at in old])
        else:
            at_ns = [self._detach(station, at) for at in list(station.attached)][-1]
            self._later(station, began_ns + station.radio.interruption_ns, lambda: self._attach(station, cell))
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
            "devices": {name: radio.station_stats(station) for name, station in self._stations.items()},
            "access_points": {name: {"dropped_not_attached": cell.dropped} for name, cell in self._cells.items()},
        }

    def _later(self, station: Station, at_ns: int, act: Callable[[], object]) -> None:
        def finish(due_ns: int, now_ns: int) -> None:
            act()
            station.moving = False

        self._pump.at(at_ns, finish)

    def _attach(self, station: Station, cell: Cell) -> int:
        station.renumber(cell.name)
        came_from = station.attached[-1].cell.name if station.attached else station.left
        to = {"up": cell.fd, "down": station.fd}
        up, down = (
            Lane(self._pump, DelayLine(station.radio.line, *station.chance[way]), to[way], station.lateness[way])
            for way in WAYS
        )
        attachment = Attachment(cell, up, down)
        station.attached.append(attachment)
        cell.attached[station.mac] = attachment
        cell.forwards.pop(station.mac, None)
        at_ns = time.time_ns()
        self._mark(Marker("attach", at_ns, {"device": station.name, "ap": cell.name, "from_ap": came_from}).pack())
        station.attaches += 1
        self._notify({"device": station.name, "ap": cell.name, "at_ns": at_ns, "sequence": station.attaches})
        if station.held:
            attachment.down.put(station.held, self._clock())
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
            radio.pass_on(station, in_flight, self._clock())
        else:
            station.dropped["down_in_flight"] += len(in_flight)
        for way, lane in (("up", attachment.up), ("down", attachment.down)):
            radio.add(station.ended[way], lane.line.counters)
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
