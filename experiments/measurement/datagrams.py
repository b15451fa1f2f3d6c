"""UDP as captured: the datagrams of a port."""

from dataclasses import dataclass

import numpy as np

from experiments.measurement import frames
from experiments.measurement.frames import UDP, Frames
from experiments.pcapng import Capture


@dataclass(frozen=True, slots=True)
class Datagram:
    """One UDP datagram at one interface."""

    time_ns: int
    source: str
    source_port: int
    destination: str
    destination_port: int
    size: int
    """Payload bytes on the wire."""
    payload: bytes
    """As far as captured."""


def datagrams(capture: Capture, decoded: Frames, port: int) -> list[Datagram]:
    """The datagrams from or to a port, in order of time."""
    index = frames.matching(decoded, UDP, port)
    index = index[np.argsort(capture.time_ns[index], kind="stable")]
    return [_datagram(capture, decoded, int(i)) for i in index]


def _datagram(capture: Capture, decoded: Frames, index: int) -> Datagram:
    source, destination = frames.ends(capture.frame(index), int(decoded.family[index]))
    return Datagram(
        time_ns=int(capture.time_ns[index]),
        source=source,
        source_port=int(decoded.source_port[index]),
        destination=destination,
        destination_port=int(decoded.destination_port[index]),
        size=int(decoded.payload_bytes[index]),
        payload=frames.available(capture, decoded, index),
    )
