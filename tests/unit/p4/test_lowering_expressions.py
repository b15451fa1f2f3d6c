"""Expressions and assignments in the lowered form."""

import pytest
from lowered_text import expression, lines
from lowering_programs import ingress, program


def assigned(text, target="m.b", **parts):
    """The value of the last assignment of an ingress."""
    return expression(ingress(f"{target} = {text};", **parts)[-1].value)


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        ("m.b + 1", "m.b", "(metadata.b + 1)"),
        ("m.b - m.b |+| 5 |-| 1", "m.b", "(((metadata.b - metadata.b) |+| 5) |-| 1)"),
        ("-m.b * ~m.b / 3 % 7", "m.b", "(((-metadata.b * ~metadata.b) / 3) % 7)"),
        ("m.b & 0xff | m.b ^ 3", "m.b", "((metadata.b & 255) | (metadata.b ^ 3))"),
        ("m.b << 3 >> m.a", "m.b", "((metadata.b << 3) >> metadata.a)"),
        ("m.s >> 2", "m.s", "(metadata.s >> 2)"),
        ("m.a ++ m.b[15:8]", "m.b", "(metadata.a ++ metadata.b[15:8])"),
        ("(bit<16>)m.a", "m.b", "bit16(metadata.a)"),
        ("(int<16>)m.b", "m.s", "int16(metadata.b)"),
        ("(bit<1>)m.c ++ 15w0", "m.b", "(bit1(metadata.c) ++ 0)"),
        ("(bool)hdr.tags[0].last", "m.c", "bool(headers.tags[0].last)"),
        ("m.c ? m.b : 2", "m.b", "(metadata.c ? metadata.b : 2)"),
        ("m.c && m.a > 3 || !m.c", "m.c", "((metadata.c && (metadata.a > 3)) || !metadata.c)"),
        ("hdr.eth.isValid() && hdr.eth == hdr.inner", "m.c", "(headers.eth.valid && (headers.eth == headers.inner))"),
        (
            "hdr.tags[m.b].number ++ hdr.tags[1].last",
            "m.b",
            "(headers.tags[metadata.b].number ++ headers.tags[1].last)",
        ),
        ("(bit<16>)hdr.tags.lastIndex", "m.b", "bit16((headers.tags.next - 1))"),
    ],
)
def test_operators_keep_their_places_and_types(text, target, expected):
    assert assigned(text, target) == expected


@pytest.mark.parametrize(
    ("text", "target", "value"),
    [
        ("1 + 2 * 3 - 1", "m.b", 6),
        ("(1 << 15) | 7 / 2", "m.b", 0x8003),
        ("0xffff + 16w2", "m.b", 1),
        ("-1", "m.b", 0xFFFF),
        ("-16s5 / 2", "m.s", -2),
        ("16s5 - 16s7 >> 1", "m.s", -1),
        ("16w0xfff0 |+| 0xff", "m.b", 0xFFFF),
        ("16w3 |-| 5", "m.b", 0),
        ("16s0x7fff |+| 1", "m.s", 0x7FFF),
        ("(bit<16>)(-1)", "m.b", 0xFFFF),
        ("(bit<16>)20w0x12345", "m.b", 0x2345),
        ("8w0x12 ++ 8w0x34", "m.b", 0x1234),
        ("16w0x1234[11:4] ++ 8w0", "m.b", 0x2300),
        ("4 > 3 && 16w1 != 1", "m.c", 0),
        ("16w1 << 16", "m.b", 0),
        ("WIDTH", "m.b", 12),
        ("(bit<16>)Kind.IPV4", "m.b", 0x800),
        ("true ? 16w4 : 5", "m.b", 4),
    ],
)
def test_constants_are_folded(text, target, value):
    top = "const int WIDTH = 3 * 4; enum bit<16> Kind { IPV4 = 0x800 }"
    assert ingress(f"{target} = {text};", top=top)[-1].value.value == value


def test_parts_of_numbers_are_assigned_alone():
    assert lines(ingress("m.b[7:4] = 3; m.wide[31:16][7:0] = 1; hdr.tags[m.a].number[3:0] = 2;")) == [
        "metadata.b[7:4] = 3",
        "metadata.wide[23:16] = 1",
        "headers.tags[metadata.a].number[3:0] = 2",
    ]


def test_compound_assignment_is_an_operation_on_the_target():
    assert lines(ingress("m.b += 2; m.b[3:0] -= 1; m.b <<= 1;")) == [
        "metadata.b = (metadata.b + 2)",
        "metadata.b[3:0] = (metadata.b[3:0] - 1)",
        "metadata.b = (metadata.b << 1)",
    ]


