"""Table entries: what reaches the maps, what is read back, what is refused."""

import pytest
from finsy.proto import p4r
from rig import DELETE, INSERT, MODIFY, Rig

from dataplane.target.refusal import Code, Refusal

MAC = b"\x0a\x00\x00\x00\x00\x01"


@pytest.fixture
def rig():
    return Rig()


def refused(code, message, action, *arguments):
    with pytest.raises(Refusal, match=message) as found:
        action(*arguments)
    assert found.value.code == code


def route(rig, prefix, length, port=b"\x01", **fields):
    return rig.entry("ipv4_lpm", [(1, "lpm", prefix, length)], rig.action("ipv4_forward", MAC, port), **fields)


def host(rig, mac, port, action=None, **fields):
    return rig.entry("hosts", [(1, "exact", mac), (2, "exact", port)], action or rig.action("drop"), **fields)


def rule(rig, match=(), priority=10, port=b"\x01", **fields):
    return rig.entry("acl", match, rig.action("ipv4_forward", MAC, port), priority=priority, **fields)


def test_an_exact_entry_is_its_key_and_its_action_as_a_record(rig):
    rig.write(INSERT, host(rig, b"\x02\x00\x00\x00\x00\x01", b"\x01\x02", rig.action("ipv4_forward", MAC, b"\x07")))
    ((key, record),) = rig.maps[rig.place("hosts").entries].content.items()
    assert key == b"\x02\0\0\0\0\x01" + b"\x01\x02"
    number = next(action.number for action in rig.layout.actions if action.name == "MyIngress.ipv4_forward")
    assert record == number.to_bytes(4, "little") + bytes(4) + MAC[::-1] + bytes(2) + b"\x07\0" + bytes(6)


def test_a_prefix_has_its_length_in_front_of_the_key(rig):
    rig.write(INSERT, route(rig, b"\x0a\x01\x00\x00", 16))
    assert list(rig.maps[rig.place("ipv4_lpm").entries].content) == [(16).to_bytes(4, "little") + b"\x0a\x01\0\0"]


def test_a_prefix_that_is_left_out_matches_everything(rig):
    rig.write(INSERT, rig.entry("ipv4_lpm", action=rig.action("drop")))
    assert list(rig.maps[rig.place("ipv4_lpm").entries].content) == [bytes(8)]


def test_a_number_with_leading_zeros_is_taken_and_read_back_in_its_shortest_form(rig):
    rig.write(INSERT, host(rig, b"\0\0\0\0\0\0\0\x05", b"\0\x03", rig.action("ipv4_forward", b"\0\0\x09", b"\0\x07")))
    (read,) = rig.read(rig.entry("hosts"))
    assert [match.exact.value for match in read.match] == [b"\x05", b"\x03"]
    assert [parameter.value for parameter in read.action.action.params] == [b"\x09", b"\x07"]
    refused(Code.ALREADY_EXISTS, "is there", rig.write, INSERT, host(rig, b"\x05", b"\x03"))


def test_metadata_cookies_and_timeouts_come_back_as_they_were_written(rig):
    fields = {"metadata": b"class", "controller_metadata": 99, "idle_timeout_ns": 5_000}
    written = host(rig, b"\x05", b"\x03", **fields)
    rig.write(INSERT, written)
    assert rig.read(rig.entry("hosts")) == [written]


def test_a_deleted_entry_has_gone_from_the_map_and_its_number_is_used_again(rig):
    for mac in (b"\x01", b"\x02"):
        rig.write(INSERT, host(rig, mac, b"\x01"))
    rig.write(DELETE, host(rig, b"\x01", b"\x01"))
    entries = rig.maps[rig.place("hosts").entries].content
    assert list(entries) == [b"\0\0\0\0\0\x02\0\x01"]
    refused(Code.NOT_FOUND, "hosts: found no entry", rig.write, DELETE, host(rig, b"\x01", b"\x01"))


