"""Shortest paths by delay: next hops for forwarding, distances for the policy."""

import heapq
from collections.abc import Iterable, Mapping

Cost = tuple[int, int]
"""One-way delay in ns, then number of hops."""


def shortest_tree(
    links: Iterable[tuple[str, str, int]], root: str, through: frozenset[str]
) -> tuple[dict[str, str], dict[str, int]]:
    """Next hop of every node towards `root`, and its one-way distance in ns.

    `links` are (a, b, delay in ns), usable both ways; only nodes in `through` pass traffic on. Ties go to
    the smaller name, so that the same network always gives the same paths.
    """
    neighbours: dict[str, list[tuple[str, int]]] = {}
    for a, b, delay_ns in links:
        neighbours.setdefault(a, []).append((b, delay_ns))
        neighbours.setdefault(b, []).append((a, delay_ns))
    next_hop: dict[str, str] = {}
    distance: dict[str, int] = {}
    queue: list[tuple[Cost, str, str]] = [((0, 0), root, root)]
    while queue:
        (delay_ns, hops), node, towards = heapq.heappop(queue)
        if node in distance:
            continue
        distance[node] = delay_ns
        next_hop[node] = towards
        if node != root and node not in through:
            continue
        for other, cost_ns in sorted(neighbours.get(node, ())):
            if other not in distance:
                heapq.heappush(queue, ((delay_ns + cost_ns, hops + 1), other, node))
    del next_hop[root]
    return next_hop, distance


def path(next_hop: Mapping[str, str], source: str, root: str) -> tuple[str, ...]:
    """Nodes from `source` to `root` along the next hops of `root`'s tree, both included."""
    nodes = [source]
    while nodes[-1] != root:
        nodes.append(next_hop[nodes[-1]])
    return tuple(nodes)
