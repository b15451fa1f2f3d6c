"""A handover loses nothing: in every state that switches pass through, and for packets on their way meanwhile."""

from itertools import pairwise, product

from controller_plans import make_plan, settled
from flowtable import Fabric, Packet, changes
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import transaction
from controller.intents import Connection
from meclab.addressing import GATEWAY_MAC
from meclab.messages import BreakoutIntent, RuleClass, Transaction

PLANS = {kind: make_plan(kind[0], devices=2, breakout=kind[1]) for kind in product((2, 3, 6), (True, False))}
PLAN = PLANS[2, True]
HANDOVER = Transaction(attach={"ue1": "ap2"}, serve={"ue1": "mec2"})


def steps_of(wanted, plan=PLAN, pins=()):
    rules, before = settled(plan)
    for connection, host in pins:
        before = before.with_pin(connection, host)
    return transaction.steps(rules, before, rules.network.change(before, wanted))


def test_the_new_edge_changes_first_then_those_behind_it_and_the_stale_goes_last():
    found = steps_of(HANDOVER)
    assert [sorted(step.switches) for step in found] == [["edge2"], ["core"], ["edge1"], ["edge1"]]
    assert [bool(step.remove) for step in found] == [False, False, False, True]


def test_within_a_switch_pinned_connections_come_before_the_device_s_rule_and_that_before_forwarding():
    connection = Connection("ue1", PLAN.device("ue1").ipv4, 4000, PLAN.vip_ipv4, 8080)
    kinds = [rule.kind for rule in steps_of(HANDOVER, pins=[(connection, "mec1")])[0].add["edge2"]]
    assert kinds == sorted(kinds, reverse=True)
    assert set(kinds) == {RuleClass.PIN, RuleClass.STEER, RuleClass.ATTACH}


def test_what_is_as_it_was_is_not_told_again():
    assert steps_of(Transaction(attach={"ue1": "ap1"}, serve={"ue1": "mec1"})) == []
    (only,) = steps_of(Transaction(serve={"ue1": "mec2"}))[:1]
    assert only.switches == {"edge1"}
    assert not any(rule.kind == RuleClass.ATTACH for rules in only.add.values() for rule in rules)


def test_devices_that_move_together_go_each_in_the_order_of_its_own_access_point():
    found = steps_of(Transaction(attach={"ue1": "ap2", "ue2": "ap1"}))
    macs = {PLAN.device(name).mac: name for name in ("ue1", "ue2")}
    order = [
        (switch, macs[rule.key.match.eth_dst])
        for step in found
        for switch, rules in step.add.items()
        for rule in rules
        if rule.kind == RuleClass.ATTACH
    ]
    assert order.index(("edge2", "ue1")) < order.index(("core", "ue1")) < order.index(("edge1", "ue1"))
    assert order.index(("edge1", "ue2")) < order.index(("core", "ue2")) < order.index(("edge2", "ue2"))


def test_a_newer_step_s_rules_are_left_out_of_one_that_waits():
    rules, intents = settled(PLAN)
    connection = Connection("ue1", PLAN.device("ue1").ipv4, 4000, PLAN.vip_ipv4, 8080)
    pinned = intents.with_pin(connection, "mec1")
    waiting = transaction.steps(rules, pinned, rules.network.change(pinned, HANDOVER))
    moved = rules.network.change(pinned, HANDOVER)
    for newer in transaction.steps(rules, moved, moved.with_pin(connection, None)):
        for step in waiting:
            step.leave_out(newer)
    left = [rule for step in waiting for added in step.add.values() for rule in added]
    assert left
    assert not any(rule.key.match.tcp_ports for rule in left)


