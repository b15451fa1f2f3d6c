"""Numbers, addresses and sessions of the routers of a plan, and FRR's configuration word for word."""

from ipaddress import IPv4Address, IPv6Address

import pytest

from meclab import frr, planning, routers, topology
from meclab.addressing import GATEWAY_MAC
from meclab.errors import ScenarioError
from meclab.methods import Method
from meclab.plan import Plan
from meclab.scenario import Scenario

EDGE1_BGPD = """hostname edge1
router bgp 64512
 bgp router-id 172.30.0.1
 bgp log-neighbor-changes
 no bgp default ipv4-unicast
 no bgp ebgp-requires-policy
 no bgp network import-check
 bgp bestpath compare-routerid
 bgp graceful-restart-disable
 coalesce-time 0
 neighbor 172.30.4.3 remote-as 64513
 neighbor 172.30.4.3 description mec1
 neighbor 172.30.4.3 passive
 neighbor 172.30.4.3 timers 2 6
 neighbor 172.30.4.3 timers connect 1
 neighbor 172.30.4.3 advertisement-interval 0
 neighbor 172.30.4.3 bfd 4 50 50
 neighbor 172.30.4.9 remote-as 64516
 neighbor 172.30.4.9 description core
 neighbor 172.30.4.9 passive
 neighbor 172.30.4.9 timers 2 6
 neighbor 172.30.4.9 timers connect 1
 neighbor 172.30.4.9 advertisement-interval 0
 neighbor 172.30.4.9 bfd 4 50 50
 address-family ipv4 unicast
  network 172.30.0.1/32
  redistribute kernel metric 0
  maximum-paths 1
  neighbor 172.30.4.3 activate
  neighbor 172.30.4.3 prefix-list anycast in
  neighbor 172.30.4.3 route-map nothing out
  neighbor 172.30.4.9 activate
 exit-address-family
 address-family ipv6 unicast
  network fd00:30::1/128
  redistribute kernel metric 0
  maximum-paths 1
  neighbor 172.30.4.3 activate
  neighbor 172.30.4.3 prefix-list anycast in
  neighbor 172.30.4.3 route-map nothing out
  neighbor 172.30.4.9 activate
 exit-address-family
exit
route-map nothing deny 10
exit
ip prefix-list anycast permit 10.99.0.1/32
ipv6 prefix-list anycast permit 2001:db8:99::1/128
"""
MEC1_FAMILIES = """ address-family ipv4 unicast
  network 10.99.0.1/32
  maximum-paths 1
  neighbor 172.30.4.2 activate
  neighbor 172.30.4.2 route-map nothing in
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:99::1/128
  maximum-paths 1
  neighbor 172.30.4.2 activate
  neighbor 172.30.4.2 route-map nothing in
 exit-address-family
"""
EDGE1_ZEBRA = """hostname edge1
zebra work-queue 0
route-map ip-source permit 10
 set src 172.30.0.1
exit
ip protocol bgp route-map ip-source
route-map ipv6-source permit 10
 set src fd00:30::1
exit
ipv6 protocol bgp route-map ipv6-source
"""
MEC1_BFDD = """hostname mec1
bfd
 peer 172.30.4.2 local-address 172.30.4.3 interface mec1-eth0
  detect-multiplier 4
  receive-interval 50
  transmit-interval 50
 exit
exit
"""
BGP = {"keepalive": "2s", "hold_time": "6s", "bfd_interval": "50ms", "bfd_multiplier": 4}


@pytest.fixture
def plan() -> Plan:
    scenario = Scenario.model_validate({"scenario": "test", "devices": [{"count": 2}], "bgp": BGP})
    return planning.make(scenario, topology.two_site(), Method(name="bgp-anycast"), "wire")


def test_only_the_routed_method_has_routers(plan: Plan) -> None:
    other = Scenario.model_validate({"scenario": "test"})
    assert routers.applies(plan)
    assert not routers.applies(planning.make(other, topology.two_site(), other.methods[0], "wire"))


