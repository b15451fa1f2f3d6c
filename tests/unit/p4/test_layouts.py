"""Where the entries, parameters and members of a program lie."""

import handmade
from handmade import program

from dataplane.compiler.layout import METER_SIZE, RECORD_HEADER, REFERENCE_SIZE
from dataplane.compiler.layouts import integer_size, layout


def table(name, **changes):
    return next(each for each in layout(program(**changes)).tables if each.name == name)


def test_a_key_takes_whole_bytes_for_each_field_in_the_order_of_the_table():
    hosts = table("MyIngress.hosts")
    assert hosts.kind == "exact"
    assert [(field.width, field.offset, field.size) for field in hosts.key] == [(48, 0, 6), (9, 6, 2)]
    assert hosts.key_size == 8


def test_an_lpm_field_lies_behind_the_exact_ones_wherever_it_stands():
    mixed = handmade.table(
        "MyIngress.mixed",
        [(*handmade.DESTINATION, handmade.MatchKind.LPM), (*handmade.MAC, handmade.MatchKind.EXACT)],
    )
    found = table("MyIngress.mixed", tables=(mixed,))
    assert found.kind == "lpm"
    assert [(field.name, field.offset) for field in found.key] == [("hdr.ipv4.dst", 6), ("hdr.ethernet.dstAddr", 0)]


def test_a_table_with_an_lpm_and_a_masked_key_goes_by_masks():
    acl = table("MyIngress.acl")
    assert (acl.kind, acl.masks, acl.entries) == ("ternary", "t2_masks", "t2_entries")


def test_two_lpm_keys_go_by_masks():
    keys = [(*handmade.SOURCE, handmade.MatchKind.LPM), (*handmade.DESTINATION, handmade.MatchKind.LPM)]
    assert table("MyIngress.two", tables=(handmade.table("MyIngress.two", keys),)).kind == "ternary"


def test_parameters_are_aligned_behind_the_header_of_the_record():
    forward = next(each for each in layout(program()).actions if each.name == "MyIngress.ipv4_forward")
    assert [(each.offset, each.size) for each in forward.parameters] == [(RECORD_HEADER, 8), (16, 2)]
    assert table("MyIngress.ipv4_lpm").record_size == 24


def test_an_entry_of_a_table_with_a_profile_is_a_reference():
    balance = table("MyIngress.balance")
    assert (balance.record_size, balance.profile) == (REFERENCE_SIZE, "MyIngress.selector")
    assert balance.key_size == 4, "selector keys are not matched"
    profile = layout(program()).profiles[0]
    assert (profile.members, profile.groups, profile.record_size) == ("p0_members", "p0_groups", 24)


def test_what_belongs_to_entries_has_arrays_only_where_it_is_declared():
    lpm, hosts = table("MyIngress.ipv4_lpm"), table("MyIngress.hosts")
    assert (lpm.counter, lpm.meter, lpm.last_hit) == ("t0_counter", None, None)
    assert (hosts.counter, hosts.meter, hosts.last_hit) == (None, "t1_meter", "t1_last_hit")


def test_indirect_objects_are_numbered_among_all_of_their_kind():
    found = layout(program())
    assert [(each.name, each.map, each.size) for each in found.counters] == [("MyIngress.seen", "c1", 16)]
    assert [(each.name, each.map) for each in found.meters] == [("MyIngress.limits", "m1")]
    assert [(each.map, each.width, each.value_size) for each in found.registers] == [("r0", 48, 8)]


def test_members_of_a_digest_lie_one_after_the_other():
    digest = layout(program()).digests[0]
    assert [(each.name, each.offset, each.size) for each in digest.members] == [
        ("address", 0, 6),
        ("port", 6, 2),
        ("new", 8, 1),
    ]


def test_names_of_maps_fit_the_kernel():
    found = layout(program())
    names = [name for each in found.tables for name in (each.entries, each.default, each.last_hit or "")]
    assert max(map(len, names)) <= 15


def test_integers_take_the_next_power_of_two():
    assert [integer_size(bits) for bits in (1, 8, 9, 17, 33, 65, 128)] == [1, 1, 2, 4, 8, 16, 16]


def test_a_meter_has_room_for_its_parts():
    assert METER_SIZE == 4 * 8 + 2 * 8 + 8 + 4 + 4
