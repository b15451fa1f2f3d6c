"""Where each node of a plan is drawn: computed from the plan alone, the same every time.

Two sites or one stand beside each other under the core; a ring is a circle around the core; any other
network is laid out so that distances on paper follow delays (stress majorisation, Gansner, Koren and
North 2004). Access points and MEC hosts stand at their edge, on its free side.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from meclab.plan import Plan, PlannedLink

Point = tuple[float, float]
Points = NDArray[np.float64]
SPACING = 118.0
"""A link of typical delay, in the picture's units; least distance of the edges of a ring."""
BUSY, PLAIN = 76.0, 32.0
"""What a backbone node with something standing at it, or without, keeps free around itself."""
ARM = 62.0
"""From a backbone node to what stands at it."""
SMALLEST = (440.0, 300.0)
"""Least size of a picture, so that a small network is not drawn large."""
MARGIN = 64.0
_STEPS = 300
_SERVICE_PITCH = 72.0
_MANY_ARMS = 4
"""With more than so many standing at one node, they stand farther out."""


@dataclass(frozen=True)
class Layout:
    """Positions in a picture of `width` by `height`, y downwards."""

    width: float
    height: float
    places: dict[str, Point]
    sides: dict[str, Point]
    """Unit vector from a node to where its name is written; below it where there is none."""


def place(plan: Plan) -> Layout:
    """Positions of every node and of every access point's group of devices (`AP/devices`)."""
    edges = [node.name for node in plan.by_role("edge")]
    backbone = {link.name: link for link in plan.links if {link.a.node, link.b.node} <= {*edges, "core"}}
    between = [link for link in backbone.values() if "core" not in (link.a.node, link.b.node)]
    sides: dict[str, Point] = {}
    if not between:
        places = _beside(plan, edges, sides)
    else:
        ring = _ring(edges, between)
        places = _circle(ring) if ring else _by_delay(plan, [*edges, "core"], list(backbone.values()))
        _arms(plan, places, sides, list(backbone.values()))
    return _framed(places, sides)


def _attached(plan: Plan, node: str) -> list[str]:
    """What is joined to a backbone node and is not backbone itself, in the plan's order."""
    found = []
    for link in plan.links:
        for here, there in ((link.a.node, link.b.node), (link.b.node, link.a.node)):
            if here == node and plan.node(there).role not in ("edge", "core"):
                found.append(there)
    return found


def _beside(plan: Plan, edges: Sequence[str], sides: dict[str, Point]) -> dict[str, Point]:
    """Sites in columns under the core: edge, its MEC host to the outer side, its access point below."""
    pitch = 250.0 if len(edges) <= 2 else 170.0
    middle = (len(edges) - 1) / 2
    places: dict[str, Point] = {"core": (middle * pitch, 0.0)}
    places["cloud"] = (middle * pitch, -92.0)
    places["ops"] = (middle * pitch + 125.0, -20.0)
    sides |= {"core": (-1.0, 0.0), "cloud": (1.0, 0.0)}
    _services(plan, places, sides)
    for i, edge in enumerate(edges):
        x, outer = i * pitch, -1 if i < middle else 1
        places[edge] = (x, 96.0)
        sides[edge] = (-outer, 0.5)
        below, beside = 0, 0
        for name in _attached(plan, edge):
            if plan.node(name).role == "ap":
                places[name] = (x + 70.0 * below, 190.0)
                places[f"{name}/devices"] = (x + 70.0 * below, 268.0)
                sides[name] = (-outer, 0.0)
                below += 1
            else:
                places[name] = (x + outer * 92.0, 96.0 + 60.0 * beside)
                beside += 1
    return {name: point for name, point in places.items() if "/" in name or any(name == n.name for n in plan.nodes)}


