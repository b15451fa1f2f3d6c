"""What a plan becomes for Open vSwitch, for the links and for the hosts' files."""

import pytest

from meclab import planning, scenario, topology
from topologies import hostfiles, layout, openvswitch


@pytest.fixture
def the_plan():
    file = scenario.Scenario.model_validate({"scenario": "x"})
    return planning.make(file, topology.two_site(), file.methods[0], "wire")


def test_every_port_of_a_switch_has_the_plan_s_number(the_plan):
    ports = {bridge.name: bridge.ports for bridge in layout.bridges(the_plan)}
    assert ports["ap1"] == {"ap1-radio": 1, "ap1-eth2": 2}
    assert ports["edge1"] == {"edge1-eth1": 1, "edge1-eth2": 2, "edge1-eth3": 3}
    assert set(ports) == {"ap1", "ap2", "edge1", "edge2", "core"}


def test_the_management_link_joins_root_and_operations(the_plan):
    link = layout.wired(the_plan, {"ops": 7})[0]
    assert link == layout.WiredLink(
        "management", layout.End("mgmt0", None), layout.End("ops-mgmt", 7), the_plan.management.shape
    )


def test_a_host_s_end_of_a_link_is_in_its_namespace_with_its_mac(the_plan):
    link = next(link for link in layout.wired(the_plan, {"mec1": 9}) if link.name == "edge1-mec1")
    assert link.a == layout.End("edge1-eth2", None)
    assert link.b == layout.End("mec1-eth0", 9, the_plan.node("mec1").mac)


@pytest.mark.parametrize(("datapath", "kind"), [("user", "netdev"), ("kernel", "system")])
def test_switches_are_made_secure_in_one_transaction(the_plan, datapath, kind):
    arguments = openvswitch.bridge_arguments(layout.bridges(the_plan), datapath)
    assert arguments.count("add-br") == 5
    assert arguments.count("fail_mode=secure") == arguments.count(f"datapath_type={kind}") == 5
    at = arguments.index("ap1-radio")
    assert arguments[at - 2 : at + 6] == [
        "add-port",
        "ap1",
        "ap1-radio",
        "--",
        "set",
        "interface",
        "ap1-radio",
        "ofport_request=1",
    ]


def test_open_vswitch_leaves_the_queueing_discipline_of_every_port_alone(the_plan):
    bridges = layout.bridges(the_plan)
    arguments = openvswitch.bridge_arguments(bridges, "kernel")
    assert arguments.count("type=linux-noop") == 1
    assert arguments.count("qos=@untouched") == arguments.count("add-port") == sum(len(b.ports) for b in bridges)


def test_a_datapath_id_is_the_plan_s_as_16_hexadecimal_digits(the_plan):
    arguments = openvswitch.bridge_arguments(layout.bridges(the_plan), "user")
    assert f"other-config:datapath-id={the_plan.node('edge1').dpid:016x}" in arguments


def test_the_hosts_file_names_every_host_and_device_in_both_families(the_plan):
    text = hostfiles.hosts_text(the_plan)
    for line in ("10.1.2.10 mec2", "2001:db8:1:2::10 mec2", "10.45.0.1 ue1", "2001:db8:45::1 ue1", "10.99.0.1 vip"):
        assert f"\n{line}\n" in text
    assert "edge1" not in text
