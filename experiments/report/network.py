"""The network pictures of a page: the plan, and for each method the way of packets before and after the move."""

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.report import palette, paths, topology, words
from experiments.report.drawing import Picture
from experiments.report.topology import Way
from experiments.results import HandoverResult
from meclab.plan import Plan

WIDE = 720.0
"""Pictures of networks wider than this, in their own units, take the page's whole width."""


@dataclass(frozen=True)
class Route:
    """One method's ways, drawn and in words."""

    label: str
    picture: Picture
    before: str
    """`ap1 → edge1 → mec1 (RTT 7.3 ms)`."""
    after: str


def whole(plan: Plan) -> Picture:
    """The network with its delays and devices."""
    return topology.picture(plan, "topology", f"Network of the scenario {plan.scenario}: sites, core, cloud")


def is_wide(picture: Picture | None) -> bool:
    """Whether a network is too wide for two pictures beside each other."""
    return picture is not None and picture.width > WIDE


def delays(plan: Plan) -> str:
    """Delays that a small picture may leave out: `access 1 ms, local 0.5 ms`."""
    found: dict[str, set[int]] = {}
    for link in plan.links:
        found.setdefault(link.kind, set()).add(link.shape.delay)
    found["radio"] = {device.radio.delay for device in plan.devices}
    found["management"] = {plan.management.shape.delay}
    return ", ".join(f"{kind} {_range(values)}" for kind, values in found.items() if values)


def _range(values: set[int]) -> str:
    low, high = min(values) / 1e6, max(values) / 1e6
    return f"{low:.3g} ms" if low == high else f"{low:.3g}–{high:.3g} ms"


def route(plan: Plan, label: str, name: str, handover: HandoverResult) -> Route | None:
    """The ways of one handover; none where access points are unknown to the plan."""
    known = {ap.name for ap in plan.access_points}
    if handover.from_ap not in known or handover.to_ap not in known:
        return None
    ways, told = [], []
    ends = (
        (handover.from_ap, _server_before(plan, handover), handover.rtt_before_ms),
        (handover.to_ap, handover.served_by, handover.rtt_after_ms),
    )
    for (ap, server, rtt_ms), (colour, dashed, side) in zip(ends, _STROKES, strict=True):
        if ap is None or server is None or all(node.name != server for node in plan.nodes):
            told.append("nobody answered")
            continue
        path = paths.to_server(plan, ap, server)
        ways.append(Way((f"{ap}/devices", *path), colour, dashed, side))
        told.append(f"{' → '.join(path)}, RTT {words.number(rtt_ms)} ms")
    if not ways:
        return None
    described = f"{label}: before the move {told[0]}; after it {told[1]}"
    return Route(label, topology.picture(plan, name, described, ways, [handover.device]), told[0], told[1])


_STROKES = ((palette.BLUE, False, -topology.SIDE), (palette.VERMILLION, True, topology.SIDE))


def _server_before(plan: Plan, handover: HandoverResult) -> str | None:
    """Who served before the move: `cloud` and `sticky` never follow a decision."""
    match plan.method.name:
        case "cloud":
            return "cloud"
        case "sticky":
            return plan.device(handover.device).initial_host
        case _:
            return handover.from_host


def same(plans: Sequence[Plan]) -> bool:
    """Whether all runs have one network."""
    return len({(tuple((node.name, node.ipv4) for node in plan.nodes), plan.links) for plan in plans}) <= 1
