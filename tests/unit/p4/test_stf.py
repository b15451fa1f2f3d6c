"""STF tests: their language, what it becomes in P4Runtime, and how packets are compared with expectations."""

import handmade
import pytest
from finsy.proto import p4d, p4r

from dataplane.compiler.errors import CompileError
from dataplane.compiler.p4info import p4info
from dataplane.target import stf
from dataplane.target.refusal import missing
from dataplane.target.stf_run import run


class Recorder:
    """A switch that notes what it is told, sends packets back where they came from, and counts."""

    def __init__(self):
        self.info = p4info(handmade.program())
        self.updates = []

    def write(self, update):
        if update.entity.table_entry.priority == 666:
            raise missing("no such entry")
        self.updates.append(update)

    def read(self, entity):
        found = p4r.Entity()
        found.CopyFrom(entity)
        match entity.WhichOneof("entity"):
            case "counter_entry":
                found.counter_entry.data.packet_count = 3
                found.counter_entry.data.byte_count = 180
            case "direct_counter_entry":
                found.direct_counter_entry.data.packet_count = 2
            case "register_entry":
                found.register_entry.data.CopyFrom(p4d.P4Data(bitstring=b"\x2a"))
            case "table_entry":
                return [u.entity for u in self.updates if u.entity.HasField("table_entry")]
        return [found]

    def packet(self, port, data):
        return [(port, data)] if data else []


@pytest.fixture
def switch():
    return Recorder()


def play(switch, text):
    return [str(failure) for failure in run(switch, stf.parse(text, "t.stf"))]


def entry(switch, text):
    assert play(switch, text) == []
    return switch.updates[-1].entity.table_entry


def refused(switch, text):
    with pytest.raises(CompileError) as caught:
        play(switch, text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", stf.Value(10)),
        ("0x1F", stf.Value(31)),
        ("0b101", stf.Value(5)),
        ("0o17", stf.Value(15)),
        ("-1", stf.Value(-1)),
        ("0x0a**", stf.Value(0x0A00, 0xFF00, length=8)),
        ("0b1*0", stf.Value(0b100, 0b101, length=1)),
        ("0o7*", stf.Value(0o70, 0o70, length=3)),
        ("*", stf.Value(0, 0)),
        ("10/8", stf.Value(10, length=8)),
        ("0x0a0*/12", stf.Value(0x0A00, length=12)),
        ("0x1&&&0xF", stf.Value(1, 15)),
        ("1->0x10", stf.Value(1, high=16)),
        ("1..16", stf.Value(1, high=16)),
    ],
)
def test_values_have_digits_wildcards_prefixes_masks_and_ranges(text, value):
    (command,) = stf.parse(f"add t k:{text} a()", "t.stf")
    assert command.keys == (("k", value),)


def test_comments_blank_lines_and_the_case_of_commands_do_not_matter():
    assert stf.parse("# nothing\n\n  // nothing\nWAIT # for ever\nno_packet\n", "t.stf") == (
        *(stf.Idle(stf.Position("t.stf", 4, 1)), stf.Idle(stf.Position("t.stf", 5, 1))),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wait\n bogus 1", "t.stf:2:2: found bogus, expected one of add, setdefault, remove,"),
        ("packet x", "t.stf:1:8: found x, expected a port"),
        ("packet 1 abc", "t.stf:1:10: found abc, expected bytes as pairs of hexadecimal digits"),
        ("expect 1 ab$c", "t.stf:1:10: found AB$C, expected hexadecimal digits, * for any, $ for the end"),
        ("add t k:0x a()", "t.stf:1:9: found 0x, expected a value"),
        ("add t k:1 a", 't.stf:1:12: found the end of the line, expected "(" behind the action'),
        ("add t k:1 a(b)", 't.stf:1:14: found ), expected ":"'),
        ("add t k:1 a(b:1 c:2)", 't.stf:1:17: found c:2), expected "," or ")"'),
        ("add t a() x", "t.stf:1:11: found x, expected the end of the line"),
        ("mirroring_add 1", "t.stf:1:16: found the end of the line, expected a port"),
        ("register_read r x", "t.stf:1:17: found x, expected an index"),
    ],
)
def test_what_is_no_command_is_refused_at_its_place(text, message):
    with pytest.raises(CompileError) as caught:
        stf.parse(text, "t.stf")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("expected", "packet", "accepted"),
    [
        ("0a0b", "0a0b", True),
        ("0a0b", "0A0B0C", True),
        ("0a0b $", "0a0b0c", False),
        ("0a0b $", "0a0b", True),
        ("0a**0c", "0aff0c", True),
        ("0a*b", "0aff", False),
        ("0a0b", "0a", False),
        ("$", "", True),
        ("$", "00", False),
    ],
)
def test_a_packet_is_compared_digit_by_digit(expected, packet, accepted):
    (command,) = stf.parse(f"expect 1 {expected}", "t.stf")
    assert command.accepts(bytes.fromhex(packet)) == accepted


