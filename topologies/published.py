"""Published topologies from the TopoHub package, by name: `topozoo/Abilene`, `sndlib/germany50`, …"""

import functools
import importlib.resources
from typing import Any

import topohub

from meclab.check import nearest
from meclab.errors import Problem, ScenarioError
from meclab.topology import Published, PublishedLink, PublishedNode


@functools.cache
def names() -> tuple[str, ...]:
    """The name of every topology, in order."""
    data = importlib.resources.files(topohub) / "data"
    return tuple(sorted(_below(data, "")))


def _below(folder: Any, prefix: str) -> list[str]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _below(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".json"):
            found.append(prefix + entry.name.removesuffix(".json"))
    return found


def load(name: str) -> Published:
    """A topology by its name; raises `ScenarioError` with the nearest names where there is none."""
    if name not in names():
        raise ScenarioError([Problem(("topology", "kind"), f"topohub:{name}", nearest(name, _alike(name)))])
    content = topohub.get(name)
    index = {node["id"]: i for i, node in enumerate(content["nodes"])}
    return Published(name, _nodes(content["nodes"]), _links(content["edges"], index))


def _alike(name: str) -> list[str]:
    """Names of the same group, or those that contain what was asked for whatever its case; else all."""
    asked = name.rpartition("/")[2].lower()
    same = [full for full in names() if asked and asked in full.lower()]
    group = [full for full in names() if full.startswith(name.partition("/")[0] + "/")]
    return same or group or list(names())


def _nodes(entries: list[dict[str, Any]]) -> tuple[PublishedNode, ...]:
    """Labels are made unique: a node without a name, or with another's, gets its number."""
    seen: set[str] = set()
    nodes = []
    for i, entry in enumerate(entries):
        label = entry.get("name") or f"node {i}"
        if label in seen:
            label = f"{label} ({i})"
        seen.add(label)
        longitude, latitude = entry["pos"]
        nodes.append(PublishedNode(label, float(longitude), float(latitude)))
    return tuple(nodes)


def _links(entries: list[dict[str, Any]], index: dict[Any, int]) -> tuple[PublishedLink, ...]:
    """One link for each pair of nodes, the shortest of parallel ones; none from a node to itself."""
    shortest: dict[tuple[int, int], float] = {}
    for entry in entries:
        a, b = sorted((index[entry["source"]], index[entry["target"]]))
        if a != b:
            shortest[a, b] = min(float(entry["dist"]), shortest.get((a, b), float("inf")))
    return tuple(PublishedLink(a, b, length_km) for (a, b), length_km in sorted(shortest.items()))
