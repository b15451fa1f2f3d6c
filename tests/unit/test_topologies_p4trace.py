"""Traces through P4 switches: the entries that a packet hits, walked without a switch, against the rules themselves."""

from functools import cache
from pathlib import Path

import pytest
from controller_plans import make_plan, settled
from finsy import P4Schema
from flowtable import Fabric, Packet

from controller import entries
from dataplane.compiler.lowering import lower
from dataplane.compiler.p4info import p4info
from dataplane.compiler.parser import parse_file
from meclab.addressing import GATEWAY_MAC
from topologies import p4trace
from topologies.p4tables import Tables, _Reader

PROGRAM = Path(__file__).parents[2] / "dataplane" / "programs" / "edge.p4"
PLAN = make_plan(3, devices=3, method="vip:immediate")
RULES, INTENTS = settled(PLAN)
ATTACHED = dict(INTENTS.attachments)


@cache
def info():
    return p4info(lower(parse_file(PROGRAM), "edge"))


def tables(name, _at=None):
    schema, reader = P4Schema(info()), _Reader(info())
    wanted = [entry for rule in RULES.of_switch(INTENTS, name) for entry in entries.entries(rule)]
    return Tables(reader.entry(entry.encode(schema).table_entry) for entry in wanted)


@pytest.fixture(autouse=True)
def switches(monkeypatch):
    monkeypatch.setattr(p4trace, "read", tables)


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("target", ["vip", "mec1", "mec2", "cloud", "ue2", "ue3"])
def test_a_trace_goes_the_way_that_the_rules_lead(target, family):
    device = PLAN.device("ue1")
    parts = {part.name: part for part in (*PLAN.nodes, *PLAN.devices)}
    destination = PLAN.vip(family) if target == "vip" else getattr(parts[target], family)
    end = Fabric(PLAN).load(RULES, INTENTS).send("ap1", Packet(getattr(device, family), destination, device.mac))
    hops = p4trace.trace(PLAN, ATTACHED, "ue1", target, family)
    assert [hop.node for hop in hops[1:-1]] == list(end.path)
    assert hops[-1].outcome == "delivered"


def test_a_trace_names_the_entry_that_steers_and_its_class():
    hops = p4trace.trace(PLAN, ATTACHED, "ue1", "vip")
    steering = next(rule for hop in hops for rule in hop.rules if rule.table == "steer_ipv4")
    device, mac = PLAN.device("ue1"), PLAN.node("mec1").mac
    assert steering.match == f"source={device.ipv4}/32 destination={PLAN.vip_ipv4}"
    assert (steering.actions, steering.cookie) == ((f"route(next={mac})",), 3)


def test_what_no_switch_knows_is_dropped_at_the_core():
    hops = p4trace.trace(PLAN, ATTACHED, "ue1", "198.51.100.1")
    assert (hops[-1].node, hops[-1].outcome) == ("core", "dropped: the switch has no entry for it")
    assert GATEWAY_MAC in hops[2].rules[0].match


def test_a_longer_prefix_and_a_better_priority_win():
    edge = tables("edge1")
    mec1 = int(PLAN.node("mec1").ipv4)
    assert edge.hit("routes_ipv4", destination=mec1).action == "route"
    assert edge.hit("routes_ipv4", destination=1) is None
    assert edge.lookup("routes_ipv4", destination=1).action == "to_anchor"
    assert edge.lookup("no_such_table", destination=1) is None