def test_an_entry_s_table_keys_and_action_are_found_by_their_last_parts(switch):
    found = entry(switch, "add ipv4_lpm ipv4.dst:0x0a000000/8 ipv4_forward(port:3, dstAddr:0x010203040506)")
    info = switch.info
    assert found.table_id == next(t.preamble.id for t in info.tables if t.preamble.name == "MyIngress.ipv4_lpm")
    assert (found.match[0].lpm.value, found.match[0].lpm.prefix_len) == (b"\x0a\0\0\0", 8)
    assert {param.param_id: param.value for param in found.action.action.params} == {
        1: b"\1\2\3\4\5\6",
        2: b"\3",
    }
    assert found.priority == 0


def test_a_larger_priority_wins_and_the_least_is_one(switch):
    assert entry(switch, "add acl src:0x0a****** drop()").priority == 1
    assert entry(switch, "add acl 5 src:0x0b****** drop()").priority == 6


def test_ternary_prefix_range_and_optional_keys_become_their_match_fields(switch):
    found = entry(switch, "add acl 1 src:0x0a**00** dst:0x0a0b**** tos:1->4 port:7 drop()")
    by_field = {match.field_id: match for match in found.match}
    assert (by_field[1].ternary.value, by_field[1].ternary.mask) == (b"\x0a\0\0\0", b"\xff\0\xff\0")
    assert (by_field[2].lpm.value, by_field[2].lpm.prefix_len) == (b"\x0a\x0b\0\0", 16)
    assert (by_field[3].range.low, by_field[3].range.high) == (b"\1", b"\4")
    assert by_field[4].optional.value == b"\7"


def test_keys_that_are_left_out_match_everything_and_exact_ones_zero(switch):
    assert not entry(switch, "add acl 1 drop()").match
    assert [match.exact.value for match in entry(switch, "add hosts port:1 drop()").match] == [b"\0", b"\1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("add ipv4_lpn dst:1 drop()", "found table ipv4_lpn, expected one of MyEgress.fixed, MyIngress.acl"),
        ("add acl 1 ttl:1 drop()", "found key ttl, expected one of hdr.ipv4.dst"),
        ("add hosts dstAddr:0x** drop()", "found a mask for hdr.ethernet.dstAddr, expected all digits: the key is"),
        ("add hosts port:512 drop()", "found 512 for meta.port, expected at most 511 (9 bits)"),
        ("add ipv4_lpm dst:1&&&0x10 drop()", "found mask 0x10 for hdr.ipv4.dst, expected a prefix"),
        ("add ipv4_lpm dst:1/33 drop()", "found prefix length 33 for hdr.ipv4.dst, expected at most 32"),
        ("add ipv4_lpm dst:1->2 drop()", "found a range for hdr.ipv4.dst, expected another value"),
        ("add ipv4_lpm dst:1 forward(port:1)", "found no value for dstAddr of forward, expected one"),
        ("add ipv4_lpm dst:1 mark(value:1)", "found action mark, expected one of MyIngress.drop"),
        ("add ipv4_lpm dst:1 drop(x:1)", "found argument x, expected"),
        ("add acl 665 drop()", "no such entry"),
        ("remove h", "found handle h, expected a handle of an add before"),
        ("mc_node_associate 1 0", "found group 1, expected one that was created before"),
        ("check_counter nothing(1)", "found counter nothing, expected"),
    ],
)
def test_what_the_program_does_not_have_is_refused_at_its_line(switch, text, message):
    assert refused(switch, f"wait\n{text}").startswith(f"t.stf:2:1: {message}")


