"""P4Info of a program: the ids and names that controllers rely on."""

import handmade
import pytest
from finsy import P4Schema
from finsy.proto import p4i
from google.protobuf import text_format

from dataplane.compiler.errors import CompileError, Position
from dataplane.compiler.identifiers import Kind, aliases, name_hash, number_members, number_objects
from dataplane.compiler.p4info import p4info, p4info_text

NOWHERE = Position("a.p4", 3, 5)


@pytest.fixture(scope="module")
def info():
    return p4info(handmade.program())


def named(objects, name):
    return next(each for each in objects if each.preamble.name == name)


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        (Kind.TABLE, "MyIngress.ipv4_lpm", 37375156),
        (Kind.ACTION, "MyIngress.ipv4_forward", 28792405),
        (Kind.ACTION, "NoAction", 21257015),
        (Kind.CONTROLLER_HEADER, "packet_in_header_t", 81826293),
        (Kind.CONTROLLER_HEADER, "packet_out_header_t", 76689799),
    ],
)
def test_ids_are_those_that_published_controllers_have_written_into_them(kind, name, expected):
    assert number_objects(kind, {name: ({}, NOWHERE)}) == {name: expected}


def test_packet_headers_are_named_by_their_annotation_and_numbered_by_their_type(info):
    packet_in = named(info.controller_packet_metadata, "packet_in")
    assert packet_in.preamble.id == 81826293
    assert list(packet_in.preamble.annotations) == ['@controller_header("packet_in")']
    assert [(each.id, each.name, each.bitwidth) for each in packet_in.metadata] == [
        (1, "ingress_port", 9),
        (2, "_pad", 7),
    ]


def test_an_id_of_the_program_is_kept_and_gets_its_kind_on_top():
    ids = number_objects(Kind.TABLE, {"a": ({"id": "7"}, NOWHERE), "b": ({"id": "0x02000009"}, NOWHERE)})
    assert ids == {"a": 0x02000007, "b": 0x02000009}


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ({"a": ({"id": "7"}, NOWHERE), "b": ({"id": "7"}, NOWHERE)}, "expected two ids"),
        ({"a": ({"id": "0x01000007"}, NOWHERE)}, "another kind"),
        ({"a": ({"id": "seven"}, NOWHERE)}, r"a\.p4:3:5: found @id\(seven\); expected a number"),
        ({"a": ({"id": "0"}, NOWHERE)}, "expected a number from 1"),
    ],
)
def test_an_id_that_cannot_be_is_refused_with_its_place(objects, message):
    with pytest.raises(CompileError, match=message):
        number_objects(Kind.TABLE, objects)


def test_where_two_hashes_meet_the_later_name_takes_the_next_id():
    meeting = {}
    for index in range(20_000):
        value = name_hash(f"c.t{index}") & 0xFFFFFF
        if value in meeting:
            break
        meeting[value] = f"c.t{index}"
    first, second = sorted((meeting[value], f"c.t{index}"))
    ids = number_objects(Kind.TABLE, {second: ({}, NOWHERE), first: ({}, NOWHERE)})
    assert ids == {first: 0x02000000 | value, second: 0x02000000 | value + 1}


def test_members_are_counted_around_the_ids_that_the_program_gives():
    assert number_members([({}, NOWHERE), ({"id": "1"}, NOWHERE), ({}, NOWHERE)]) == [2, 1, 3]


def test_aliases_are_the_shortest_ends_that_are_unique():
    found = aliases(["a.c.run", "b.c.run", "d.c.stop", "NoAction"])
    assert found == {"a.c.run": "a.c.run", "b.c.run": "b.c.run", "d.c.stop": "stop", "NoAction": "NoAction"}


def test_a_table_tells_keys_actions_size_and_what_belongs_to_it(info):
    acl = named(info.tables, "MyIngress.acl")
    kinds = [(each.id, each.name, each.bitwidth, each.match_type) for each in acl.match_fields]
    assert kinds == [
        (1, "hdr.ipv4.src", 32, p4i.MatchField.TERNARY),
        (2, "hdr.ipv4.dst", 32, p4i.MatchField.LPM),
        (3, "hdr.ipv4.tos", 8, p4i.MatchField.RANGE),
        (4, "meta.port", 9, p4i.MatchField.OPTIONAL),
    ]
    assert [each.scope for each in acl.action_refs] == [p4i.ActionRef.DEFAULT_ONLY, 0, 0]
    assert acl.size == 64
    hosts = named(info.tables, "MyIngress.hosts")
    assert hosts.idle_timeout_behavior == p4i.Table.NOTIFY_CONTROL
    assert list(hosts.direct_resource_ids) == [info.direct_meters[0].preamble.id]
    assert info.direct_meters[0].direct_table_id == hosts.preamble.id
    fixed = named(info.tables, "MyEgress.fixed")
    assert fixed.is_const_table and fixed.const_default_action_id == 21257015


def test_selector_keys_are_no_match_fields_and_profiles_know_their_tables(info):
    balance = named(info.tables, "MyIngress.balance")
    assert [each.name for each in balance.match_fields] == ["hdr.ipv4.dst"]
    profile = info.action_profiles[0]
    assert balance.implementation_id == profile.preamble.id
    assert list(profile.table_ids) == [balance.preamble.id]
    assert profile.with_selector and profile.size == 64


def test_the_text_form_reads_back_to_the_same(info):
    assert text_format.Parse(p4info_text(info), p4i.P4Info()) == info


def test_finsy_finds_everything_in_it(info):
    schema = P4Schema(info)
    assert schema.tables["ipv4_lpm"].match_fields["dst"].bitwidth == 32
    assert schema.actions["ipv4_forward"].params["port"].bitwidth == 9
    assert schema.digests["learn_t"].type_spec.members["new"].type_name == "bool"
    assert schema.registers["state"].size == 32
