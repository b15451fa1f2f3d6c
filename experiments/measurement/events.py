"""The run's markers, as captured."""

import contextlib
from dataclasses import dataclass

from experiments.measurement import frames
from experiments.measurement.frames import UDP, Frames
from experiments.pcapng import Capture
from meclab.errors import PeerError
from meclab.packets import MARKER_PORT, Marker, unpack_marker
from meclab.plan import MARKER_INTERFACE


@dataclass(frozen=True)
class MarkerSeen:
    """A marker frame."""

    index: int
    """Of its frame in the capture."""
    captured_ns: int
    marker: Marker


def markers(capture: Capture, decoded: Frames) -> list[MarkerSeen]:
    """The markers of a capture in order of the instants they stand for; frames that are none are passed over."""
    found = []
    for index in frames.matching(decoded, UDP, MARKER_PORT):
        if capture.interfaces[capture.interface[index]] != MARKER_INTERFACE:
            continue
        with contextlib.suppress(PeerError):
            marker = unpack_marker(frames.available(capture, decoded, index))
            found.append(MarkerSeen(int(index), int(capture.time_ns[index]), marker))
    return sorted(found, key=lambda seen: seen.marker.at_ns)
