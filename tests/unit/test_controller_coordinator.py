"""Transactions, connections and reconnections against switches that answer from another thread."""

import threading
from types import SimpleNamespace

import pytest
from controller_plans import make_plan
from os_ken.ofproto import ofproto_v1_3 as ofproto
from switch_double import EventThread, SwitchDouble

from controller import openflow, switches
from controller.coordinator import Coordinator
from controller.openflow import generation_of, kind_of
from controller.openflow_channel import Connections
from controller.packets import Ends, FirstSegment
from meclab.messages import BreakoutIntent, RuleClass, Transaction

PLAN = make_plan(2)
START = Transaction(attach={"ue1": "ap1"}, serve={"ue1": "mec1"})
HANDOVER = Transaction(attach={"ue1": "ap2"}, serve={"ue1": "mec2"})
ENDS = Ends(PLAN.device("ue1").ipv4, 4000, PLAN.vip_ipv4, 8080)
WAIT_S = 10.0


def segment(host, ends=ENDS):
    return FirstSegment(ends, PLAN.node(host).mac)


class Lab:
    def __init__(self):
        self.coordinator = Coordinator(PLAN)
        self.events = EventThread()
        self.connections = Connections()
        self.switches = {}
        for name in self.coordinator.expected.values():
            self.connect(name)

    def connect(self, name):
        """A switch connects and reports the rules that it has, as the application brings it."""
        switch = SwitchDouble(self.connections, self.events)
        if name in self.switches:
            switch.rules = self.switches[name].rules
        self.switches[name] = switch
        self.events.do(lambda: self.open(name, switch))
        self.events.do(lambda: self.report(name))
        self.events.do(lambda: None)

    def open(self, name, switch):
        self.coordinator.switch_connected(self.connections.opened(name, switch))

    def close(self, switch):
        """A connection ends, as the application brings it."""
        if (channel := self.connections.closed(switch)) is not None:
            self.coordinator.switch_disconnected(channel)

    def report(self, name):
        switch = self.switches[name]
        flows = [SimpleNamespace(table_id=key[0], priority=key[1], match=mod.match, cookie=mod.cookie)
                 for key, mod in switch.rules.items()]  # fmt: skip
        self.connections.of(switch).flows_reported(flows, last=True)

    def begin(self, wanted):
        """Starts a transaction in a thread of its own, as the HTTP server does."""
        results = []
        thread = threading.Thread(target=lambda: results.append(self.coordinator.transact(wanted)), daemon=True)
        thread.start()

        def end():
            thread.join(WAIT_S)
            assert results, "the transaction has not come to an end"
            return results[0]

        return end

    def stop_at(self, name, wanted):
        """Starts a transaction that waits for a switch's answer; returns how to end it and how to answer."""
        slow = self.switches[name]
        slow.answers = False
        before = len(slow.pieces)
        end = self.begin(wanted)
        self.wait_for(lambda: len(slow.pieces) > before)
        xid = next(message[1] for message in slow.pieces[before] if isinstance(message, tuple))

        def answer():
            slow.answers = True
            self.events.do(lambda: self.connections.of(slow).barrier_answered(xid))

        return end, answer

    def wait_for(self, condition):
        waiting = threading.Event()
        for _ in range(2000):
            if condition():
                return
            waiting.wait(0.005)
        pytest.fail("never came true")

    def is_as_wanted(self):
        """Whether every switch holds what one that connects now would get."""
        rules, intents = self.coordinator.rules, self.coordinator.intents
        for name, switch in self.switches.items():
            fresh = SwitchDouble(self.connections, self.events)
            fresh.send(b"".join(openflow.flow_mod(rule, 1, 1) for rule in rules.of_switch(intents, name)))
            if content(switch) != content(fresh):
                return False
        return True


def content(switch):
    return {key: (str(mod.instructions), mod.idle_timeout) for key, mod in switch.rules.items()}


@pytest.fixture
def lab(monkeypatch):
    monkeypatch.setattr(switches, "BARRIER_SECONDS", 3600.0)
    found = Lab()
    yield found
    found.events.end()


def test_switches_that_have_connected_hold_what_they_should_and_are_ready(lab):
    assert lab.coordinator.switches.ready == set(lab.switches)
    assert lab.is_as_wanted()


def test_a_transaction_is_over_when_every_switch_has_answered(lab):
    result = lab.coordinator.transact(START)
    assert (result.number, result.unreached) == (1, ())
    assert set(result.switches) == {"edge1", "edge2", "core"}
    assert lab.is_as_wanted()


def test_a_step_reaches_a_switch_in_one_piece_with_its_barrier_last(lab):
    before = len(lab.switches["edge1"].pieces)
    lab.coordinator.transact(START)
    (piece,) = lab.switches["edge1"].pieces[before:]
    assert isinstance(piece[-1], tuple)
    assert not any(isinstance(message, tuple) for message in piece[:-1])


