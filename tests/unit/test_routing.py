"""Shortest paths."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from meclab.routing import path, shortest_tree

ALL = frozenset("abcdef")


def test_delay_decides_before_hops() -> None:
    links = [("a", "b", 1), ("b", "c", 1), ("a", "c", 3)]
    next_hop, distance = shortest_tree(links, "c", ALL)
    assert path(next_hop, "a", "c") == ("a", "b", "c")
    assert distance["a"] == 2


def test_hosts_pass_nothing_on() -> None:
    next_hop, _ = shortest_tree([("a", "h", 1), ("h", "c", 1), ("a", "c", 5)], "c", frozenset("ac"))
    assert next_hop["a"] == "c"


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef"), st.integers(0, 5)), max_size=15))
def test_following_next_hops_never_loops_and_costs_the_distance(links: list[tuple[str, str, int]]) -> None:
    links = [link for link in links if link[0] != link[1]]
    next_hop, distance = shortest_tree(links, "a", ALL)
    cost = {}
    for x, y, ns in links:
        cost[x, y] = cost[y, x] = min(ns, cost.get((x, y), ns))
    for node in next_hop:
        nodes = path(next_hop, node, "a")
        assert len(set(nodes)) == len(nodes)
        assert sum(cost[pair] for pair in itertools.pairwise(nodes)) == distance[node]
