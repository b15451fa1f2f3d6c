"""Tables in the lowered form: keys, entries with their priorities, default actions, objects."""

import pytest
from lowered_text import expression
from lowering_programs import program

from dataplane.compiler.lowered import Algorithm, KeyValue, MatchKind

ACTIONS = "action x() {} action set(bit<8> value) { m.a = value; }"


def table(body, **parts):
    """A table of the ingress with some body."""
    locals_ = f"{ACTIONS} {parts.pop('locals', '')} table t {{ {body} }}"
    return program(locals=locals_, apply="t.apply();", **parts).tables[0]


def test_keys_are_named_by_their_expressions():
    found = table(
        """key = {
            hdr.eth.dst: lpm; hdr.eth.isValid(): exact; hdr.tags[1].number: ternary; m.b[7:0]: range;
            m.c: optional; m.b & 0xf0: exact; sm.ingress_port: selector;
        } actions = { x; }"""
    )
    assert [(key.name, str(key.kind), expression(key.expression)) for key in found.keys] == [
        ("hdr.eth.dst", "lpm", "headers.eth.dst"),
        ("hdr.eth.$valid$", "exact", "headers.eth.valid"),
        ("hdr.tags[1].number", "ternary", "headers.tags[1].number"),
        ("m.b[7:0]", "range", "metadata.b[7:0]"),
        ("m.c", "optional", "metadata.c"),
        ("m.b & 240", "exact", "(metadata.b & 240)"),
        ("sm.ingress_port", "selector", "standard_metadata.ingress_port"),
    ]
    assert [key.kind for key in found.matched][-1] is MatchKind.EXACT


def test_entries_have_the_form_of_their_match_kinds():
    found = table(
        """key = { m.a: exact; m.b: ternary; hdr.eth.kind: range; m.c: optional; }
        actions = { x; set; }
        const entries = {
            (1, 5 &&& 7, 2 .. 4, true): set(9);
            (2, _, _, _): x();
            (3, 6, 8, false): x();
        }"""
    )
    assert [entry.keys for entry in found.entries] == [
        (KeyValue(1, 0xFF), KeyValue(5, 7), KeyValue(2, 0xFFFF, 4), KeyValue(1, 1)),
        (KeyValue(2, 0xFF), KeyValue(0, 0), KeyValue(0, 0xFFFF, 0xFFFF), KeyValue(0, 0)),
        (KeyValue(3, 0xFF), KeyValue(6, 0xFFFF), KeyValue(8, 0xFFFF, 8), KeyValue(0, 1)),
    ]
    assert found.entries[0].call.arguments == (9,)
    assert found.constant_entries and all(entry.constant for entry in found.entries)


def test_entries_of_a_serializable_enum_are_its_members_or_its_numbers():
    found = table(
        "key = { kind: ternary; } actions = { x; } "
        "const entries = { Kind.A: x(); (bit<16>)Kind.B &&& 0xff00: x(); 3: x(); }",
        top="enum bit<16> Kind { A = 1, B = 0xab12 }",
        locals="Kind kind = Kind.A;",
    )
    assert [(entry.keys[0].value, entry.keys[0].mask) for entry in found.entries] == [
        (1, 0xFFFF),
        (0xAB00, 0xFF00),
        (3, 0xFFFF),
    ]


def test_prefixes_of_an_lpm_entry_are_masks():
    found = table(
        "key = { hdr.eth.kind: lpm; } actions = { x; } "
        "entries = { 0x1200 &&& 0xff00: x(); 0x1234: x(); _: x(); const 0x8000 &&& 0x8000: x(); }"
    )
    assert [(entry.keys[0].value, entry.keys[0].mask, entry.constant) for entry in found.entries] == [
        (0x1200, 0xFF00, False),
        (0x1234, 0xFFFF, False),
        (0, 0, False),
        (0x8000, 0x8000, True),
    ]


@pytest.mark.parametrize(
    ("properties", "entries", "priorities"),
    [
        ("", "1: x(); 2: x(); 3: x();", [3, 2, 1]),
        ("", "priority = 10: 1: x(); 2: x(); priority = 5: 3: x();", [10, 9, 5]),
        ("priority_delta = 10;", "1: x(); 2: x(); 3: x();", [21, 11, 1]),
        ("largest_priority_wins = false;", "1: x(); 2: x(); priority = 7: 3: x();", [7, 6, 1]),
        ("", "1: x() @priority(3); 2: x() @priority(1); 3: x() @priority(2);", [1, 3, 2]),
        ("", "1: x() @priority(3); 2: x(); 3: x() @priority(1);", [1, 2, 3]),
    ],
)
def test_the_larger_priority_wins_however_the_program_has_it(properties, entries, priorities):
    found = table(f"key = {{ m.a: ternary; }} actions = {{ x; }} {properties} const entries = {{ {entries} }}")
    assert [entry.priority for entry in found.entries] == priorities


def test_without_a_default_action_it_is_noaction_which_entries_cannot_take():
    found = table("key = { m.a: exact; } actions = { x; }")
    assert (found.default.action.name, found.constant_default) == ("NoAction", False)
    assert [(each.action.name, each.annotations) for each in found.actions] == [
        ("I.x", {}),
        ("NoAction", {"defaultonly": ""}),
    ]


def test_a_default_action_has_data():
    found = table("actions = { set; } const default_action = set(4 + 1);")
    assert (found.default.action.name, found.default.arguments, found.constant_default) == ("I.set", (5,), True)


def test_a_default_action_s_data_may_have_defaults():
    found = table("actions = { both; } default_action = both(1);", locals="action both(bit<8> v, bit<8> w = 7) {}")
    assert found.default.arguments == (1, 7)


def test_one_action_serves_several_tables():
    found = program(
        locals="action x() {} table one { actions = { x; NoAction; } } table two { actions = { x; } }",
        apply="one.apply(); two.apply();",
    )
    assert [action.name for action in found.actions] == ["I.x", "NoAction"]
    assert found.tables[0].actions[0].action is found.tables[1].actions[0].action


def test_a_table_has_a_size_timeouts_and_objects():
    found = table(
        "key = { m.a: exact; } actions = { x; } size = 2 * 100; support_timeout = true; "
        "counters = hits; meters = rate; implementation = pool;",
        locals="""direct_counter(CounterType.packets_and_bytes) hits;
        direct_meter<bit<2>>(MeterType.bytes) rate;
        action_selector(HashAlgorithm.crc16, 32, 14) pool;""",
    )
    assert (found.size, found.idle_timeout) == (200, True)
    assert (found.counter.name, found.counter.unit, found.counter.size) == ("I.hits", "packets_and_bytes", None)
    assert (found.meter.name, found.meter.unit, found.meter.size) == ("I.rate", "bytes", None)
    assert (found.profile.name, found.profile.size, found.profile.algorithm) == ("I.pool", 32, Algorithm.CRC16)


def test_a_table_without_size_has_1024_entries():
    assert table("key = { m.a: exact; } actions = { x; }").size == 1024