def test_every_message_of_a_handover_carries_its_class(lab):
    lab.coordinator.transact(START)
    before = {name: len(switch.pieces) for name, switch in lab.switches.items()}
    lab.coordinator.transact(HANDOVER)
    for name, switch in lab.switches.items():
        for message in [message for piece in switch.pieces[before[name] :] for message in piece]:
            if isinstance(message, tuple):
                assert message[1] >> 24 == RuleClass.ATTACH
            else:
                assert kind_of(message.cookie) == message.xid >> 24
                assert kind_of(message.cookie) in (RuleClass.ATTACH, RuleClass.STEER, RuleClass.PIN)


def test_an_absent_switch_is_told_of_and_gets_its_rules_when_it_comes(lab):
    gone = lab.switches["edge2"]
    lab.events.do(lambda: lab.close(gone))
    lab.coordinator.transact(START)
    result = lab.coordinator.transact(HANDOVER)
    assert result.unreached == ("edge2",)
    lab.connect("edge2")
    assert lab.is_as_wanted()
    assert "edge2" in lab.coordinator.switches.ready


def test_a_switch_that_goes_while_it_is_waited_for_ends_the_wait(lab):
    lab.coordinator.transact(START)
    end, _ = lab.stop_at("edge2", HANDOVER)
    lab.events.do(lambda: lab.close(lab.switches["edge2"]))
    assert end().unreached == ("edge2",)


def test_no_answer_waits_for_what_a_move_leaves_behind(lab):
    lab.coordinator.transact(START)
    lab.switches["edge1"].loses_removals = True
    result = lab.coordinator.transact(HANDOVER)
    assert (result.unreached, result.rules_removed) == ((), 4)
    assert not lab.is_as_wanted()


def test_what_a_move_leaves_behind_goes_with_the_next_connection_where_it_did_not_go_before(lab, caplog):
    lab.coordinator.transact(START)
    lab.switches["edge1"].loses_removals = True
    lab.coordinator.transact(HANDOVER)
    lab.connect("edge1")
    assert lab.is_as_wanted()
    lab.wait_for(lambda: "transaction 2: what is stale may still be at edge1" in caplog.text)


def test_a_device_that_comes_back_at_once_finds_its_rules_although_older_ones_are_on_their_way_out(lab):
    """The switch does what it is told in order, whatever is waited for."""
    lab.coordinator.transact(START)
    before = len(lab.switches["edge1"].pieces)
    lab.coordinator.transact(HANDOVER)
    lab.coordinator.transact(START)
    sent = [message for piece in lab.switches["edge1"].pieces[before:] for message in piece]
    commands = [message.command for message in sent if not isinstance(message, tuple) and message.table_id == 1]
    assert commands == [ofproto.OFPFC_DELETE_STRICT] * 4 + [ofproto.OFPFC_ADD] * 4
    assert lab.is_as_wanted()


@pytest.mark.parametrize(
    "taking",
    [
        Transaction(serve={"ue1": None}),
        Transaction(remove_breakout=(BreakoutIntent(edge="edge1", prefix=f"{PLAN.vip_ipv4}/32"),)),
    ],
    ids=["serve", "breakout"],
)
def test_what_a_transaction_takes_away_is_gone_when_it_is_answered(lab, taking):
    lab.coordinator.transact(START)
    lab.switches["edge1"].loses_removals = True
    end = lab.begin(taking)
    lab.wait_for(lambda: lab.switches["edge1"].lost)
    lab.events.do(lambda: lab.close(lab.switches["edge1"]))
    assert end().unreached == ("edge1",)


def test_a_switch_that_connects_anew_while_it_is_waited_for_ends_the_wait(lab):
    lab.coordinator.transact(START)
    end, _ = lab.stop_at("edge2", HANDOVER)
    lab.connect("edge2")
    assert end().unreached == ("edge2",)
    assert lab.is_as_wanted()


def test_while_a_transaction_waits_for_a_switch_the_event_thread_goes_on(lab):
    """It brings the answer that the transaction waits for: were it stuck, every switch would count as not reached."""
    lab.coordinator.transact(START)
    end, answer = lab.stop_at("edge2", HANDOVER)
    lab.events.do(lambda: lab.coordinator.first_segment(segment("mec1")))
    lab.events.do(lambda: lab.coordinator.connection_silent("edge2", ENDS))
    lab.connect("edge1")
    answer()
    assert end().unreached == ()
    assert lab.is_as_wanted()


def test_a_connection_stays_with_the_host_that_its_first_segment_went_to_even_if_another_serves_now(lab):
    lab.coordinator.transact(START)
    lab.coordinator.transact(HANDOVER)
    lab.events.do(lambda: lab.coordinator.first_segment(segment("mec1")))
    assert list(lab.coordinator.intents.pins["ue1"].values()) == ["mec1"]
    assert lab.is_as_wanted()


def test_a_repeated_first_segment_tells_switches_nothing_new(lab):
    lab.coordinator.transact(START)
    lab.events.do(lambda: lab.coordinator.first_segment(segment("mec1")))
    before = {name: len(switch.pieces) for name, switch in lab.switches.items()}
    lab.events.do(lambda: lab.coordinator.first_segment(segment("mec1")))
    assert {name: len(switch.pieces) for name, switch in lab.switches.items()} == before


