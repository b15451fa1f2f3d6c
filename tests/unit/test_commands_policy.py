"""`lab policy` reads changes as a person writes them, and shows the audit log as lines."""

from typing import Any

import pytest

from experiments.commands import policy
from meclab.errors import InputError


def entry(number: int = 1, **changed: Any) -> dict[str, Any]:
    return {
        "number": number,
        "device": "ue1",
        "location": None,
        "ap": "ap2",
        "host": "mec2",
        "from_host": "mec1",
        "trigger": "attach",
        "reason": "mec2 is the nearest",
        "heard_ns": 10**18,
        "decided_ns": 10**18,
        "told_ns": 10**18 + 7_500_000,
        "fate": "told",
        "detail": "",
    } | changed


def test_a_change_of_policy_is_what_was_given_and_nothing_else() -> None:
    asked = policy.parsed(["kind=least-loaded", "hysteresis=2ms", "load_margin=10%", "load_limit=0.8"])
    assert asked == {"kind": "least-loaded", "hysteresis": "2ms", "load_margin": 0.1, "load_limit": 0.8}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("hysteresis", "expected KEY=VALUE"),
        ("hysteresis=2", "hysteresis: found '2'; expected a number of at least 0 with a unit"),
        ("kind=farthest", "kind: found 'farthest'; expected 'nearest' or 'least-loaded'"),
        ("load_margin=2", "load_margin: found 2.0; expected a share from 0 to 1"),
        ("pins=ue1", "found the unknown key 'pins'; expected one of kind, hysteresis"),
    ],
)
def test_a_change_that_cannot_be_says_what_was_found_and_what_is_expected(given: str, said: str) -> None:
    with pytest.raises(InputError, match=said.replace("(", r"\(")):
        policy.parsed([given])


def test_a_line_says_from_where_to_where_and_when_everybody_had_been_told() -> None:
    header, line = policy.lines([entry()])
    assert line.index("mec1 -> mec2") == header.index("host")
    assert line.index("7.5 ms") == header.index("told after")
    assert line.endswith("mec2 is the nearest")


def test_a_line_says_what_became_of_a_decision_that_was_not_told() -> None:
    (line,) = policy.lines([entry(fate="refused", told_ns=None, detail="smf: 404 no ue1")], header=False)
    assert "refused" in line and line.endswith("mec2 is the nearest; smf: 404 no ue1")


def test_a_followed_log_waits_for_a_decision_on_its_way_but_not_for_ever() -> None:
    entries = [entry(1), entry(2, fate="waiting"), entry(3)]
    assert [one["number"] for one in policy.settled(entries, 10**18 + 10**9)] == [1]
    assert [one["number"] for one in policy.settled(entries, 10**18 + 3 * 10**9)] == [1, 2, 3]
