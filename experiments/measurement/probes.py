"""Probes as captured: every sighting of one at an interface, and one row per probe."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.measurement import frames
from experiments.measurement.frames import UDP, Frames
from experiments.pcapng import Capture, Integers
from meclab.observations import ProbeSeen
from meclab.packets import PROBE_BYTES, PROBE_PORT
from meclab.plan import Plan

_MAGIC = b"MECP"
_LAYOUT = np.dtype(
    {
        "names": ("magic", "version", "kind", "device", "sequence", "sent_ns", "host"),
        "formats": ("S4", "u1", "u1", "S10", ">u4", ">u8", "S12"),
    }
)
"""As `meclab.packets` packs it."""
assert _LAYOUT.itemsize == PROBE_BYTES
_COLUMNS = 7


class Names:
    """Numbers for the names of interfaces, devices and hosts, so that sightings can be arrays of numbers."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        if text not in self._numbers:
            self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return self._numbers[text]

    def numbers(self, texts: NDArray[np.bytes_]) -> Integers:
        """The number of each of many names."""
        unique, inverse = np.unique(texts, return_inverse=True)
        known = np.array([self.number(text.decode(errors="replace")) for text in unique], dtype=np.int64)
        return known[inverse] if len(known) else np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Sightings:
    """Every time a probe passed a captured interface: one element per frame, names as numbers of `names`.

    In order of device, sequence number and time: a probe's way to the host and back is one run of elements.
    """

    names: Names
    time_ns: Integers
    interface: Integers
    device: Integers
    sequence: Integers
    reply: NDArray[np.bool_]
    host: Integers
    """In replies the answering host, else the number of the empty name."""
    frame_bytes: Integers
    """On the wire."""

    def __len__(self) -> int:
        return len(self.time_ns)

    @property
    def same_probe(self) -> NDArray[np.bool_]:
        """Whether an element and the one after it are of the same probe; one shorter than the sightings."""
        return np.asarray((self.device[1:] == self.device[:-1]) & (self.sequence[1:] == self.sequence[:-1]))


def sightings(captures: Sequence[tuple[Capture, Frames]]) -> Sightings:
    """All sightings in a run's captures."""
    names = Names()
    nothing = tuple(np.zeros(0, dtype=np.int64) for _ in range(_COLUMNS))
    parts = [nothing, *(_of_capture(names, capture, decoded) for capture, decoded in captures)]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    time_ns, interface, device, sequence, reply, host, frame_bytes = columns
    order = np.lexsort((time_ns, sequence, device))
    return Sightings(
        names,
        time_ns[order],
        interface[order],
        device[order],
        sequence[order],
        reply[order].astype(np.bool_),
        host[order],
        frame_bytes[order],
    )


def _of_capture(names: Names, capture: Capture, decoded: Frames) -> tuple[Integers, ...]:
    index = frames.matching(decoded, UDP, PROBE_PORT)
    index = index[decoded.payload_bytes[index] >= PROBE_BYTES]
    payload = np.ascontiguousarray(frames.gather(capture.data, decoded.payload[index], PROBE_BYTES))
    rows = payload.view(_LAYOUT).reshape(-1)
    wanted = (rows["magic"] == _MAGIC) & (rows["version"] == 1)
    index, rows = index[wanted], rows[wanted]
    interface_names = np.array([names.number(name) for name in capture.interfaces] or [0], dtype=np.int64)
    return (
        capture.time_ns[index],
        interface_names[capture.interface[index]],
        names.numbers(rows["device"]),
        rows["sequence"].astype(np.int64),
        rows["kind"].astype(np.int64),
        names.numbers(rows["host"]),
        capture.length[index],
    )


def probes(seen: Sightings, plan: Plan) -> list[ProbeSeen]:
    """One row per probe that left its device's interface, in order of device and sequence number."""
    at_device = _own_interface(seen, plan)
    host_of = _host_of_interface(seen, plan)
    requests = _first(seen, at_device & ~seen.reply)
    replies = _first(seen, at_device & seen.reply)
    arrivals = _first(seen, (host_of >= 0) & ~seen.reply)
    answered, arrived = _matches(seen, requests, replies), _matches(seen, requests, arrivals)
    texts = seen.names.texts
    found = []
    for request, reply, arrival in zip(requests.tolist(), answered.tolist(), arrived.tolist(), strict=True):
        found.append(
            ProbeSeen(
                device=texts[seen.device[request]],
                sequence=int(seen.sequence[request]),
                sent_ns=int(seen.time_ns[request]),
                replied_ns=int(seen.time_ns[reply]) if reply >= 0 else None,
                host=texts[seen.host[reply]] if reply >= 0 else "",
                delivered_to=texts[host_of[arrival]] if arrival >= 0 else "",
                delivered_ns=int(seen.time_ns[arrival]) if arrival >= 0 else None,
            )
        )
    return found


def _own_interface(seen: Sightings, plan: Plan) -> NDArray[np.bool_]:
    """Whether a sighting is at the interface of the probe's own device."""
    expected = np.full(len(seen.names.texts) + 1, -1, dtype=np.int64)
    numbers = {name: number for number, name in enumerate(seen.names.texts)}
    for device in plan.devices:
        if device.name in numbers and device.interface in numbers:
            expected[numbers[device.name]] = numbers[device.interface]
    return np.asarray(expected[seen.device] == seen.interface)


def _host_of_interface(seen: Sightings, plan: Plan) -> Integers:
    """The host whose interface a sighting is at; -1 for switches and devices."""
    hosts = np.full(len(seen.names.texts), -1, dtype=np.int64)
    numbers = {name: number for number, name in enumerate(list(seen.names.texts))}
    for node in plan.nodes:
        if node.interface in numbers:
            hosts[numbers[node.interface]] = seen.names.number(node.name)
    return hosts[seen.interface]


def _first(seen: Sightings, wanted: NDArray[np.bool_]) -> Integers:
    """Of the wanted sightings the first of each probe."""
    index = np.flatnonzero(wanted)
    key = _key(seen, index)
    return index[np.concatenate(([True], key[1:] != key[:-1]))] if len(index) else index


def _key(seen: Sightings, index: Integers) -> Integers:
    return (seen.device[index] << 32) | seen.sequence[index]


def _matches(seen: Sightings, of: Integers, among: Integers) -> Integers:
    """For each sighting of one list the one of the same probe in another, or -1; both in order."""
    if not len(among):
        return np.full(len(of), -1, dtype=np.int64)
    keys = _key(seen, among)
    position = np.minimum(np.searchsorted(keys, _key(seen, of)), len(among) - 1)
    return np.where(keys[position] == _key(seen, of), among[position], -1)