class Story:
    """A device's moves on one network: what its packets must meet meanwhile."""

    def __init__(self, draw, sites, breakout):
        self.plan, self.draw = PLANS[sites, breakout], draw
        self.rules, self.intents = settled(self.plan)
        self.net = Fabric(self.plan).load(self.rules, self.intents)
        self.family = draw(st.sampled_from(["ipv4", "ipv6"]))
        self.device = getattr(self.plan.device("ue1"), self.family)
        self.vip = self.plan.vip(self.family)
        self.pins = {}

    def pin(self, port):
        """The device opens a connection; its rules are there at once, as between transactions."""
        connection = Connection("ue1", self.device, port, self.vip, 8080)
        self.pins[port] = host = self.intents.serving["ue1"]
        self._go_to(self.intents.with_pin(connection, host))

    def _go_to(self, after):
        for step in transaction.steps(self.rules, self.intents, after):
            for change in changes(step, lambda left: left[0]):
                self.net.apply(change)
        self.intents = after

    def wanted(self):
        """A transaction as an orchestrator or an operator may send it."""
        some = lambda kind: st.sampled_from(sorted(kind))  # noqa: E731
        network = self.rules.network
        content = {}
        if self.draw(st.integers(0, 4)):
            content["attach"] = {"ue1": self.draw(some(network.edge_of_ap))}
            if self.draw(st.booleans()):
                content["attach"]["ue2"] = self.draw(some(network.edge_of_ap))
        if self.draw(st.integers(0, 4)):
            content["serve"] = {"ue1": self.draw(some(network.hosts))}
        if not self.draw(st.integers(0, 3)):
            edge = self.draw(some(network.edges))
            intent = BreakoutIntent(edge=edge, prefix=f"{self.vip}/{self.vip.max_prefixlen}")
            known = any((b.edge, b.prefix) == (intent.edge, intent.prefix) for b in self.intents.breakouts)
            content["remove_breakout" if known else "breakout"] = [intent]
        return Transaction.model_validate(content)

    def begin(self):
        """The next transaction's single changes; sets where the device was and is, and who served and serves."""
        coming, stale = self.begin_without_the_end()
        return coming + stale

    def begin_without_the_end(self):
        """The same, apart: what the controller's answer waits for, and what goes after it."""
        wanted = self.wanted()
        after = self.rules.network.change(self.intents, wanted)
        coming, stale = [], []
        for step in transaction.steps(self.rules, self.intents, after):
            singles = changes(step, lambda left: left[self.draw(st.integers(0, len(left) - 1))])
            (stale if step.only_removes and not wanted.remove_breakout else coming).extend(singles)
        self.aps = {self.intents.attachments["ue1"], after.attachments["ue1"]}
        self.hosts = {self.intents.serving["ue1"], after.serving["ue1"]}
        self.intents = after
        return coming, stale

    def packets(self):
        """Every packet to look at: where it starts, what it is, and where it may end."""
        mac = self.plan.device("ue1").mac
        for ap in sorted(self.aps):
            yield ap, Packet(self.device, self.vip, mac), self.hosts
            yield ap, Packet(self.device, self.vip, mac, tcp_ports=(1, 8080), syn=True), self.hosts
            yield ap, Packet(self.device, getattr(self.plan.node("cloud"), self.family), mac), {"cloud"}
            for port, host in self.pins.items():
                yield ap, Packet(self.device, self.vip, mac, tcp_ports=(port, 8080)), {host}
        for host in sorted({*self.hosts, *self.pins.values()}):
            yield host, Packet(self.vip, self.device, self.plan.node(host).mac), self.aps
        yield "cloud", Packet(getattr(self.plan.node("cloud"), self.family), self.device), self.aps

    def check(self, end, packet, may_end):
        assert not end.dropped, end
        assert end.node in may_end, end
        to_device = packet.destination == self.device
        assert end.packet.eth_dst == (self.plan.device("ue1") if to_device else self.plan.node(end.node)).mac
        assert end.packet.eth_src == GATEWAY_MAC


kinds = {"sites": st.sampled_from([2, 3, 6]), "breakout": st.booleans(), "data": st.data()}


@settings(max_examples=30, deadline=None)
@given(**kinds)
def test_in_every_state_on_the_way_each_packet_reaches_an_old_or_a_new_end(sites, breakout, data):
    story = Story(data.draw, sites, breakout)
    for port in range(4000, 4003):
        story.pin(port)
        for change in story.begin():
            story.net.apply(change)
            for start, packet, may_end in story.packets():
                story.check(story.net.send(start, packet), packet, may_end)


@settings(max_examples=30, deadline=None)
@given(**kinds)
def test_what_is_stale_may_go_while_the_next_transaction_is_under_way(sites, breakout, data):
    """Each switch does it before what comes next. Until then a device that is back where it was may still reach who
    served it there; when all is gone that is over."""
    story = Story(data.draw, sites, breakout)
    stale, hosts = [], set()
    for port in range(4000, 4003):
        story.pin(port)
        coming, left_over = story.begin_without_the_end()
        for change, left in behind(coming, stale, data.draw):
            story.net.apply(change)
            for start, packet, may_end in story.packets():
                before = hosts if left and packet.destination == story.vip else set()
                story.check(story.net.send(start, packet), packet, may_end | before)
        stale, hosts = left_over, story.hosts
    for change in stale:
        story.net.apply(change)
    assert story.net.state() == Fabric(story.plan).load(story.rules, story.intents).state()


