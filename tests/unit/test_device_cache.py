"""How long answers are kept, and which of them are dropped."""

from ipaddress import ip_address, ip_network

import pytest

from hosts.device.cache import Cache, Flush, Question, is_below
from meclab.model import SECOND

APP = Question("app.edge.example.", "ipv4")
MEC1 = (ip_address("10.1.1.10"),)


def test_an_answer_is_kept_until_its_ttl_ends() -> None:
    cache = Cache()
    cache.put(APP, MEC1, 10, 5)
    found = cache.get(APP, 5 + 10 * SECOND - 1)
    assert found is not None
    assert (found.addresses, found.cached) == (MEC1, True)
    assert cache.get(APP, 5 + 10 * SECOND) is None


def test_an_answer_with_a_ttl_of_0_is_not_kept() -> None:
    cache = Cache()
    assert cache.put(APP, MEC1, 0, 5).expires_ns == 5
    assert cache.get(APP, 5) is None


def test_families_are_kept_apart() -> None:
    cache = Cache()
    cache.put(APP, MEC1, 10, 0)
    assert cache.get(Question(APP.name, "ipv6"), 0) is None


@pytest.mark.parametrize(("ttl_s", "kept_s"), [(0, 60), (10, 60), (90, 90)])
def test_a_device_that_stretches_keeps_short_answers_longer(ttl_s: int, kept_s: int) -> None:
    cache = Cache(60 * SECOND)
    assert cache.put(APP, MEC1, ttl_s, 0).expires_ns == kept_s * SECOND
    assert cache.get(APP, kept_s * SECOND - 1) is not None
    assert cache.get(APP, kept_s * SECOND) is None


def test_a_negative_answer_is_kept_and_never_stretched() -> None:
    cache = Cache(60 * SECOND)
    cache.put(APP, (), 3, 0)
    found = cache.get(APP, 3 * SECOND - 1)
    assert found is not None
    assert found.addresses == ()
    assert cache.get(APP, 3 * SECOND) is None


@pytest.mark.parametrize(
    ("flush", "left"),
    [
        (Flush(), set()),
        (Flush("name", names=("App.Edge.Example",)), {"mec1.edge.example.", "other."}),
        (Flush("name", names=("edge.example.",)), {"other."}),
        (Flush("name"), {"app.edge.example.", "mec1.edge.example.", "other."}),
        (Flush("addresses", prefixes=(ip_network("10.1.1.0/24"),)), {"other."}),
        (
            Flush("addresses", prefixes=(ip_network("2001:db8::/32"),)),
            {"app.edge.example.", "mec1.edge.example.", "other."},
        ),
        (Flush("addresses"), {"app.edge.example.", "mec1.edge.example.", "other."}),
    ],
    ids=["all", "a name", "a zone", "no name", "a prefix", "a prefix of the other family", "no prefix"],
)
def test_a_flush_drops_what_it_names(flush: Flush, left: set[str]) -> None:
    cache = Cache()
    names = {"app.edge.example.": MEC1, "mec1.edge.example.": MEC1, "other.": (ip_address("10.2.2.10"),)}
    for name, addresses in names.items():
        cache.put(Question(name, "ipv4"), addresses, 10, 0)
    assert cache.drop(flush) == len(names) - len(left)
    assert {name for name in names if cache.get(Question(name, "ipv4"), 0)} == left


def test_a_name_that_only_ends_alike_is_not_below() -> None:
    assert is_below("a.edge.example.", "edge.example")
    assert is_below("edge.example", ".")
    assert not is_below("ledge.example.", "edge.example.")