def _services(plan: Plan, places: dict[str, Point], sides: dict[str, Point]) -> None:
    """What else stands at the core, in a row with the cloud, to the left of it and to the right in turn."""
    x, y = places["cloud"]
    others = [name for name in _attached(plan, "core") if name not in places]
    for i, name in enumerate(others):
        places[name] = (x + (-1, 1)[i % 2] * _SERVICE_PITCH * (1 + i // 2), y)
        sides[name] = (0.0, -1.0)


def _ring(edges: Sequence[str], between: Sequence[PlannedLink]) -> list[str]:
    """The edges in the order of the ring, or nothing where they form none."""
    neighbours: dict[str, list[str]] = {edge: [] for edge in edges}
    for link in between:
        neighbours[link.a.node].append(link.b.node)
        neighbours[link.b.node].append(link.a.node)
    if any(len(found) != 2 for found in neighbours.values()):
        return []
    order = [edges[0]]
    while step := [name for name in neighbours[order[-1]] if name not in order]:
        order.append(step[0] if len(order) > 1 else min(step, key=edges.index))
    return order if len(order) == len(edges) else []


def _circle(ring: Sequence[str]) -> dict[str, Point]:
    radius = max(SPACING / (2 * math.sin(math.pi / len(ring))), 1.2 * SPACING)
    places = {"core": (0.0, 0.0)}
    for i, name in enumerate(ring):
        angle = 2 * math.pi * i / len(ring) - math.pi / 2
        places[name] = (radius * math.cos(angle), radius * math.sin(angle))
    return places


def _by_delay(plan: Plan, names: Sequence[str], links: Sequence[PlannedLink]) -> dict[str, Point]:
    """Stress majorisation over the delays of shortest paths, starting from a circle."""
    index = {name: i for i, name in enumerate(names)}
    delays = sorted(link.shape.delay for link in links)
    typical = max(delays[len(delays) // 2], 1)
    target = np.full((len(names), len(names)), np.inf)
    np.fill_diagonal(target, 0.0)
    for link in links:
        a, b = index[link.a.node], index[link.b.node]
        length = min(max(link.shape.delay / typical, 0.6), 2.5)
        target[a, b] = target[b, a] = length
    for via in range(len(names)):
        target = np.minimum(target, target[:, [via]] + target[[via], :])
    target[np.isinf(target)] = len(names)
    turn = 2 * np.pi * np.arange(len(names)) / len(names)
    points = np.stack([np.cos(turn), np.sin(turn)], axis=1) * target.max() / 2
    points = _majorised(points, target)
    wide, tall = np.ptp(points, axis=0)
    if tall > wide:
        points = points[:, ::-1]
    room = [BUSY if _attached(plan, name) else PLAIN for name in names]
    points = _apart(points * SPACING, room)
    return {name: (float(x), float(y)) for name, (x, y) in zip(names, points, strict=True)}


def _majorised(points: Points, target: Points) -> Points:
    """The points after `_STEPS` of Guttman's transform with weights of distance to the power -2."""
    count = len(points)
    weight = np.where(target > 0, 1.0 / np.maximum(target, 1e-9) ** 2, 0.0)
    laplacian = np.diag(weight.sum(axis=1)) - weight
    inverse = np.linalg.inv(laplacian + 1.0 / count) - 1.0 / count
    for _ in range(_STEPS):
        apart = np.linalg.norm(points[:, None] - points[None, :], axis=2)
        pull = np.where(apart > 1e-9, -weight * target / np.maximum(apart, 1e-9), 0.0)
        np.fill_diagonal(pull, 0.0)
        np.fill_diagonal(pull, -pull.sum(axis=1))
        points = inverse @ (pull @ points)
    return points


def _apart(points: Points, room: Sequence[float]) -> Points:
    """The points, moved until each has the room that it needs, or nearly so."""
    points = points.copy()
    for _ in range(200):
        moved = False
        for a, b in combinations(range(len(points)), 2):
            step = points[b] - points[a]
            length, least = float(np.hypot(*step)), room[a] + room[b]
            if length < least - 0.5:
                away = step / length if length > 1e-6 else np.array([1.0, 0.0])
                shift = away * (least - length) / 2
                points[a] -= shift
                points[b] += shift
                moved = True
        if not moved:
            break
    return points


def _arms(plan: Plan, places: dict[str, Point], sides: dict[str, Point], backbone: Sequence[PlannedLink]) -> None:
    """Places what stands at each backbone node in the widest angle that its links leave free."""
    centre = dict(places)
    for name, (x, y) in centre.items():
        standing = _attached(plan, name)
        used = sorted(
            math.atan2(centre[other][1] - y, centre[other][0] - x) for other in _neighbours(name, backbone)
        ) or [math.pi / 2]
        gap, start = max((late - early, early) for early, late in pairwise([*used, used[0] + 2 * math.pi]))
        if not standing:
            sides[name] = (math.cos(start + gap / 2), math.sin(start + gap / 2))
            continue
        sides[name] = (-math.cos(start + gap / 2), -math.sin(start + gap / 2))
        share = min(gap / (len(standing) + 1), math.radians(62))
        first = start + gap / 2 - share * (len(standing) - 1) / 2
        arm = ARM if len(standing) <= _MANY_ARMS else 1.55 * ARM
        for i, other in enumerate(standing):
            angle = first + i * share
            places[other] = (x + arm * math.cos(angle), y + arm * math.sin(angle))
            sides[other] = (-math.sin(angle), math.cos(angle)) if i else (math.sin(angle), -math.cos(angle))
            sides[f"{other}/devices"] = (math.cos(angle), math.sin(angle))
            far = arm + 44.0
            places[f"{other}/devices"] = (x + far * math.cos(angle), y + far * math.sin(angle))


def _neighbours(name: str, backbone: Sequence[PlannedLink]) -> list[str]:
    ends = [(link.a.node, link.b.node) for link in backbone]
    return [b if a == name else a for a, b in ends if name in (a, b)]


def _framed(places: Mapping[str, Point], sides: dict[str, Point]) -> Layout:
    """The places moved so that all lie inside the picture, to a tenth of a unit."""
    xs, ys = [x for x, _ in places.values()], [y for _, y in places.values()]
    width = max(max(xs) - min(xs) + 2 * MARGIN, SMALLEST[0])
    height = max(max(ys) - min(ys) + 2 * MARGIN, SMALLEST[1])
    left, top = (min(xs) + max(xs) - width) / 2, (min(ys) + max(ys) - height) / 2
    moved = {name: (round(x - left, 1), round(y - top, 1)) for name, (x, y) in places.items()}
    return Layout(round(width, 1), round(height, 1), moved, sides)
