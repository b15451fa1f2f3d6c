"""Where a plan's captured interfaces are, and what the links between them were configured to be, over time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.pcapng import Integers
from meclab.packets import Marker
from meclab.plan import Plan, PlannedLink
from meclab.quantity import duration_ns, rate_bps
from meclab.scenario import LinkShape, Radio

Step = tuple[int, int, int, int | None]
"""From when on (ns), delay in ns, jitter in ns, rate in bit/s."""
Steps = tuple[Step, ...]


@dataclass(frozen=True)
class Crossing:
    """One direction of a link, between two captured interfaces."""

    link: str
    from_node: str
    to_node: str
    from_interface: str
    to_interface: str
    kind: str
    """Class of the link, or `radio`."""
    steps: Steps
    """What it was configured to be, from when on."""
    shown_after_delay: bool
    """Whether a frame that enters the link is captured only when it leaves the link's queue (netem)."""

    @property
    def limited(self) -> bool:
        """Whether a rate was configured at any time: frames may have waited for others."""
        return any(rate is not None for *_, rate in self.steps)

    def configured_ns(self, entered_ns: Integers, frame_bytes: Integers) -> Integers:
        """Delay of frames that entered at these instants, with the time that their own bytes take."""
        step = np.searchsorted([at_ns for at_ns, *_ in self.steps], entered_ns, side="right") - 1
        step = np.maximum(step, 0)
        delays = np.array([delay for _, delay, _, _ in self.steps], dtype=np.int64)[step]
        per_byte = np.array([8e9 / rate if rate else 0.0 for *_, rate in self.steps])[step]
        return np.asarray(delays + (frame_bytes * per_byte).astype(np.int64))

    def jitter_ns(self) -> int:
        return max(jitter for _, _, jitter, _ in self.steps)


def crossings(plan: Plan, markers: Sequence[Marker]) -> tuple[Crossing, ...]:
    """Every direction of every link and of every device's air to every access point."""
    netem = plan.links_kind == "netem"
    found = []
    for link in plan.links:
        over_time = steps(link.shape, markers, link)
        for end, other in ((link.a, link.b), (link.b, link.a)):
            found.append(
                Crossing(link.name, end.node, other.node, end.interface, other.interface, link.kind, over_time, netem)
            )
    for device in plan.devices:
        over_time = steps(device.radio)
        for point in plan.access_points:
            name = f"{device.name}-{point.name}"
            ends = (device.name, device.interface), (point.name, point.interface)
            for (a, a_interface), (b, b_interface) in (ends, ends[::-1]):
                found.append(Crossing(name, a, b, a_interface, b_interface, "radio", over_time, False))
    return tuple(found)


def node_of_interface(plan: Plan) -> dict[str, str]:
    """The node that each interface belongs to."""
    nodes = {end.interface: end.node for link in plan.links for end in (link.a, link.b)}
    nodes |= {point.interface: point.name for point in plan.access_points}
    return nodes | {device.interface: device.name for device in plan.devices}


def steps(shape: LinkShape | Radio, markers: Sequence[Marker] = (), link: PlannedLink | None = None) -> Steps:
    """What a link was configured to be over time: its shape, and the changes of it among the markers."""
    delay_ns, jitter_ns, rate = shape.delay, shape.jitter, shape.rate
    found: list[Step] = [(0, delay_ns, jitter_ns, rate)]
    for marker in markers:
        if link is None or not _changes(marker, link):
            continue
        fields = marker.fields
        delay_ns = duration_ns(fields["delay"]) if "delay" in fields else delay_ns
        jitter_ns = duration_ns(fields["jitter"]) if "jitter" in fields else jitter_ns
        rate = rate_bps(fields["rate"]) if "rate" in fields else rate
        found.append((marker.at_ns, delay_ns, jitter_ns, rate))
    return tuple(found)


def _changes(marker: Marker, link: PlannedLink) -> bool:
    names = (f"{link.a.node}-{link.b.node}", f"{link.b.node}-{link.a.node}")
    return marker.event == "link" and marker.fields.get("link") in names
