"""Which MEC host serves which device: the one decision that every method carries."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from meclab.scenario import Policy

Trigger = Literal["attach", "load", "failure", "restore", "pin", "prepare", "policy", "start"]
"""Why it is decided: `prepare` before an announced move, `policy` after a change of the policy itself, `start` for a
location before any device is there."""


@dataclass(frozen=True)
class HostState:
    """What the orchestrator knows of a MEC host."""

    load: float = 0.0
    """Share of its capacity in use, 0 to 1."""
    alive: bool = True


@dataclass(frozen=True)
class Decision:
    """The orchestrator's decision for one device, or for a location."""

    device: str
    """The device; with `of_location` the access point."""
    host: str
    previous: str | None
    trigger: Trigger
    reason: str
    """For the audit log, in words."""
    at_ns: int
    of_location: bool = False
    """Whether it is for whoever is at an access point, pins aside: all that an answer by location can carry."""
    ap: str | None = None
    """The access point that it was made for: where the device is, or is about to be."""
    heard_ns: int | None = None
    """When the event that caused it was heard, where that was before (`Policy.delay`)."""

    @property
    def changes(self) -> bool:
        return self.host != self.previous


@dataclass(frozen=True)
class Candidate:
    """A MEC host as seen from a device's access point."""

    host: str
    distance_ns: int
    """One-way delay from the access point to the host, over the configured links."""
    state: HostState


def candidates(distance_ns: Mapping[str, int], hosts: Mapping[str, HostState]) -> tuple[Candidate, ...]:
    """The living hosts, nearest first; ties go to the smaller name."""
    found = [Candidate(host, distance_ns[host], state) for host, state in hosts.items() if state.alive]
    return tuple(sorted(found, key=lambda c: (c.distance_ns, c.host)))


def decide(
    policy: Policy,
    device: str,
    among: tuple[Candidate, ...],
    current: str | None,
    last_change_ns: int | None,
    trigger: Trigger,
    now_ns: int,
) -> Decision | None:
    """The decision for a device, or none where no host is alive.

    `among` comes from `candidates`. A pin wins while its host lives; a host that died is left at once,
    whatever hysteresis and dwell say.
    """
    by_name = {candidate.host: candidate for candidate in among}
    if not by_name:
        return None

    def decision(host: str, reason: str) -> Decision:
        return Decision(device, host, current, trigger, reason, now_ns)

    pinned = policy.pins.get(device)
    if pinned in by_name:
        return decision(pinned, f"pinned to {pinned}")
    best, why = _best(policy, among)
    held = by_name.get(current) if current else None
    if held is None or held.host == best.host:
        return decision(best.host, why)
    if last_change_ns is not None and now_ns - last_change_ns < policy.dwell:
        return decision(held.host, f"{held.host} kept: changed less than the dwell time ago")
    if not _worth_it(policy, held, best):
        return decision(held.host, f"{held.host} kept: {best.host} is not better by more than the hysteresis")
    return decision(best.host, why)


def _best(policy: Policy, among: tuple[Candidate, ...]) -> tuple[Candidate, str]:
    if policy.kind == "least-loaded":
        best = min(among, key=lambda c: (c.state.load, c.distance_ns, c.host))
        return best, f"{best.host} is the least loaded, at {best.state.load:.0%}"
    roomy = [c for c in among if c.state.load <= policy.load_limit]
    best = roomy[0] if roomy else among[0]
    return best, f"{best.host} is the nearest with room, {best.distance_ns / 1e6:.3f} ms away"


def _worth_it(policy: Policy, held: Candidate, best: Candidate) -> bool:
    if policy.kind == "least-loaded":
        return held.state.load - best.state.load > policy.load_margin
    overloaded = held.state.load > policy.load_limit >= best.state.load
    return overloaded or held.distance_ns - best.distance_ns > policy.hysteresis