def test_every_router_and_mec_host_is_an_autonomous_system_of_its_own(plan: Plan) -> None:
    speakers = routers.speakers(plan)
    assert {name: speaker.number - routers.FIRST_AS for name, speaker in speakers.items()} == {
        "edge1": 0, "mec1": 1, "edge2": 2, "mec2": 3, "core": 4}  # fmt: skip
    assert speakers["core"].loopback == (IPv4Address("172.30.0.5"), IPv6Address("fd00:30::5"))
    assert [speaker.name for speaker in speakers.values() if speaker.is_router] == ["edge1", "edge2", "core"]


def test_both_ends_of_a_session_name_each_other_and_one_of_them_connects(plan: Plan) -> None:
    speakers = routers.speakers(plan)
    sessions = {(name, session.peer_name): session for name, s in speakers.items() for session in s.sessions}
    assert len(sessions) == 8
    for (here, there), session in sessions.items():
        back = sessions[there, here]
        assert (session.own, session.peer) == (back.peer, back.own)
        assert session.peer_as == speakers[there].number
        assert session.waits != back.waits
    assert not sessions["mec1", "edge1"].waits


def test_addresses_of_a_large_network_differ(plan: Plan) -> None:
    scenario = Scenario.model_validate({"scenario": "test"})
    large = planning.make(scenario, topology.metro(64), Method(name="bgp-anycast"), "wire")
    speakers = routers.speakers(large).values()
    used = [address for s in speakers for session in s.sessions for address in session.own]
    used += [address for s in speakers for address in s.loopback]
    assert len(set(used)) == len(used)


def test_a_port_towards_hosts_and_devices_is_the_one_gateway(plan: Plan) -> None:
    ports = {port.interface: port for port in routers.ports(plan, "edge1")}
    access, local, backhaul = (ports[f"edge1-eth{number}"] for number in (1, 2, 3))
    assert [str(address) for address in access.addresses] == ["169.254.1.1/32", "fe80::1/64"]
    assert access.mac == local.mac == GATEWAY_MAC
    assert backhaul.mac == "02:00:02:00:02:03"
    assert len(access.neighbours) == 4
    host = plan.node("mec1")
    assert local.attached == (host.ipv4, host.ipv6)
    assert local.neighbours == ((host.ipv4, host.mac), (host.ipv6, host.mac))
    assert [str(address) for address in backhaul.addresses] == ["172.30.4.8/31", "fd00:30:0:5::1/64"]


def test_the_access_points_of_a_router_are_known_by_its_interfaces(plan: Plan) -> None:
    assert routers.access_ports(plan, "edge2") == {"ap2": "edge2-eth1"}
    assert routers.access_ports(plan, "core") == {}


def test_the_timers_of_the_scenario_are_in_a_router_s_configuration(plan: Plan) -> None:
    texts = frr.configuration(plan, routers.speakers(plan)["edge1"])
    assert texts["bgpd"] == EDGE1_BGPD
    assert texts["zebra"] == EDGE1_ZEBRA


def test_a_mec_host_announces_the_virtual_address_and_takes_nothing(plan: Plan) -> None:
    texts = frr.configuration(plan, routers.speakers(plan)["mec1"])
    assert MEC1_FAMILIES in texts["bgpd"]
    assert texts["bfdd"] == MEC1_BFDD
    assert texts["zebra"] == "hostname mec1\n"


def test_a_daemon_dies_with_its_parent_and_runs_as_frr_s_user() -> None:
    command = frr.command("bgpd")
    assert command[:3] == ["setpriv", "--reuid=frr", "--regid=frr"]
    assert "--pdeathsig=KILL" in command
    assert command[command.index("-f") + 1] == "/run/frr/bgpd.conf"


def test_more_speakers_than_private_numbers_are_refused(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routers, "SPEAKERS_AT_MOST", 4)
    with pytest.raises(ScenarioError, match="5 edges and MEC hosts"):
        routers.speakers(plan)
