"""The network of a plan, built in a sandbox and tried once; each test looks at one thing that was found."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from topologies import sandbox

pytestmark = pytest.mark.net
SCRIPT = Path(__file__).with_name("network_inside.py")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def found(run_dir):
    process = sandbox.start(
        [sys.executable, str(SCRIPT), str(run_dir)], keep=[run_dir], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors.decode()
    return json.loads(output)


def test_a_device_is_heard_only_when_it_is_attached(found):
    assert found["attached_at_first"] == {"ue1": None, "ue2": None}
    assert found["ping_unattached"] is None
    assert found["attached"] == {"ue1": "ap1", "ue2": "ap2"}


def test_every_kind_of_node_reaches_every_other_in_both_families(found):
    assert [pair for pair, rtt_ms in found["ping"].items() if rtt_ms is None] == []


def test_a_round_trip_takes_at_least_twice_the_delays_of_its_links(found):
    device_to_host_ms, host_to_cloud_ms = 2 + 1 + 0.5, 0.5 + 4 + 20
    assert found["ping"]["ue1 mec1"] >= 2 * device_to_host_ms * 0.98
    assert found["ping"]["mec1 cloud"] >= 2 * host_to_cloud_ms * 0.98


def test_the_management_link_has_its_own_shape(found):
    assert 2 * 0.5 * 0.9 <= found["ping"]["ops 172.31.0.1"] < found["ping"]["ue1 mec1"]


def test_trace_names_every_hop_on_the_way(found):
    assert [hop[0] for hop in found["trace"]] == ["ue1", "ap1", "edge1", "core", "edge2", "mec2"]
    assert found["trace"][-1][2] == "delivered"


def test_trace_shows_the_rule_that_matched(found):
    assert found["trace_cookie"] == 0x77


def test_trace_reaches_the_virtual_address_at_a_host_that_serves_it(found):
    assert found["trace_vip"] == "delivered"


def test_a_link_s_delay_changes_at_run_time(found):
    before, after = found["rtt_before_and_after_change"]
    assert after - before >= 2 * (40 - 4) * 0.95


def test_a_silent_host_answers_nothing_and_keeps_its_carrier(found):
    assert found["silenced"] == [None, ["1", "1"]]


def test_a_link_that_is_down_has_no_carrier_even_when_the_host_is_not_silent_any_more(found):
    assert found["down"] == [None, ["0", "0"]]


def test_a_link_that_is_up_again_carries(found):
    rtt_ms, carriers = found["up"]
    assert rtt_ms is not None
    assert carriers == ["1", "1"]


def test_a_handover_ends_at_the_new_access_point(found):
    assert found["after_handover"] == "ap2"


def test_every_host_knows_the_others_by_name_and_has_a_resolver_file_of_its_own(found):
    assert found["hosts_file"] == ["10.99.0.1", "STREAM", "vip", "203.0.113.10", "STREAM", "cloud"]
    assert found["resolver"] == "# no resolver in this scenario"
    assert "no resolver" not in Path("/etc/resolv.conf").read_text()


def test_a_serving_host_does_not_answer_for_the_virtual_address(found):
    assert found["arp_ignore"] == "1"


def test_the_switches_namespace_speaks_no_ipv6_itself(found):
    assert found["ipv6_at_switch_ports"] == [""]


def test_mininet_knows_the_links(found):
    assert found["links_between"] == 1


def test_an_unknown_link_is_named_with_those_that_exist(found):
    assert found["no_such_link"].startswith("no link between ap1 and mec2; one of ap1-edge1")


def test_markers_leave_by_lab0(found):
    assert found["markers_sent"] >= 3


def test_operations_are_ready_before_the_rest(found):
    assert found["operations_ready"] == [True]


def test_a_switch_that_dies_is_reported_with_its_last_log_lines(found):
    assert found["after_the_death_of_the_switch"].startswith("ovs-vswitchd ended with status -9\n")
    assert "|INFO|" in found["after_the_death_of_the_switch"]


def test_flow_tables_are_written_for_every_switch(found, run_dir):
    flows = run_dir / "flows" / "before"
    assert sorted(path.name for path in flows.iterdir()) == [
        f"{name}.txt" for name in ("ap1", "ap2", "core", "edge1", "edge2")
    ]
    assert "cookie=0x77" in (flows / "ap1.txt").read_text()