def test_multicast_nodes_are_collected_in_groups_and_clone_sessions_follow_them(switch):
    play(
        switch,
        "mc_mgrp_create 5\nmc_node_create 10 1 2\nmc_node_create 11 3\nmirroring_add_mc 7 5\n"
        "mc_node_associate 5 0\nmc_node_associate 5 1",
    )
    entries = [update.entity.packet_replication_engine_entry for update in switch.updates]
    groups = [each.multicast_group_entry for each in entries if each.HasField("multicast_group_entry")]
    sessions = [each.clone_session_entry for each in entries if each.HasField("clone_session_entry")]
    assert [(r.egress_port, r.instance) for r in groups[-1].replicas] == [(1, 10), (2, 10), (3, 11)]
    assert [(r.egress_port, r.instance) for r in sessions[-1].replicas] == [(1, 10), (2, 10), (3, 11)]
    assert [update.type for update in switch.updates] == [
        *(p4r.Update.INSERT, p4r.Update.INSERT, p4r.Update.MODIFY, p4r.Update.MODIFY, p4r.Update.MODIFY)
    ]


def test_entries_are_removed_by_handle_by_key_and_all_at_once(switch):
    play(switch, "add acl 3 src:1 drop() = $one\nremove $one")
    assert switch.updates[-1].type == p4r.Update.DELETE
    assert switch.updates[-1].entity.table_entry.match == switch.updates[-2].entity.table_entry.match
    play(switch, "remove acl 3 src:1")
    assert switch.updates[-1].entity.table_entry.match == switch.updates[-2].entity.table_entry.match
    count = len(switch.updates)
    play(switch, "remove all")
    assert {update.type for update in switch.updates[count:]} == {p4r.Update.DELETE}


def test_counters_and_registers_are_compared(switch):
    assert (
        play(switch, "check_counter seen(1) == 3\ncheck_counter seen(1) bytes > 100\nregister_read state 1 == 42") == []
    )
    assert play(switch, "add ipv4_lpm dst:1 drop() = h\ncheck_counter ipv4_lpm(h) packets == 2") == []
    assert play(switch, "check_counter seen(1) bytes == 3\nregister_read state 2 < 42") == [
        "t.stf:1:1: found 180 bytes in seen, expected == 3",
        "t.stf:2:1: found 42 in state[2], expected < 42",
    ]


def test_registers_and_rates_are_set(switch):
    play(switch, "register_write state 3 0x2a\nregister_reset state\nmeter_set_rates limits 1 0.5:10 1:20")
    written, reset, rates = (update.entity for update in switch.updates)
    assert (written.register_entry.index.index, written.register_entry.data.bitstring) == (3, b"\x2a")
    assert not reset.register_entry.HasField("index") and reset.register_entry.data.bitstring == b"\0"
    config = rates.meter_entry.config
    assert (config.cir, config.cburst, config.pir, config.pburst) == (500_000, 10, 1_000_000, 20)


def test_packets_are_expected_port_by_port_in_order(switch):
    assert play(switch, "expect 2 02\nexpect 1 01$\npacket 1 01\npacket 2 02ff\nexpect 1 03\npacket 1 03") == []


def test_a_packet_that_differs_is_shown_below_the_expected_one(switch):
    (failure,) = play(switch, "packet 1 0102ff\nexpect 1 0103")
    assert failure.splitlines() == [
        "t.stf:2:1: found another packet on port 1 than expected (from byte 1 on):",
        "  expected 0103",
        "  found    0102FF",
        "              ^",
    ]


def test_a_packet_that_is_missing_or_too_much_is_a_failure(switch):
    assert play(switch, "expect 3 01*2$") == ["t.stf:1:1: found no packet on port 3, expected 01*2$"]
    assert play(switch, "packet 3 0102\npacket 3 03") == [
        "t.stf:1:1: found 2 packets more than expected on port 3:\n  0102\n  03"
    ]


def test_an_expectation_without_digits_takes_any_packets(switch):
    assert play(switch, "expect 3\npacket 3 0102\npacket 3 03") == []
