"""The one decision that every method carries."""

from meclab.policy import Candidate, Decision, HostState, candidates, decide
from meclab.scenario import Policy

MS = 1_000_000
NEAR_FIRST = {"mec1": 1 * MS, "mec2": 9 * MS}
NEAR_SECOND = {"mec1": 9 * MS, "mec2": 1 * MS}


def choose(
    policy: Policy,
    distance_ns: dict[str, int],
    current: str | None = "mec1",
    last_change_ns: int | None = None,
    now_ns: int = 10**12,
    **hosts: HostState,
) -> Decision | None:
    states = {name: HostState() for name in distance_ns} | hosts
    return decide(policy, "ue1", candidates(distance_ns, states), current, last_change_ns, "attach", now_ns)


def host(decision: Decision | None) -> str | None:
    return decision.host if decision else None


def test_the_nearest_host_serves_after_a_move() -> None:
    decision = choose(Policy(), NEAR_SECOND)
    assert decision is not None
    assert (decision.host, decision.previous, decision.changes) == ("mec2", "mec1", True)


def test_equally_near_hosts_are_taken_by_name() -> None:
    assert host(choose(Policy(), {"mec2": MS, "mec1": MS}, current=None)) == "mec1"


def test_hysteresis_keeps_a_host_that_is_hardly_farther() -> None:
    policy = Policy.model_validate({"hysteresis": "8ms"})
    assert host(choose(policy, NEAR_SECOND)) == "mec1"
    assert host(choose(Policy.model_validate({"hysteresis": "7ms"}), NEAR_SECOND)) == "mec2"


def test_the_dwell_time_holds_a_device_back() -> None:
    policy = Policy.model_validate({"dwell": "5s"})
    assert host(choose(policy, NEAR_SECOND, last_change_ns=10**12 - 4 * 10**9)) == "mec1"
    assert host(choose(policy, NEAR_SECOND, last_change_ns=10**12 - 5 * 10**9)) == "mec2"


def test_a_dead_host_is_left_whatever_hysteresis_and_dwell_say() -> None:
    policy = Policy.model_validate({"hysteresis": "100ms", "dwell": "100s"})
    dead = HostState(alive=False)
    assert host(choose(policy, NEAR_FIRST, last_change_ns=10**12 - 1, mec1=dead)) == "mec2"


def test_no_living_host_means_no_decision() -> None:
    dead = HostState(alive=False)
    assert choose(Policy(), NEAR_FIRST, mec1=dead, mec2=dead) is None


def test_a_pin_wins_while_its_host_lives() -> None:
    policy = Policy(pins={"ue1": "mec2"})
    assert host(choose(policy, NEAR_FIRST)) == "mec2"
    assert host(choose(policy, NEAR_FIRST, mec2=HostState(alive=False))) == "mec1"


def test_a_full_host_is_passed_over_while_another_has_room() -> None:
    full = HostState(load=0.95)
    assert host(choose(Policy(), NEAR_FIRST, mec1=full)) == "mec2"
    assert host(choose(Policy(), NEAR_FIRST, mec1=full, mec2=full)) == "mec1"


def test_the_least_loaded_host_must_be_better_by_the_margin() -> None:
    policy = Policy(kind="least-loaded", load_margin=0.2)
    assert host(choose(policy, NEAR_FIRST, mec1=HostState(load=0.5), mec2=HostState(load=0.3))) == "mec1"
    assert host(choose(policy, NEAR_FIRST, mec1=HostState(load=0.6), mec2=HostState(load=0.3))) == "mec2"


def test_candidates_are_the_living_nearest_first() -> None:
    among = candidates({"mec1": 3, "mec2": 1, "mec3": 2}, {"mec1": HostState(), "mec2": HostState(alive=False)})
    assert among == (Candidate("mec1", 3, HostState()),)
