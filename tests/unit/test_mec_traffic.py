"""Traffic rules and the breakouts that they stand for; every breakout must be one that the controller takes."""

from typing import Any

import pytest
from mec_plans import plan, traffic_rule

from controller.intents import Network
from hosts.platform import traffic
from meclab.errors import PeerError
from meclab.messages import BreakoutIntent, Transaction
from meclab.plan import Breakout

MEC1 = {"dstAddress": ("10.1.1.10",)}


@pytest.mark.parametrize("method", ["vip", "ecs", "edge-dns:anycast", "easdf:pre-established"])
def test_the_rules_of_the_start_are_the_breakouts_of_the_plan(method: str) -> None:
    made = plan(method)
    hosts = [node.name for node in made.mec_hosts]
    of_hosts = {intent for host in hosts for intent in traffic.wanted(made, host, traffic.planned(made, host))}
    forwarders = {node.name for node in made.by_role("fwd")}
    of_plan = {BreakoutIntent(**breakout.model_dump()) for breakout in made.breakouts}
    shared = {one for one in of_plan if one.prefix.network_address in (made.resolver_ipv4, made.resolver_ipv6)}
    assert of_hosts == (of_plan - shared if forwarders else of_plan)


def test_a_host_whose_breakout_comes_later_has_no_rule_at_the_start() -> None:
    assert traffic.planned(plan("easdf:dynamic"), "mec1") == ()


def test_a_rule_for_everybody_is_one_breakout() -> None:
    (intent,) = traffic.intents(plan(), "mec1", traffic_rule(**MEC1))
    assert (intent.edge, str(intent.prefix), intent.device) == ("edge1", "10.1.1.10/32", None)


def test_a_rule_with_devices_addresses_is_a_breakout_for_each() -> None:
    made = plan()
    sources = tuple(str(device.ipv4) for device in made.devices)
    found = traffic.intents(made, "mec1", traffic_rule(srcAddress=sources, **MEC1))
    assert [intent.device for intent in found] == ["ue1", "ue2"]


def test_only_addresses_of_one_family_make_a_breakout() -> None:
    made = plan()
    both = {
        "srcAddress": (str(made.devices[0].ipv4), str(made.devices[0].ipv6)),
        "dstAddress": ("10.1.1.10", "2001:db8:1:1::10"),
    }
    found = traffic.intents(made, "mec1", traffic_rule(**both))
    assert [str(intent.prefix) for intent in found] == ["10.1.1.10/32", "2001:db8:1:1::10/128"]


def test_an_inactive_rule_stands_for_nothing() -> None:
    rule = traffic_rule(**MEC1).model_copy(update={"state": "INACTIVE"})
    assert traffic.wanted(plan(), "mec1", [rule]) == frozenset()


def test_the_controller_takes_every_breakout_of_a_rule_and_gives_it_up() -> None:
    made = plan()
    network = Network(made)
    sources = (str(made.devices[0].ipv4),)
    prefix = traffic_rule(dstAddress=("10.1.1.0/24",))
    for rule in (*traffic.planned(made, "mec1"), traffic_rule(srcAddress=sources, **MEC1), prefix):
        intents = traffic.intents(made, "mec1", rule)
        after = network.change(network.initial(), Transaction(breakout=intents))
        breakouts = {Breakout(**intent.model_dump()) for intent in intents}
        assert breakouts <= after.breakouts
        assert not breakouts & network.change(after, Transaction(remove_breakout=intents)).breakouts


@pytest.mark.parametrize(
    ("filtered", "words"),
    [
        ({}, "no dstAddress"),
        ({"dstAddress": ("10.1.2.10",)}, "10.1.2.10; expected 10.1.1.10"),
        ({"dstAddress": ("0.0.0.0/0",)}, "covers"),
        ({"dstAddress": ("10.1.1.10-10.1.1.20",)}, "10.1.1.10-10.1.1.20"),
        ({"dstAddress": ("10.1.1.10",), "dstPort": ("80",)}, "dstPort"),
        ({"dstAddress": ("10.1.1.10",), "qCI": 1}, "qCI"),
        ({"dstAddress": ("10.1.1.10",), "srcAddress": ("10.9.9.9",)}, "the address of a device"),
        ({"dstAddress": ("2001:db8:1:1::10",), "srcAddress": ("10.45.0.1",)}, "different families"),
    ],
)
def test_what_the_data_plane_cannot_do_is_said(filtered: dict[str, Any], words: str) -> None:
    with pytest.raises(PeerError, match=words):
        traffic.intents(plan(), "mec1", traffic_rule(**filtered))


def test_another_action_and_another_interface_are_refused() -> None:
    rule = traffic_rule(**MEC1)
    with pytest.raises(PeerError, match="action DROP"):
        traffic.intents(plan(), "mec1", rule.model_copy(update={"action": "DROP"}))
    interface = traffic.DestinationInterface(interfaceType="MAC", dstMacAddress="02:00:00:00:00:01")
    with pytest.raises(PeerError, match="dstInterface"):
        traffic.intents(plan(), "mec1", rule.model_copy(update={"dstInterface": interface}))