def test_lists_and_records_are_assigned_member_by_member():
    assert lines(ingress("hdr.eth = { 1, 2, 3 }; hdr.inner = { kind = 4, src = 5, dst = 6 };")) == [
        "headers.eth.valid = True",
        "headers.eth.dst = 1",
        "headers.eth.src = 2",
        "headers.eth.kind = 3",
        "headers.inner.valid = True",
        "headers.inner.kind = 4",
        "headers.inner.src = 5",
        "headers.inner.dst = 6",
    ]


def test_a_list_that_reads_its_target_is_complete_before_it_is_stored():
    assert lines(ingress("hdr.eth = { hdr.eth.src, hdr.eth.dst, 0 };")) == [
        "I_list.valid = True",
        "I_list.dst = headers.eth.src",
        "I_list.src = headers.eth.dst",
        "I_list.kind = 0",
        "headers.eth = I_list",
    ]


def test_whole_headers_and_stacks_are_assigned_at_once():
    assert lines(ingress("hdr.inner = hdr.eth; hdr.tags[1] = hdr.tags[m.a]; hdr.eth = {#};")) == [
        "headers.inner = headers.eth",
        "headers.tags[1] = headers.tags[metadata.a]",
        "headers.eth.valid = False",
    ]


def test_variables_without_a_value_start_as_zero_with_invalid_headers():
    top = "struct both { eth_t eth; bit<4> number; tag_t[2] tags; }"
    assert lines(ingress("both x; bit<8> y;", top=top)) == [
        "I_x.eth.valid = False",
        "I_x.number = 0",
        "push I_x.tags -2",
        "I_y = 0",
    ]


def test_a_variable_may_have_the_name_of_one_further_out():
    assert lines(ingress("bit<8> x = 1; if (m.c) { bit<8> x = 2; m.a = x; } m.a = x;")) == [
        "I_x = 1",
        "if metadata.c",
        "  I_x_2 = 2",
        "  metadata.a = I_x_2",
        "metadata.a = I_x",
    ]


def test_what_a_call_could_change_is_read_before_it():
    top = "bit<8> bump(inout meta m) { m.a = m.a + 1; return m.a; }"
    assert lines(ingress("m.b = m.a ++ bump(m);", top=top)) == [
        "I_kept = metadata.a",
        "call bump",
        "I_result = bump_result",
        "metadata.b = (I_kept ++ I_result)",
    ]


def test_a_call_behind_and_happens_only_where_the_left_side_holds():
    locals_ = "table t { key = { m.a: exact; } actions = { NoAction; } }"
    assert lines(ingress("if (m.c && t.apply().hit) { m.a = 1; }", locals=locals_)) == [
        "I_condition = metadata.c",
        "if I_condition",
        "  apply I.t hit=I_hit",
        "  I_condition = I_hit",
        "if I_condition",
        "  metadata.a = 1",
    ]


def test_branches_that_cannot_be_taken_are_left_out():
    assert lines(ingress("if (1 + 1 == 2) { m.a = 1; } else { m.a = 2; }")) == ["metadata.a = 1"]


def test_types_with_parameters_are_made_for_each_argument():
    top = "struct Pair<A, B> { A first; B second; }"
    found = lines(ingress("Pair<bit<8>, bool> p = { 1, true }; m.a = p.first; m.c = p.second;", top=top))
    assert found == ["I_p.first = 1", "I_p.second = true", "metadata.a = I_p.first", "metadata.c = I_p.second"]


def test_new_types_are_cast_to_and_from_what_they_are_made_of():
    assert lines(ingress("m.b = (bit<16>)(port_t)16w3;", top="type bit<16> port_t;")) == ["metadata.b = 3"]


def test_enums_and_errors_are_numbers():
    top = "enum Colour { red, green } enum bit<8> Kind { A = 6, B = 17 } error { Odd }"
    assert lines(
        ingress(
            "m.c = sm.parser_error == error.Odd; Colour x = Colour.green; m.a = Kind.B; Kind k = (Kind)m.a;", top=top
        )
    ) == [
        "metadata.c = (standard_metadata.parser_error == 7)",
        "I_x = 1",
        "metadata.a = 17",
        "I_k = metadata.a",
    ]


def test_errors_of_a_program_are_numbered_behind_those_of_core():
    errors = program(top="error { Odd, Even }").errors
    assert errors[:3] == ("NoError", "PacketTooShort", "NoMatch")
    assert errors[7:] == ("Odd", "Even")
