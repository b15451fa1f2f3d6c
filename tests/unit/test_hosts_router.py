"""A router's devices: which routes an attachment adds and removes, and the kernel's messages byte for byte."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from hosts.router import Attachments, Outcome, UnknownName
from hosts.system import netlink
from hosts.system.netlink import Address
from meclab import planning, topology
from meclab.messages import RouterAttachment
from meclab.methods import Method
from meclab.plan import Plan
from meclab.scenario import Scenario


class Routes:
    """A routing table in memory."""

    def __init__(self) -> None:
        self.found: dict[Address, str] = {}

    def add(self, address: Address, interface: str) -> None:
        self.found[address] = interface

    def remove(self, address: Address, interface: str) -> bool:
        if self.found.get(address) != interface:
            return False
        del self.found[address]
        return True


@pytest.fixture
def plan() -> Plan:
    scenario = Scenario.model_validate({"scenario": "test", "devices": [{"count": 2}]})
    return planning.make(scenario, topology.two_site(), Method(name="bgp-anycast"), "wire")


def attachment(ap: str, sequence: int, device: str = "ue1") -> RouterAttachment:
    return RouterAttachment(device=device, ap=ap, sequence=sequence)


def test_a_device_at_one_of_its_access_points_gets_both_its_addresses_routed_there(plan: Plan) -> None:
    routes = Routes()
    edge1 = Attachments(plan, "edge1", routes)
    assert edge1.change([attachment("ap1", 1)]) == [Outcome("ue1", "here")]
    device = plan.device("ue1")
    assert routes.found == {device.ipv4: "edge1-eth1", device.ipv6: "edge1-eth1"}
    assert edge1.here == {"ue1": "ap1"}


def test_a_device_that_has_left_and_comes_back_is_routed_again(plan: Plan) -> None:
    routes = Routes()
    edge1 = Attachments(plan, "edge1", routes)
    edge1.change([attachment("ap1", 1)])
    assert edge1.change([attachment("ap2", 2)]) == [Outcome("ue1", "elsewhere")]
    assert routes.found == {}
    edge1.change([attachment("ap1", 3)])
    assert set(routes.found.values()) == {"edge1-eth1"}


def test_attachments_count_in_the_order_of_their_sequence(plan: Plan) -> None:
    edge1 = Attachments(plan, "edge1", Routes())
    outcomes = edge1.change([attachment("ap1", 2), attachment("ap2", 1), attachment("ap1", 2), attachment("ap2", 3)])
    assert [outcome.outcome for outcome in outcomes] == ["here", "outdated", "repeated", "elsewhere"]
    assert edge1.here == {}


@pytest.mark.parametrize("bad", [attachment("ap9", 2), attachment("ap1", 2, device="ue9")])
def test_an_unknown_name_in_a_batch_changes_nothing(plan: Plan, bad: RouterAttachment) -> None:
    routes = Routes()
    edge1 = Attachments(plan, "edge1", routes)
    with pytest.raises(UnknownName, match="expected one of"):
        edge1.change([attachment("ap1", 1), bad])
    assert routes.found == {}


def test_the_core_has_no_access_point_and_no_device(plan: Plan) -> None:
    routes = Routes()
    assert Attachments(plan, "core", routes).change([attachment("ap1", 1)]) == [Outcome("ue1", "elsewhere")]
    assert routes.found == {}


@pytest.mark.parametrize(("address", "metric"), [(IPv4Address("10.45.0.1"), None), (IPv6Address("2001:db8:45::1"), 1)])
def test_a_route_s_message_is_read_as_meant_by_pyroute2(address: Address, metric: int | None) -> None:
    message = rtmsg(netlink.message(24, 0x505, address, 7))
    message.decode()
    assert message["header"]["length"] == len(netlink.message(24, 0x505, address, 7))
    assert (message["dst_len"], message["table"], message["proto"]) == (address.max_prefixlen, 254, 4)
    assert message.get_attr("RTA_DST") == str(address)
    assert (message.get_attr("RTA_OIF"), message.get_attr("RTA_PRIORITY")) == (7, metric)