def test_a_modified_entry_keeps_its_number_and_changes_its_action(rig):
    rig.write(INSERT, route(rig, b"\x0a\x01\x00\x00", 16, b"\x01"))
    rig.write(MODIFY, route(rig, b"\x0a\x01\x00\x00", 16, b"\x02"))
    (record,) = rig.maps[rig.place("ipv4_lpm").entries].content.values()
    assert record[4:8] == bytes(4) and record[16:18] == b"\x02\0"
    refused(Code.NOT_FOUND, "found no entry", rig.write, MODIFY, route(rig, b"\x0a\x02\x00\x00", 16))


@pytest.mark.parametrize(
    ("match", "message"),
    [
        ([(1, "exact", b"\x01")], r"hosts\.meta\.port: found no match; expected one"),
        (
            [(1, "exact", b"\x01"), (2, "exact", b"\x02\x00")],
            r"hosts\.meta\.port: found 0x0200; expected a number of 9",
        ),
        ([(1, "exact", b"\x01"), (2, "exact", b"")], "found an empty value"),
        ([(1, "exact", b"\x01"), (2, "lpm", b"\x01", 3)], "found a match of kind lpm; expected exact"),
        ([(1, "exact", b"\x01"), (1, "exact", b"\x01")], "found two matches"),
        ([(1, "exact", b"\x01"), (9, "exact", b"\x01")], r"hosts: found match field 9; expected one of 1 \("),
        ([(1, "exact", b"\x01" * 7), (2, "exact", b"\x01")], "expected a number of 48 bits"),
    ],
)
def test_a_match_that_is_not_the_tables_is_refused_and_nothing_changes(rig, match, message):
    refused(Code.INVALID_ARGUMENT, message, rig.write, INSERT, rig.entry("hosts", match, rig.action("drop")))
    assert not rig.maps[rig.place("hosts").entries].content and not rig.read(rig.entry("hosts"))


@pytest.mark.parametrize(
    ("match", "message"),
    [
        ([(1, "ternary", b"\x01", b"\x00")], "found mask 0"),
        ([(1, "ternary", b"\x03", b"\x01")], "expected 0 where the mask is 0"),
        ([(2, "lpm", b"\x0a\x01\x01\x01", 16)], "expected 0 where the mask is 0"),
        ([(2, "lpm", b"\x0a\x01\x01\x01", 33)], "found prefix length 33; expected 1 to 32"),
        ([(2, "lpm", b"\x00", 0)], "found prefix length 0"),
        ([(3, "range", b"\x05", b"\x04")], "expected low to high"),
        ([(3, "range", b"\x00", b"\xff")], "found a range of all values"),
        ([(4, "optional", b"\x02\x00")], "expected a number of 9 bits"),
    ],
)
def test_masks_prefixes_and_ranges_have_one_form_each(rig, match, message):
    refused(Code.INVALID_ARGUMENT, message, rig.write, INSERT, rule(rig, match))


def test_priorities_are_needed_where_entries_can_overlap_and_only_there(rig):
    refused(Code.INVALID_ARGUMENT, "found priority 0; expected 1 or more", rig.write, INSERT, rule(rig, priority=0))
    entry = host(rig, b"\x01", b"\x01", priority=3)
    refused(Code.INVALID_ARGUMENT, "found priority 3; expected none", rig.write, INSERT, entry)


@pytest.mark.parametrize(
    ("action", "code", "message"),
    [
        (("drop", ()), Code.OK, ""),
        (("mark", (b"\x01",)), Code.INVALID_ARGUMENT, "hosts: found action"),
        (("ipv4_forward", (MAC,)), Code.INVALID_ARGUMENT, r"found no value for ipv4_forward\.port"),
        (("ipv4_forward", (MAC, b"\x02\x00")), Code.INVALID_ARGUMENT, r"ipv4_forward\.port: found 0x0200"),
    ],
)
def test_an_action_must_be_the_tables_with_each_parameter_once(rig, action, code, message):
    name, values = action
    info = rig.actions[name]
    params = [p4r.Action.Param(param_id=number, value=value) for number, value in enumerate(values, 1)]
    asked = p4r.TableAction(action=p4r.Action(action_id=info.preamble.id, params=params))
    if code == Code.OK:
        rig.write(INSERT, host(rig, b"\x01", b"\x01", asked))
    else:
        refused(code, message, rig.write, INSERT, host(rig, b"\x01", b"\x01", asked))


