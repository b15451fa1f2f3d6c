"""The air: which device is attached to which access point, and the radio between them, in one process.

`AirProcess` is the parent's side; `python -m topologies.air` is the process. A detach never toggles a carrier. The
orchestrator hears of each attach from a second process (`topologies.notifier`), so that a slow orchestrator never
holds frames up.
"""

import contextlib
import json
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topologies import calibration, stations
from topologies.airspace import Airspace
from topologies.delayline import Shape
from topologies.pump import Pump
from topologies.realtime import Realtime, no_collections
from topologies.remote import Handler, Remote, answerer
from topologies.renumbering import Messages, Renumbering
from topologies.stations import Cell, RadioShape
from topologies.wire import process_stats

if TYPE_CHECKING:
    from meclab.scenario import Radio


@dataclass(frozen=True)
class Numbers:
    """How a device gets other addresses at each access point (`renumbering.Renumbering`)."""

    fd: int
    """A netlink socket in its namespace."""
    start: str
    """The access point whose addresses it has."""
    arrive: Messages
    leave: Messages


@dataclass(frozen=True)
class AirDevice:
    """A device: its MAC and the descriptor of its TAP."""

    name: str
    mac: str
    fd: int
    radio: "Radio"
    numbers: Numbers | None = None
    """None where it keeps its addresses."""


@dataclass(frozen=True)
class AirPoint:
    """An access point: the descriptor of its radio's TAP."""

    name: str
    fd: int


def plain(radio: "Radio") -> RadioShape:
    """The radio in plain numbers."""
    line = Shape(radio.delay, radio.jitter, radio.loss, radio.rate, radio.queue)
    return RadioShape(line, radio.handover, radio.interruption, radio.overlap, radio.forward)


class AirProcess:
    """The air of a network, in a process of its own, and the notifier in another."""

    def __init__(
        self,
        devices: Sequence[AirDevice],
        access_points: Sequence[AirPoint],
        seed: int,
        markers_fd: int,
        orchestrator: tuple[str, int],
        log: Path,
    ) -> None:
        """Starts the processes with nobody attached; the TAPs' descriptors are closed here, `markers_fd` is not.

        `orchestrator` is its address as seen from the caller's network namespace.
        """
        events, heard = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        config = {
            "devices": [
                {"name": d.name, "mac": d.mac, "fd": d.fd, "radio": asdict(plain(d.radio))}
                | {"numbers": asdict(d.numbers) if d.numbers is not None else None}
                for d in devices
            ],
            "access_points": [{"name": ap.name, "fd": ap.fd} for ap in access_points],
            "seed": seed,
            "markers": markers_fd,
            "events": events.fileno(),
        }
        fds = [device.fd for device in devices] + [ap.fd for ap in access_points]
        fds += [device.numbers.fd for device in devices if device.numbers is not None]
        listener = {"orchestrator": list(orchestrator), "events": heard.fileno()}
        with events, heard:
            self._remote = Remote("topologies.air", config, [*fds, markers_fd, events.fileno()], log)
            self._notifier = Remote(
                "topologies.notifier", listener, [heard.fileno()], log.with_name(f"notifier-{log.name}")
            )
        for fd in fds:
            os.close(fd)

    @property
    def pid(self) -> int:
        return self._remote.pid

    @property
    def status(self) -> int | None:
        """The air's exit status, or else the notifier's; none while both run."""
        return self._remote.status if self._remote.status is not None else self._notifier.status

    def ready(self, seconds: float = 5) -> None:
        """Waits until frames flow and attaches would be told."""
        self._remote.ready(seconds)
        self._notifier.ready(seconds)

    def attach(self, device: str, ap: str) -> int:
        """Attaches a device; when that was (CLOCK_REALTIME, ns), as its marker says.

        Raises `RefusedError` for names nobody knows, where it is attached already, and in the middle of a handover.
        """
        return int(self._remote.request("attach", device=device, ap=ap))

    def detach(self, device: str, ap: str | None = None) -> int:
        """Detaches a device from one access point, or from all; errors as for `attach`."""
        return int(self._remote.request("detach", device=device, ap=ap))

    def handover(self, device: str, ap: str) -> int:
        """Begins a handover and returns when it began; the air times the rest. Errors as for `attach`."""
        return int(self._remote.request("handover", device=device, ap=ap))

    def attached(self, device: str) -> list[str]:
        """The access points a device is attached to, the newest last."""
        return list(self._remote.request("attached", device=device))

    def moving(self) -> list[str]:
        """The devices in the middle of a handover."""
        return list(self._remote.request("moving"))

    def stats(self) -> dict[str, Any]:
        """`process`, `devices`, `access_points` (`Airspace.stats`) and `notifier` (`notifier.Notifier.stats`)."""
        result: dict[str, Any] = self._remote.request("stats")
        return result | {"notifier": self._notifier.request("stats")}

    def stop(self) -> None:
        """Ends both processes, and with them the interfaces."""
        self._remote.stop()
        self._notifier.stop()


def main() -> None:
    config = json.load(sys.stdin)
    realtime = Realtime()
    pump = Pump(calibration.measure(realtime))
    events = socket.socket(fileno=config["events"])
    events.setblocking(False)

    def mark(payload: bytes) -> None:
        with contextlib.suppress(ConnectionRefusedError):  # an ICMP error of an earlier one
            os.write(config["markers"], payload)

    def notify(event: dict[str, Any]) -> None:
        try:
            events.send(json.dumps(event).encode())
        except OSError as error:
            print(f"attach not told to the orchestrator ({error}): {event}", file=sys.stderr, flush=True)

    devices = [
        stations.station(d["name"], d["mac"], d["fd"], radio_shape(d["radio"]), config["seed"])
        for d in config["devices"]
    ]
    for station, device in zip(devices, config["devices"], strict=True):
        if (numbers := device["numbers"]) is not None:
            station.renumber = Renumbering(station.name, **numbers).move
    air = Airspace(pump, devices, [Cell(ap["name"], ap["fd"]) for ap in config["access_points"]], mark, notify)
    handlers: dict[str, Handler] = {
        name: getattr(air, name) for name in ("attach", "detach", "handover", "attached", "moving")
    }
    handlers["stats"] = lambda: {"process": process_stats(realtime, pump), **air.stats()}
    no_collections()
    pump.watch(config["control"], answerer(config["control"], handlers, pump.stop))
    pump.run(realtime)


def radio_shape(plain_radio: dict[str, Any]) -> RadioShape:
    """The radio as it came over the parent's JSON."""
    return RadioShape(**{**plain_radio, "line": Shape(**plain_radio["line"])})


if __name__ == "__main__":
    main()
