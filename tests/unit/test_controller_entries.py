"""Rules as table entries, and the updates that make a P4Runtime switch hold them."""

from functools import cache
from pathlib import Path

import pytest
from controller_plans import make_plan, settled
from finsy import P4Schema, P4TableAction, P4TableEntry, P4TableMatch
from finsy.proto import p4r

from controller import entries
from controller.intents import Connection
from controller.packets import Ends
from controller.reconciling import Holding
from controller.rules import PIN_IDLE_S, Rules, Table
from dataplane.compiler.lowering import lower
from dataplane.compiler.p4info import p4info
from dataplane.compiler.parser import parse_file
from meclab.messages import RuleClass, Transaction

PROGRAM = Path(__file__).parents[2] / "dataplane" / "programs" / "edge.p4"
PLAN = make_plan(2)
RULES, INTENTS = settled(PLAN)
INSERT, MODIFY, DELETE = p4r.Update.INSERT, p4r.Update.MODIFY, p4r.Update.DELETE


@cache
def schema():
    return P4Schema(p4info(lower(parse_file(PROGRAM), "edge")))


def told(updates):
    """Type and table of each update."""
    return [(u.type, schema().tables[u.entity.table_entry.table_id].alias) for u in updates]


def wanted(switch, intents=INTENTS):
    return [entry for rule in RULES.of_switch(intents, switch) for entry in entries.entries(rule)]


def fresh(switch="edge1"):
    holding = Holding(schema())
    holding.found([])
    updates, _ = holding.become(wanted(switch))
    return holding, updates


@pytest.mark.parametrize("switch", [node.name for node in PLAN.switches])
def test_every_rule_is_entries_of_the_program_or_what_it_does_anyway(switch):
    without = [rule for rule in RULES.of_switch(INTENTS, switch) if not entries.entries(rule)]
    for rule in without:
        drops = not rule.actions
        assert drops or (rule.key.table is Table.STEER and rule.key.priority == 0), rule
    assert all(entry.encode(schema()) for entry in wanted(switch))


def test_entries_carry_the_class_of_their_rule():
    kinds = {entries.class_of(entry) for entry in wanted("edge1") if not entry.is_default_action}
    assert kinds == {RuleClass.BASE, RuleClass.ATTACH, RuleClass.STEER, RuleClass.PIN}


def test_a_new_switch_gets_every_entry_and_a_default_action_for_every_table():
    _, updates = fresh()
    kinds = [kind for kind, _ in told(updates)]
    assert kinds.count(INSERT) == sum(not entry.is_default_action for entry in wanted("edge1"))
    assert kinds.count(MODIFY) == len(list(schema().tables))
    assert DELETE not in kinds


def test_a_switch_that_holds_everything_gets_default_actions_alone():
    holding = Holding(schema())
    holding.found([entry for entry in wanted("edge1") if not entry.is_default_action])
    updates, strangers = holding.become(wanted("edge1"))
    assert {kind for kind, _ in told(updates)} == {MODIFY}
    assert all(update.entity.table_entry.is_default_action for update in updates)
    assert strangers == 0


def test_strangers_go_what_lacks_comes_and_what_differs_is_changed():
    known = [entry for entry in wanted("edge1") if not entry.is_default_action]
    steer = next(entry for entry in known if entry.table_id == "steer_ipv4")
    changed = P4TableEntry("steer_ipv4", match=steer.match, action=P4TableAction("route", next=1))
    stranger = P4TableEntry("forward", match=P4TableMatch(destination=77), action=P4TableAction("output", port=9))
    holding = Holding(schema())
    holding.found([*(entry for entry in known if entry not in (steer, known[0])), changed, stranger])
    updates, strangers = holding.become(wanted("edge1"))
    own = [pair for pair, u in zip(told(updates), updates, strict=True) if not u.entity.table_entry.is_default_action]
    assert sorted(own) == sorted([(INSERT, known[0].table_id), (MODIFY, "steer_ipv4"), (DELETE, "forward")])
    assert told(updates)[-1] == (DELETE, "forward")
    assert strangers == 1


def test_a_move_changes_entries_and_a_move_back_restores_them():
    holding, _ = fresh("core")
    network = RULES.network
    moved = network.change(INTENTS, Transaction(attach={"ue1": "ap2"}, serve={"ue1": "mec2"}))
    for before, after in ((INTENTS, moved), (moved, INTENTS)):
        old, new = (set(RULES.of_switch(intents, "core")) for intents in (before, after))
        updates = holding.change(new - old, [])
        assert {kind for kind, _ in told(updates)} == {MODIFY}
        assert {table for _, table in told(updates)} == {
            *("forward", "steer_ipv4", "steer_ipv6", "openings_ipv4", "openings_ipv6"),
        }
    assert holding.change(RULES.of_switch(INTENTS, "core"), []) == []


def test_what_a_switch_does_not_hold_is_not_removed():
    holding, _ = fresh()
    rules = [rule for rule in RULES.of_switch(INTENTS, "edge1") if rule.kind is RuleClass.STEER]
    assert {kind for kind, _ in told(holding.change([], rules))} == {DELETE}
    assert holding.change([], rules) == []


def test_what_a_program_has_no_table_for_is_left_out_and_told_once(caplog):
    info = p4info(lower(parse_file(PROGRAM), "edge"))
    (steer,) = [table for table in info.tables if table.preamble.alias == "steer_ipv4"]
    (counter,) = [one for one in info.direct_counters if one.direct_table_id == steer.preamble.id]
    info.tables.remove(steer)
    info.direct_counters.remove(counter)
    holding = Holding(P4Schema(info))
    holding.found([])
    updates, _ = holding.become([*wanted("edge1"), *wanted("core")])
    assert steer.preamble.id not in {update.entity.table_entry.table_id for update in updates}
    assert [record.message.split(" with")[0] for record in caplog.records] == ["the program has no table steer_ipv4"]


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_pinned_connections_entry_ends_by_silence_and_tells_which_it_is(family):
    device = PLAN.device("ue1")
    ends = Ends(getattr(device, family), 4000, PLAN.vip(family), 8080)
    connection = Connection("ue1", ends.source, 4000, ends.destination, 8080)
    rules = Rules(RULES.network)
    ((_, rule), *_) = rules.pin(INTENTS, connection, "mec1")
    (entry,) = entries.entries(rule)
    assert entry.idle_timeout_ns == PIN_IDLE_S * 1_000_000_000
    read = P4TableEntry.decode(entry.encode(schema()), schema())
    assert entries.pinned_connection(read) == ends