def behind(coming, stale, draw):
    """Changes of a transaction, and among them, at any time but before the same switch's, those left over, each with
    how many of these are still to come; the last of them go at the end."""
    stale = list(stale)
    for switch, done in coming:
        least = max((number for number, change in enumerate(stale, start=1) if change[0] == switch), default=0)
        for _ in range(draw(st.integers(least, len(stale)))):
            yield stale.pop(0), len(stale)
        yield (switch, done), len(stale)
    while stale:
        yield stale.pop(0), len(stale)


@settings(max_examples=60, deadline=None)
@given(**kinds)
def test_a_packet_on_its_way_while_switches_change_reaches_an_old_or_a_new_end(sites, breakout, data):
    story = Story(data.draw, sites, breakout)
    story.pin(4000)
    story.pin(4001)
    coming = story.begin()
    start, packet, may_end = data.draw(st.sampled_from(list(story.packets())))

    def meanwhile():
        for _ in range(data.draw(st.sampled_from([0, 1, 2, 4, 8, 16]))):
            if coming:
                story.net.apply(coming.pop(0))

    story.check(story.net.send(start, packet, meanwhile), packet, may_end)


def test_a_packet_that_a_handover_overtakes_at_any_hop_reaches_an_old_or_a_new_end():
    """Each packet, from each state, with the rest of the handover before each of its hops."""
    story = Story(lambda _strategy: "ipv4", 2, True)
    story.pin(4000)
    story.wanted = lambda: HANDOVER
    story.draw = lambda _strategy: 0
    states = [story.net.state()]
    for change in story.begin():
        story.net.apply(change)
        states.append(story.net.state())
    for start, packet, may_end in list(story.packets()):
        for state in states[:-1]:
            for hop in range(6):
                hops = iter(range(64))

                def overtake(state=state, hop=hop, hops=hops):
                    story.net.restore(states[-1] if next(hops) >= hop else state)

                story.check(story.net.send(start, packet, overtake), packet, may_end)


@settings(max_examples=30, deadline=None)
@given(**kinds)
def test_after_any_transactions_each_switch_holds_just_what_one_that_connects_now_would_get(sites, breakout, data):
    story = Story(data.draw, sites, breakout)
    for port in range(4000, 4003):
        story.pin(port)
        for change in story.begin():
            story.net.apply(change)
    fresh = Fabric(story.plan).load(story.rules, story.intents)
    for switch, table in story.net.tables.items():
        assert table.rules == fresh.tables[switch].rules, switch


def test_each_step_lies_further_from_the_new_access_point_than_the_one_before():
    plan = PLANS[6, True]
    hops = settled(plan)[0].network.hops["ap4"]
    found = steps_of(Transaction(attach={"ue1": "ap4"}, serve={"ue1": "mec4"}), plan)
    ranks = [{hops[switch] for switch in step.add} for step in found if step.add]
    assert all(len(rank) == 1 for rank in ranks)
    assert all(max(near) < min(far) for near, far in pairwise(ranks))


def test_a_device_s_breakout_moves_to_its_new_edge_with_nothing_else_touched():
    rules, before = settled(make_plan(2, breakout=False, method="easdf"), served=False)
    prefixes = {edge: f"{rules.plan.node(host).ipv4}/32" for edge, host in (("edge1", "mec1"), ("edge2", "mec2"))}
    old, new = (BreakoutIntent(edge=edge, prefix=prefix, device="ue1") for edge, prefix in prefixes.items())
    before = rules.network.change(before, Transaction(breakout=(old,)))
    after = rules.network.change(before, Transaction(breakout=(new,), remove_breakout=(old,)))
    first, last = transaction.steps(rules, before, after)
    assert {switch: len(added) for switch, added in first.add.items()} == {"edge2": 2}
    assert {switch: len(removed) for switch, removed in last.remove.items()} == {"edge1": 2}
    assert not first.remove
    assert not last.add
