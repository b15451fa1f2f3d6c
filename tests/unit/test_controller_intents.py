"""What intents the network can have, and what it says of the others."""

import pytest
from controller_plans import make_plan, settled

from controller.intents import Connection, IntentError, Network
from meclab.messages import Transaction

PLAN = make_plan(2)
VIP = f"{PLAN.vip_ipv4}/32"
MEC1 = f"{PLAN.node('mec1').ipv4}/32"


def change(**content):
    network = Network(PLAN)
    return network.change(network.initial(), Transaction.model_validate(content))


def refusal(**content):
    with pytest.raises(IntentError) as refused:
        change(**content)
    return refused.value.status, str(refused.value)


def breakout(prefix, edge="edge1"):
    return [{"edge": edge, "prefix": str(prefix)}]


def test_intents_change_together():
    after = change(attach={"ue1": "ap2"}, serve={"ue1": "mec2"}, remove_breakout=breakout(MEC1))
    assert after.attachments == {"ue1": "ap2"}
    assert after.serving == {"ue1": "mec2"}
    assert len(after.breakouts) == len(PLAN.breakouts) - 1


def test_the_old_intents_stay_as_they_were():
    network = Network(PLAN)
    before = network.initial()
    network.change(before, Transaction(attach={"ue1": "ap2"}))
    assert before == network.initial()


def test_null_takes_the_serving_host_away():
    rules, intents = settled(PLAN)
    after = rules.network.change(intents, Transaction(serve={"ue1": None}))
    assert "ue1" not in after.serving
    assert rules.network.change(after, Transaction(serve={"ue1": None})) == after


def test_a_breakout_that_is_there_may_be_added_again():
    assert change(breakout=breakout(VIP)).breakouts == frozenset(PLAN.breakouts)


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        ({"attach": {"ue9": "ap1"}}, 404, "no device 'ue9'; expected"),
        ({"attach": {"ue1": "ap9"}}, 404, "no access point 'ap9'; expected"),
        ({"attach": {"ue1": "edge1"}}, 404, "no access point 'edge1'"),
        ({"serve": {"ue9": "mec1"}}, 404, "no device 'ue9'"),
        ({"serve": {"ue9": None}}, 404, "no device 'ue9'"),
        ({"serve": {"ue1": "cloud"}}, 404, "no MEC host 'cloud'"),
        ({"breakout": breakout(VIP, "edge9")}, 404, "no edge 'edge9'"),
        ({"breakout": breakout("198.51.100.0/24")}, 422, "198.51.100.0/24 cannot break out at edge1: it has mec1"),
        ({"breakout": breakout(MEC1, "edge2")}, 422, "cannot break out at edge2: it has mec2 and the virtual address"),
        ({"breakout": breakout("0.0.0.0/0")}, 422, "0.0.0.0/0 cannot break out at edge1: it covers"),
        ({"breakout": breakout("::/0")}, 422, "the virtual address"),
        ({"breakout": breakout(VIP), "remove_breakout": breakout(VIP)}, 409, f"breakout of {VIP} at edge1 is both"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(content, status, words):
    found = refusal(**content)
    assert found[0] == status
    assert words in found[1]


def test_a_breakout_that_is_not_there_cannot_be_removed():
    rules, intents = settled(PLAN)
    removal = Transaction.model_validate({"remove_breakout": breakout(VIP)})
    without = rules.network.change(intents, removal)
    with pytest.raises(IntentError, match=f"no breakout of {VIP} at edge1") as refused:
        rules.network.change(without, removal)
    assert refused.value.status == 404


def test_a_breakout_of_one_device_is_another_than_everybody_s():
    one = [{**breakout(MEC1)[0], "device": "ue1"}]
    after = change(breakout=one)
    assert len(after.breakouts) == len(PLAN.breakouts) + 1
    assert refusal(remove_breakout=one) == (404, f"no breakout of {MEC1} at edge1 for ue1")
    status, words = refusal(breakout=[{**one[0], "device": "ue9"}])
    assert (status, words.partition(";")[0]) == (404, "no device 'ue9'")


def test_a_breakout_may_be_wider_than_the_host_while_it_covers_nothing_else():
    wider = f"{PLAN.node('mec1').ipv4}/31"
    network = Network(PLAN)
    try:
        after = network.change(network.initial(), Transaction.model_validate({"breakout": breakout(wider)}))
    except ValueError:
        pytest.fail(f"{wider} has host bits")
    assert any(str(found.prefix) == wider for found in after.breakouts)


def test_a_connection_is_one_of_a_device_to_the_virtual_address():
    network, device = Network(PLAN), PLAN.device("ue2")
    assert network.connection(device.ipv6, 4000, PLAN.vip_ipv6, 8080) == Connection(
        "ue2", device.ipv6, 4000, PLAN.vip_ipv6, 8080
    )
    assert network.connection(device.ipv4, 4000, PLAN.node("mec1").ipv4, 8080) is None
    assert network.connection(PLAN.node("cloud").ipv4, 4000, PLAN.vip_ipv4, 8080) is None


def test_a_forgotten_pin_leaves_the_others():
    _, intents = settled(PLAN)
    device = PLAN.device("ue1")
    first, second = (Connection("ue1", device.ipv4, port, PLAN.vip_ipv4, 8080) for port in (1, 2))
    both = intents.with_pin(first, "mec1").with_pin(second, "mec2")
    assert (both.pin(first), both.pin(second)) == ("mec1", "mec2")
    left = both.with_pin(first, None)
    assert (left.pin(first), left.pin(second)) == (None, "mec2")


def test_hops_count_the_links_from_each_access_point():
    hops = Network(PLAN).hops["ap2"]
    assert (hops["edge2"], hops["core"], hops["edge1"]) == (1, 2, 3)
