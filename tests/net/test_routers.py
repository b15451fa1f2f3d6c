"""Routers and MEC hosts with FRR, built in a sandbox and tried once; each test looks at one thing that was found."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from topologies import sandbox

pytestmark = pytest.mark.net
SCRIPT = Path(__file__).with_name("routers_inside.py")
BY_MEC2 = ["ue1", "ap1", "edge1", "core", "edge2", "mec2", "delivered"]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("run")
    process = sandbox.start(
        [sys.executable, str(SCRIPT), str(run_dir)], keep=[run_dir], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, errors = process.communicate(timeout=110)
    assert process.returncode == 0, errors.decode()
    return json.loads(output)


def test_a_device_is_reached_only_once_a_router_knows_where_it_is(found):
    assert found["unknown_to_routers"] == [False, {}]
    assert found["first"] == {"edge1": 200, "edge2": 200, "core": 200}
    assert found["at_first"][1] == ["mec1", "mec1"]


def test_routers_have_names(found):
    assert found["names"] == ["172.30.0.3"]


def test_hosts_devices_and_routers_reach_each_other_in_both_families(found):
    assert found["hosts"] == []


def test_after_a_move_the_new_site_s_host_answers_with_nothing_but_the_attach(found):
    for move, host in zip(found["moves"], ("mec2", "mec1", "mec2", "mec1"), strict=True):
        assert move["served_after_ms"] is not None, host


def test_only_the_router_of_the_access_point_takes_a_device_to_be_here(found):
    here = [[name for name, outcome in move["outcomes"].items() if outcome == "here"] for move in found["moves"]]
    assert here == [["edge2"], ["edge1"], ["edge2"], ["edge1"]]
    assert [move["known"] for move in found["moves"]] == [{"ue1": ap} for ap in ("ap2", "ap1", "ap2", "ap1")]


def test_the_rest_of_the_network_follows_a_device_by_routing(found):
    assert all(move["cloud_reaches_it_after_ms"] is not None for move in found["moves"])


def test_an_attachment_that_repeats_or_is_older_changes_nothing(found):
    status, answer = found["repeated"]
    assert status == 200
    assert [entry["outcome"] for entry in answer["attachments"]] == ["repeated", "outdated"]


def test_bad_attachments_are_refused_in_words(found):
    (device, ap, missing) = found["refused"]
    assert device == [404, {"error": "device ue9; expected one of ue1, ue2"}]
    assert ap == [404, {"error": "access point ap9; expected one of ap1, ap2"}]
    assert missing[0] == 422


@pytest.mark.parametrize("how", ["process", "silence", "link"])
def test_when_a_host_fails_the_other_one_serves_its_devices_and_it_does_again_when_it_is_back(found, how):
    assert found[how]["other_ms"] is not None
    assert found[how]["path"] == BY_MEC2
    assert found[how]["path_from_cloud"] == ["cloud", "core", "edge2", "mec2", "delivered"]
    assert found[how]["again_ms"] is not None


def test_what_announces_the_address_dies_with_its_program(found):
    assert found["speaks"] == ["bfdd", "bgpd", "zebra"]
    assert found["process"]["speaks"] == []
    assert found["silence"]["speaks"] == ["bfdd", "bgpd", "zebra"]


def test_trace_follows_the_kernels_routes(found):
    assert found["paths"]["ue1 vip"] == found["path_ipv6"] == ["ue1", "ap1", "edge1", "mec1", "delivered"]
    assert found["paths"]["cloud ue1"] == ["cloud", "core", "edge1", "ap1", "ue1", "delivered"]
    assert found["paths"]["ue1 mec2"] == BY_MEC2
    assert found["paths"]["ue1 192.0.2.1"] == ["ue1", "ap1", "edge1", "dropped: no route"]
    assert found["rule"] == ["10.99.0.1", "via 172.30.4.3", "dev edge1-eth2"]


def test_frr_runs_unprivileged_and_is_asked_on_a_router_without_options(found):
    assert found["user"] == "frr"
    assert found["vtysh"] == "{"
    assert found["frr_outside"] == []


def test_routes_are_written_beside_the_flow_tables(found):
    assert "10.99.0.1/32" in found["flows"]
    assert "BFD" in found["flows"] or "SessionId" in found["flows"]


def test_an_access_point_is_a_bridge_without_a_protocol(found):
    assert found["shell"] == "0"


def test_the_daemons_are_watched_and_a_death_ends_with_their_last_words(found):
    daemons = [f"{router}-{daemon}" for router in ("core", "edge1", "edge2") for daemon in ("bfdd", "bgpd", "zebra")]
    assert found["pids"] == sorted([*daemons, "air", "wire"])
    assert found["after_the_death_of_a_daemon"].startswith("core-bgpd ended with status -9\n")
    assert "BGP" in found["after_the_death_of_a_daemon"]