@pytest.mark.parametrize("host", ["cloud", "ops"])
def test_a_first_segment_to_no_mec_host_pins_nothing(lab, host):
    lab.coordinator.transact(START)
    lab.events.do(lambda: lab.coordinator.first_segment(segment(host)))
    assert not any(lab.coordinator.intents.pins.values())


def test_silence_counts_only_where_the_device_is(lab):
    lab.coordinator.transact(START)
    lab.events.do(lambda: lab.coordinator.first_segment(segment("mec1")))
    lab.coordinator.transact(HANDOVER)
    lab.events.do(lambda: lab.coordinator.connection_silent("edge1", ENDS))
    lab.events.do(lambda: lab.coordinator.connection_silent("core", ENDS))
    assert any(lab.coordinator.intents.pins.values())
    lab.events.do(lambda: lab.coordinator.connection_silent("edge2", ENDS))
    assert not any(lab.coordinator.intents.pins.values())
    assert lab.is_as_wanted()


def test_a_port_used_again_after_silence_is_pinned_anew(lab):
    lab.coordinator.transact(START)
    lab.events.do(lambda: lab.coordinator.first_segment(segment("mec1")))
    lab.coordinator.transact(Transaction(serve={"ue1": "mec2"}))
    lab.events.put(lambda: lab.coordinator.connection_silent("edge1", ENDS))
    lab.events.do(lambda: lab.coordinator.first_segment(segment("mec2")))
    assert list(lab.coordinator.intents.pins["ue1"].values()) == ["mec2"]
    assert lab.is_as_wanted()


def test_a_connection_forgotten_in_the_middle_of_a_transaction_is_not_brought_back_by_it(lab):
    """Where nothing breaks out the anchor's rule ends by silence, and is still to be changed by the transaction."""
    lab.coordinator.transact(START)
    lab.coordinator.transact(Transaction(remove_breakout=(BreakoutIntent(edge="edge2", prefix=f"{PLAN.vip_ipv4}/32"),)))
    lab.events.do(lambda: lab.coordinator.first_segment(segment("mec1")))
    end, answer = lab.stop_at("edge2", HANDOVER)
    lab.events.do(lambda: lab.coordinator.connection_silent("core", ENDS))
    answer()
    assert end().unreached == ()
    assert lab.is_as_wanted()


def test_a_reconnected_switch_loses_the_rules_of_others_and_of_another_time(lab):
    lab.coordinator.transact(START)
    switch = lab.switches["edge1"]
    stranger = next(rule for rule in lab.coordinator.rules.of_switch(lab.coordinator.intents, "core")
                    if rule.key.table == 2 and rule.key.match.destination is not None)  # fmt: skip
    switch.send(openflow.flow_mod(stranger, 0, 1))
    removed = next(iter(switch.rules))
    del switch.rules[removed]
    lab.connect("edge1")
    assert lab.is_as_wanted()
    assert len({generation_of(mod.cookie) for mod in lab.switches["edge1"].rules.values()}) == 1


def test_a_rule_that_was_stale_when_reported_and_is_wanted_since_stays(lab):
    """Between the report of a reconnected switch and what follows, a device comes back to it."""
    lab.coordinator.transact(START)
    old = lab.switches["edge1"]
    lab.events.do(lambda: lab.close(old))
    lab.coordinator.transact(Transaction(serve={"ue1": None}))
    again = SwitchDouble(lab.connections, lab.events)
    again.rules = dict(old.rules)
    lab.switches["edge1"] = again
    lab.events.do(lambda: lab.open("edge1", again))
    flows = [SimpleNamespace(table_id=key[0], priority=key[1], match=mod.match, cookie=mod.cookie)
             for key, mod in again.rules.items()]  # fmt: skip
    lab.coordinator.transact(Transaction(serve={"ue1": "mec2"}))
    channel = lab.connections.of(again)
    lab.events.do(lambda: channel.flows_reported(flows, last=True))
    assert lab.is_as_wanted()


def test_answers_of_an_older_connection_settle_nothing(lab):
    old = lab.switches["edge1"]
    channel = lab.connections.of(old)
    new = SwitchDouble(lab.connections, lab.events)
    lab.events.do(lambda: lab.open("edge1", new))
    assert lab.connections.of(old) is None
    lab.events.do(lambda: channel.flows_reported([], last=True))
    lab.events.do(lambda: None)
    assert "edge1" not in lab.coordinator.switches.ready
    lab.close(old)
    assert "edge1" in lab.coordinator.switches.names


def test_transactions_from_many_threads_end_in_one_state_that_every_switch_has(lab):
    lab.coordinator.transact(START)
    ends = []
    for number in range(8):
        wanted = HANDOVER if number % 2 else START
        ends.append(lab.begin(wanted))
        ends_of = Ends(ENDS.source, 5000 + number, ENDS.destination, 8080)
        lab.events.put(lambda ends_of=ends_of: lab.coordinator.first_segment(segment("mec1", ends_of)))
    numbers = {end().number for end in ends}
    lab.events.do(lambda: None)
    assert numbers == set(range(2, 10))
    assert len(lab.coordinator.intents.pins["ue1"]) == 8
    assert lab.is_as_wanted()
