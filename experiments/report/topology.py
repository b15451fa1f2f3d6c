"""The picture of a plan's network: nodes, links with their delays, and the way of packets before and after a move."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from experiments.report import layout, palette
from experiments.report.drawing import FONTS, Picture
from experiments.report.environment import templates
from experiments.report.layout import Layout, Point
from meclab.plan import Plan, PlannedLink, PlannedNode

SIDE = 4.0
"""How far a path is drawn beside the line of its link."""
SHORTEST_LABELLED = 70.0
"""A link shorter than this on paper carries no label."""
_SYMBOLS = frozenset({"ap", "edge", "core", "mec", "cloud", "ops"})
LABELLED_LINKS = 30
"""With more links than this only paths are labelled, not delays."""


@dataclass(frozen=True)
class Way:
    """A path to draw."""

    nodes: tuple[str, ...]
    """First the devices' place (`AP/devices`), then the access point, at last the server."""
    colour: str
    dashed: bool
    side: float
    """Which side of the links it is drawn at, in units; to the right in its direction where positive."""


@dataclass(frozen=True)
class Text:
    """Words in the picture."""

    x: float
    y: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True)
class Group:
    """The devices at one access point."""

    at: Point
    access_point: Point
    name: Text
    colour: str


def picture(plan: Plan, name: str, description: str, ways: Sequence[Way] = (), devices: Sequence[str] = ()) -> Picture:
    """The network; with `ways` it is drawn faintly below them, and links carry no delays.

    `devices` are the ones whose ways are drawn; without them every access point shows its own.
    """
    placed = layout.place(plan)
    touched = {node for way in ways for node in way.nodes} or set(placed.places)
    plain = _plain(plan)
    delays = not ways and len(plan.links) <= LABELLED_LINKS
    svg = (
        templates()
        .get_template("topology.svg.j2")
        .render(
            layout=placed,
            lines=[(placed.places[link.a.node], placed.places[link.b.node]) for link in plan.links],
            nodes=[(node, placed.places[node.name], node.name in touched, _icon(node, plain)) for node in plan.nodes],
            names=[_name(placed, node, node.name in plain, not ways) for node in plan.nodes if node.name in touched],
            delays=[text for link in plan.links if (text := _delay(placed, link))] if delays else [],
            groups=_groups(plan, placed, ways, devices),
            ways=[(way, _drawn(placed, way)) for way in ways],
            description=description,
            c=palette,
            fonts=FONTS,
        )
    )
    return Picture(name, description, svg)


def _icon(node: PlannedNode, plain: frozenset[str]) -> str:
    """Name of the symbol in the template."""
    if node.name in plain:
        return "plain"
    return node.role if node.role in _SYMBOLS else "service"


def _plain(plan: Plan) -> frozenset[str]:
    """Edges with neither access point nor MEC host."""
    joined = [{link.a.node, link.b.node} for link in plan.links if link.kind in ("access", "local")]
    return frozenset(node.name for node in plan.by_role("edge") if not any(node.name in pair for pair in joined))


def _delay(placed: Layout, link: PlannedLink) -> Text | None:
    """A link's one-way delay beside its middle; nothing where the link is too short for it, or leads to a service."""
    if link.kind in ("services", "control") or "fwd" in (link.a.node[:3], link.b.node[:3]):
        return None
    (ax, ay), (bx, by) = placed.places[link.a.node], placed.places[link.b.node]
    if math.hypot(bx - ax, by - ay) < SHORTEST_LABELLED:
        return None
    nx, ny = _normal((ax, ay), (bx, by))
    nx, ny = (nx, ny) if (ny, nx) < (0.3, 0) or nx > 0.95 else (-nx, -ny)
    anchor = "middle" if abs(nx) < 0.3 else "start" if nx > 0 else "end"
    x, y = (ax + bx) / 2 + 7 * nx, (ay + by) / 2 + 7 * ny + (3.5 if abs(nx) > 0.3 else 0)
    return Text(round(x, 1), round(y, 1), f"{link.shape.delay / 1e6:.3g} ms", anchor)


def _name(placed: Layout, node: PlannedNode, plain: bool, with_label: bool) -> Text:
    """A node's name on the side that the layout leaves free for it; of a plain edge only its label."""
    text = f"{node.name} {node.label}" if with_label and node.label and node.role == "edge" else node.name
    text = node.label if plain and with_label and node.label else text
    away = {"core": 22.0, "cloud": 21.0}.get(node.role, 9.0 if plain else 18.0)
    return _beside(placed, node.name, text, away)


def _beside(placed: Layout, name: str, text: str, away: float) -> Text:
    (x, y), (dx, dy) = placed.places[name], placed.sides.get(name, (0.0, 1.0))
    if abs(dx) < 0.5:
        return Text(x, round(y + (away + 11 if dy > 0 else -away - 3), 1), text)
    return Text(
        round(x + math.copysign(away + 2, dx), 1), round(y + 4 + 16 * dy, 1), text, "start" if dx > 0 else "end"
    )


def _groups(plan: Plan, placed: Layout, ways: Sequence[Way], devices: Sequence[str]) -> list[Group]:
    """The devices at each access point at the start; with ways, the moving device at each way's start."""
    if ways:
        label = devices[0] if len(devices) == 1 else f"{len(devices)} devices"
        spots = {way.nodes[1]: way for way in reversed(ways) if len(way.nodes) > 1}
        return [_group(placed, ap, label, way.colour) for ap, way in spots.items()]
    found = []
    for ap in plan.access_points:
        here = [device.name for device in plan.devices if device.ap == ap.name]
        if here:
            label = here[0] if len(here) == 1 else f"{len(here)} devices"
            found.append(_group(placed, ap.name, label, palette.INK))
    return found


def _group(placed: Layout, access_point: str, label: str, colour: str) -> Group:
    spot = f"{access_point}/devices"
    return Group(placed.places[spot], placed.places[access_point], _beside(placed, spot, label, 12.0), colour)


def _drawn(placed: Layout, way: Way) -> str:
    """The way as an SVG path, beside the lines of its links."""
    points = [placed.places[name] for name in way.nodes]
    normals = [_normal(a, b) for a, b in pairwise(points)]
    shifted = []
    for i, (x, y) in enumerate(points):
        before, after = normals[max(i - 1, 0)], normals[min(i, len(normals) - 1)]
        along = 1.0 + before[0] * after[0] + before[1] * after[1]
        dx, dy = after if along < 0.3 else ((before[0] + after[0]) / along, (before[1] + after[1]) / along)
        shifted.append((x + way.side * dx, y + way.side * dy))
    return "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in shifted)


def _normal(a: Point, b: Point) -> Point:
    """Unit vector to the right of the direction from a to b, on paper."""
    length = math.hypot(b[0] - a[0], b[1] - a[1]) or 1.0
    return (-(b[1] - a[1]) / length, (b[0] - a[0]) / length)
