"""Published topologies by name."""

import pytest

from meclab import topology
from meclab.errors import ScenarioError
from topologies import published


def test_a_topology_is_loaded_with_places_and_lengths():
    abilene = published.load("topozoo/Abilene")
    assert (len(abilene.nodes), len(abilene.links)) == (11, 14)
    first = abilene.nodes[abilene.links[0].a], abilene.nodes[abilene.links[0].b]
    assert {node.label for node in first} == {"New York", "Chicago"}
    assert abilene.links[0].length_km == pytest.approx(1146, abs=2)


def test_delays_follow_from_the_lengths():
    graph = topology.from_published(published.load("topozoo/Abilene"))
    delays_ns = [link.delay_ns for link in graph.links if link.delay_ns and link.b != "core"]
    assert max(delays_ns) == pytest.approx(2207.38 * topology.NS_PER_KM, rel=1e-6)


def test_names_hold_many_topologies_in_order():
    names = published.names()
    assert len(names) > 100
    assert list(names) == sorted(names)


@pytest.mark.parametrize("name", ["backbone/africa", "caida/as3356", "gabriel/25/0"])
def test_labels_are_unique_whatever_the_source_has(name):
    if name not in published.names():
        name = next(known for known in published.names() if known.startswith(name.partition("/")[0]))
    labels = [node.label for node in published.load(name).nodes]
    assert len(set(labels)) == len(labels)
    assert all(labels)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("topozoo/Abilen", "topozoo/Abilene"), ("abilene", "sndlib/abilene"), ("nothing-like-it", "one of")],
)
def test_an_unknown_name_is_refused_with_the_nearest(name, hint):
    with pytest.raises(ScenarioError) as error:
        published.load(name)
    problem = error.value.problems[0]
    assert problem.path == "topology.kind"
    assert hint in problem.expected
