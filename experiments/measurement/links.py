"""Measured against configured delay: every probe is a measurement of every link that it crossed.

A probe's sightings in order of time are its way: two in a row at the two ends of a link are a crossing, two at the
same node a switch. With netem a frame shows at the sender only when it has waited already, so the crossing is taken
from the sighting before that one, at the same node, and contains the node's own forwarding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import SupportsFloat

import numpy as np
from numpy.typing import NDArray

from experiments.measurement.probes import Sightings
from experiments.measurement.topography import Crossing
from experiments.pcapng import Integers

_MISSING = -1


@dataclass(frozen=True)
class Measured:
    """The crossings of all probes; one element each."""

    which: Integers
    """Index into the run's `Crossing`s."""
    delay_ns: Integers
    configured_ns: Integers
    step: Integers
    """Index of the sighting at the sender's interface."""


@dataclass(frozen=True)
class LinkDelay:
    """One direction of a link: a row of `links.csv`."""

    crossing: Crossing
    samples: int
    configured_ms: float
    """Median over the samples."""
    delay_p50_ms: float
    error_p50_ms: float
    """Of the absolute difference, beyond the configured jitter."""
    error_p99_ms: float


def measure(seen: Sightings, crossings: Sequence[Crossing], node_of: dict[str, str]) -> Measured:
    """Every crossing of every probe."""
    which = _crossing_of_step(seen, crossings)
    step = np.flatnonzero(which != _MISSING)
    which = which[step]
    late = np.array([crossing.shown_after_delay for crossing in crossings], dtype=np.bool_)[which]
    entered = np.where(late, step - 1, step)
    nodes = _node_numbers(seen, node_of)
    usable = ~late | ((step > 0) & _same_node(seen, nodes, np.maximum(step, 1)))
    which, step, entered = which[usable], step[usable], entered[usable]
    configured = np.zeros(len(step), dtype=np.int64)
    for number in np.unique(which):
        own = which == number
        configured[own] = crossings[number].configured_ns(seen.time_ns[entered[own]], seen.frame_bytes[step[own]])
    return Measured(which, seen.time_ns[step + 1] - seen.time_ns[entered], configured, step)


def _crossing_of_step(seen: Sightings, crossings: Sequence[Crossing]) -> Integers:
    """For each sighting and its successor the crossing that they are, or `_MISSING`."""
    if len(seen) < 2:
        return np.zeros(0, dtype=np.int64)
    numbers = {name: number for number, name in enumerate(seen.names.texts)}
    width = len(seen.names.texts)
    keys, values = [], []
    for index, crossing in enumerate(crossings):
        if crossing.from_interface in numbers and crossing.to_interface in numbers:
            keys.append(numbers[crossing.from_interface] * width + numbers[crossing.to_interface])
            values.append(index)
    if not keys:
        return np.full(len(seen) - 1, _MISSING, dtype=np.int64)
    order = np.argsort(keys)
    known, meaning = np.array(keys, dtype=np.int64)[order], np.array(values, dtype=np.int64)[order]
    wanted = seen.interface[:-1] * width + seen.interface[1:]
    position = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where((known[position] == wanted) & seen.same_probe, meaning[position], _MISSING)


def _node_numbers(seen: Sightings, node_of: dict[str, str]) -> Integers:
    """The node of each sighting, as a number."""
    names = sorted(set(node_of.values()))
    index = {name: number for number, name in enumerate(names)}
    by_interface = [index.get(node_of.get(text, ""), _MISSING - number) for number, text in enumerate(seen.names.texts)]
    return np.array(by_interface or [_MISSING], dtype=np.int64)[seen.interface]


def _same_node(seen: Sightings, nodes: Integers, step: Integers) -> NDArray[np.bool_]:
    """Whether the sighting before `step` is of the same probe at the same node."""
    return np.asarray(seen.same_probe[step - 1] & (nodes[step - 1] == nodes[step]))


def noise_floor_ms(seen: Sightings, measured: Measured, node_of: dict[str, str]) -> float | None:
    """Median over the probes seen all the way of their RTT less the configured delays of the links they crossed."""
    if len(seen) < 2 or not len(measured.step):
        return None
    nodes = _node_numbers(seen, node_of)
    configured = np.zeros(len(seen) - 1, dtype=np.int64)
    configured[measured.step] = measured.configured_ns
    understood = nodes[:-1] == nodes[1:]
    understood[measured.step] = True
    starts = np.flatnonzero(np.concatenate(([True], ~seen.same_probe)))
    ends = np.concatenate((starts[1:], [len(seen)])) - 1
    whole = (nodes[starts] == nodes[ends]) & (ends > starts) & ~seen.reply[starts] & seen.reply[ends]
    unknown = np.concatenate(([0], np.cumsum(~understood)))
    total = np.concatenate(([0], np.cumsum(configured)))
    whole &= unknown[ends] == unknown[starts]
    if not whole.any():
        return None
    rest = (seen.time_ns[ends] - seen.time_ns[starts]) - (total[ends] - total[starts])
    return round(float(np.median(rest[whole])) / 1e6, 3)


def delays(measured: Measured, crossings: Sequence[Crossing]) -> list[LinkDelay]:
    """One row per direction of a link that a probe crossed, in the order of the crossings."""
    found = []
    for number in np.unique(measured.which):
        crossing = crossings[number]
        own = measured.which == number
        delay, configured = measured.delay_ns[own], measured.configured_ns[own]
        error = _errors_ns(delay, configured, crossing)
        found.append(
            LinkDelay(
                crossing,
                int(own.sum()),
                _ms(np.median(configured)),
                _ms(np.median(delay)),
                _ms(np.percentile(error, 50)),
                _ms(np.percentile(error, 99)),
            )
        )
    return found


def errors_ms(measured: Measured, crossings: Sequence[Crossing]) -> tuple[float, float] | None:
    """(p50, p99) of the delay error over all crossings of links without a rate limit; none where there are none."""
    parts = [
        _errors_ns(measured.delay_ns[own], measured.configured_ns[own], crossings[number])
        for number in np.unique(measured.which)
        if not crossings[number].limited
        for own in (measured.which == number,)
    ]
    if not parts:
        return None
    together = np.concatenate(parts)
    return _ms(np.percentile(together, 50)), _ms(np.percentile(together, 99))


def _errors_ns(delay: Integers, configured: Integers, crossing: Crossing) -> Integers:
    return np.asarray(np.maximum(0, np.abs(delay - configured) - crossing.jitter_ns()))


def _ms(ns: SupportsFloat) -> float:
    return round(float(ns) / 1e6, 4)