def test_an_insert_needs_an_action_and_a_modify_without_one_keeps_it(rig):
    bare = rig.entry("hosts", [(1, "exact", b"\x01"), (2, "exact", b"\x01")])
    refused(Code.INVALID_ARGUMENT, "found no action", rig.write, INSERT, bare)
    rig.write(INSERT, host(rig, b"\x01", b"\x01"))
    rig.write(MODIFY, bare)
    assert rig.read(rig.entry("hosts"))[0].action == rig.action("drop")


def test_an_action_out_of_its_scope_is_denied(rig):
    entry = rig.entry("acl", action=rig.action("NoAction"), priority=1)
    refused(Code.PERMISSION_DENIED, "its scope forbids", rig.write, INSERT, entry)


def test_a_full_table_says_so_and_takes_entries_again_after_a_deletion(rig):
    for number in range(1, 65):
        rig.write(INSERT, rule(rig, [(4, "optional", bytes([number]))]))
    refused(Code.RESOURCE_EXHAUSTED, "acl: found 64 entries", rig.write, INSERT, rule(rig, [(4, "optional", b"\x7f")]))
    rig.write(DELETE, rule(rig, [(4, "optional", b"\x01")]))
    rig.write(INSERT, rule(rig, [(4, "optional", b"\x7f")]))


# the default action


def test_the_default_action_is_changed_and_set_back(rig):
    default = rig.maps[rig.place("ipv4_lpm").default]
    first = default.lookup(bytes(4))
    entry = rig.entry("ipv4_lpm", action=rig.action("drop"), is_default_action=True)
    rig.write(MODIFY, entry)
    assert default.lookup(bytes(4)) != first
    assert rig.read(rig.entry("ipv4_lpm", is_default_action=True)) == [entry]
    rig.write(MODIFY, rig.entry("ipv4_lpm", is_default_action=True))
    assert default.lookup(bytes(4)) == first


@pytest.mark.parametrize("kind", [INSERT, DELETE])
def test_the_default_action_is_neither_inserted_nor_deleted(rig, kind):
    entry = rig.entry("ipv4_lpm", action=rig.action("drop"), is_default_action=True)
    refused(Code.INVALID_ARGUMENT, "expected MODIFY", rig.write, kind, entry)


def test_a_const_default_action_is_denied(rig):
    entry = rig.entry("fixed", action=rig.action("mark", b"\x01"), is_default_action=True)
    refused(Code.PERMISSION_DENIED, "default action is const", rig.write, MODIFY, entry)


# entries of the source


def test_const_entries_are_there_are_read_and_cannot_be_changed(rig):
    (entry,) = rig.read(rig.entry("fixed"))
    assert entry.is_const and entry.match[0].exact.value == b"\x05"
    refused(Code.PERMISSION_DENIED, "its entries are const", rig.write, DELETE, entry)
    fresh = rig.entry("fixed", [(1, "exact", b"\x06")], rig.action("mark", b"\x01"))
    refused(Code.PERMISSION_DENIED, "its entries are const", rig.write, INSERT, fresh)


def test_only_the_program_makes_entries_const(rig):
    refused(Code.INVALID_ARGUMENT, "found is_const", rig.write, INSERT, host(rig, b"\x01", b"\x01", is_const=True))


# counters, meters, times


def test_counters_of_entries_start_at_zero_are_read_and_set(rig):
    counters = rig.maps[rig.place("ipv4_lpm").counter]
    counters.update(bytes(4), b"\xff" * 16)
    rig.write(INSERT, route(rig, b"\x0a\0\0\0", 8))
    assert counters.lookup(bytes(4)) == bytes(16)
    counters.update(bytes(4), (3).to_bytes(8, "little") + (200).to_bytes(8, "little"))
    (read,) = rig.read(rig.entry("ipv4_lpm", counter_data={}))
    assert (read.counter_data.packet_count, read.counter_data.byte_count) == (3, 200)
    assert not rig.read(rig.entry("ipv4_lpm"))[0].HasField("counter_data")
    key = rig.entry("ipv4_lpm", [(1, "lpm", b"\x0a\0\0\0", 8)])
    rig.write(MODIFY, p4r.DirectCounterEntry(table_entry=key, data={"packet_count": 1}))
    (direct,) = rig.read(p4r.DirectCounterEntry(table_entry=key))
    assert (direct.data.packet_count, direct.data.byte_count) == (1, 0)


