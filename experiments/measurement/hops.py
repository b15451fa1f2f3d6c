"""One-way delays between switches, from the stamps that they wrote into probes (`meclab.packets.stamps`)."""

import itertools
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path

from experiments import pcapng
from experiments.measurement import datagrams, frames
from meclab.errors import PeerError
from meclab.packets import PROBE_PORT, Stamp, stamps, unpack_probe
from meclab.plan import Plan

Delays = dict[tuple[str, str], list[float]]
"""A switch and the next to the times from one to the other, in ms."""


def delays(plan: Plan, folder: Path) -> Delays:
    """Of every probe that came to a MEC host, as its capture in a run's folder has it."""
    names = {node.dpid: node.name for node in plan.switches}
    found: Delays = {}
    for trail in _trails(folder / "captures" / f"{host.name}.pcapng" for host in plan.mec_hosts):
        for before, after in itertools.pairwise(trail):
            pair = names.get(before.switch, "?"), names.get(after.switch, "?")
            found.setdefault(pair, []).append((after.time_us - before.time_us) / 1000)
    return found


def median_ms(plan: Plan, folder: Path, source: str, target: str) -> float | None:
    """The median time from a switch to the next one; none where no probe went that way."""
    known = delays(plan, folder).get((source, target))
    return statistics.median(known) if known else None


def _trails(captures: Iterable[Path]) -> Iterator[tuple[Stamp, ...]]:
    for path in captures:
        if not path.exists():
            continue
        capture = pcapng.read(path)
        for datagram in datagrams.datagrams(capture, frames.decode(capture), PROBE_PORT):
            if datagram.destination_port == PROBE_PORT and _is_probe(datagram.payload):
                yield stamps(datagram.payload)


def _is_probe(payload: bytes) -> bool:
    try:
        return not unpack_probe(payload).is_reply
    except PeerError:
        return False