def test_a_counter_of_no_entry_is_not_found(rig):
    key = rig.entry("ipv4_lpm", [(1, "lpm", b"\x0b\0\0\0", 8)])
    refused(Code.NOT_FOUND, "no entry", rig.read, p4r.DirectCounterEntry(table_entry=key))
    refused(
        Code.INVALID_ARGUMENT,
        "expected a table that has one",
        rig.read,
        p4r.DirectCounterEntry(table_entry=rig.entry("hosts")),
    )


def test_meters_of_entries_are_set_with_the_entry_and_reset_by_a_modify_without_one(rig):
    config = p4r.MeterConfig(cir=1000, cburst=100, pir=2000, pburst=200)
    rig.write(INSERT, host(rig, b"\x01", b"\x01", meter_config=config))
    (read,) = rig.read(rig.entry("hosts", meter_config={}))
    assert read.meter_config == config
    rig.write(MODIFY, host(rig, b"\x01", b"\x01"))
    assert not rig.read(rig.entry("hosts", meter_config={}))[0].HasField("meter_config")
    wrong = p4r.MeterConfig(cir=3, cburst=1, pir=2, pburst=1)
    entry = host(rig, b"\x01", b"\x01", meter_config=wrong)
    refused(Code.INVALID_ARGUMENT, "pir not below cir", rig.write, MODIFY, entry)


def test_an_idle_entry_is_told_and_told_again_after_as_long_a_time(rig):
    rig.write(INSERT, host(rig, b"\x01", b"\x01", idle_timeout_ns=1_000))
    rig.write(INSERT, host(rig, b"\x02", b"\x01"))
    table = rig.pipeline.table(rig.tables["hosts"].preamble.id)
    rig.clock.now += 999
    assert not table.expire()
    rig.clock.now += 1
    assert [entry.match[0].exact.value for entry in table.expire()] == [b"\x01"]
    assert not table.expire()
    rig.clock.now += 1_000
    rig.maps[rig.place("hosts").last_hit].update(bytes(4), (rig.clock.now - 10).to_bytes(8, "little"))
    assert not table.expire()
    (read,) = rig.read(rig.entry("hosts", [(1, "exact", b"\x01"), (2, "exact", b"\x01")], time_since_last_hit={}))
    assert read.time_since_last_hit.elapsed_ns == 10


def test_timeouts_are_refused_where_the_table_has_none(rig):
    entry = route(rig, b"\x0a\0\0\0", 8, idle_timeout_ns=5)
    refused(Code.INVALID_ARGUMENT, "does not support it", rig.write, INSERT, entry)


# reads


def test_reads_filter_by_match_priority_action_and_metadata(rig):
    rig.write(INSERT, rule(rig, [(4, "optional", b"\x01")], 10, metadata=b"a"))
    rig.write(INSERT, rule(rig, [(4, "optional", b"\x01")], 20, metadata=b"b"))
    rig.write(INSERT, rig.entry("acl", [(4, "optional", b"\x02")], rig.action("drop"), priority=10))
    assert len(rig.read(rig.entry("acl"))) == 3
    assert len(rig.read(rig.entry("acl", priority=10))) == 2
    assert [each.priority for each in rig.read(rig.entry("acl", [(4, "optional", b"\x01")]))] == [10, 20]
    assert [each.metadata for each in rig.read(rig.entry("acl", metadata=b"b"))] == [b"b"]
    assert len(rig.read(rig.entry("acl", action=rig.action("drop")))) == 1
    assert len(rig.read(p4r.TableEntry())) == 4, "all tables, const entries too"


def test_what_is_not_in_the_program_is_not_found(rig):
    refused(Code.NOT_FOUND, "found table 33554433; expected one of", rig.read, p4r.TableEntry(table_id=0x02000001))
    refused(Code.NOT_FOUND, "found table 7", rig.write, INSERT, p4r.TableEntry(table_id=7))
