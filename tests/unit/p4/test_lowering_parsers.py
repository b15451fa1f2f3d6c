"""Parsers in the lowered form: states, selects, parsers in parsers, loops."""

from lowered_text import states
from lowering_programs import program


def parsed(start, **parts):
    """The states of a program's parser."""
    return states(program(start=start, **parts))


def test_a_select_compares_values_masks_ranges_and_sets():
    found = parsed(
        """packet.extract(hdr.eth);
        transition select(hdr.eth.kind, m.c) {
            (KIND, true): tag;
            (0x9100 &&& 0xff00, _): tag;
            (1 .. 5, false): reject;
            default: accept;
        }""",
        top="const bit<16> KIND = 0x8100;",
        states="state tag { packet.extract(hdr.tags[0]); transition accept; }",
    )
    assert found == {
        "start": [
            "extract headers.eth",
            "select headers.eth.kind, metadata.c",
            "0x8100, 0x1 -> tag",
            "0x9100 &&& 0xff00, _ -> tag",
            "1..5, 0x0 -> reject",
            "_, _ -> accept",
        ],
        "tag": ["extract headers.tags[0]", "-> accept"],
    }


def test_a_stack_is_filled_in_a_loop():
    found = parsed("packet.extract(hdr.tags.next); transition select(hdr.tags.last.last) { 0: start; 1: accept; }")
    assert found == {
        "start": [
            "extract headers.tags",
            "verify (headers.tags.next > 0), 3",
            "select headers.tags[(headers.tags.next - 1)].last",
            "0x0 -> start",
            "0x1 -> accept",
        ]
    }


def test_what_is_ahead_is_read_into_a_temporary():
    found = parsed("transition select(packet.lookahead<tag_t>().last) { 1: accept; }")
    assert found == {"start": ["lookahead P_ahead", "select P_ahead.last", "0x1 -> accept"]}


def test_a_state_without_transition_rejects():
    assert parsed("packet.advance(16);") == {"start": ["advance 16", "-> reject"]}


def test_statements_of_controls_can_stand_in_states():
    found = parsed(
        "verify(m.a < 4, error.NoMatch); if (m.c) { packet.extract(hdr.eth); } else { packet.extract<tag_t>(_); } "
        "transition accept;"
    )
    assert found["start"] == [
        "verify (metadata.a < 4), 2",
        "if metadata.c",
        "  extract headers.eth",
        "else",
        "  extract P_unused",
        "-> accept",
    ]


def test_variables_of_a_parser_get_their_values_in_front_of_the_first_state():
    found = parsed("count = count + 1; transition accept;", parser_locals="bit<8> count = 7;")
    assert found == {
        "start": ["P_count = (P_count + 1)", "-> accept"],
        "begin": ["P_count = 7", "-> start"],
    }


SUBPARSER = """
parser Tags(packet_in p, inout headers h, out bit<8> count)(bit<8> first) {
    state start { count = first; p.extract(h.tags.next); transition more; }
    state more { count = count + 1; transition accept; }
}
"""


def test_a_parser_in_a_parser_continues_behind_its_application():
    found = parsed(
        "packet.extract(hdr.eth); tags.apply(packet, hdr, m.a); packet.extract(hdr.inner); transition accept;",
        top=SUBPARSER,
        parser_locals="Tags(3) tags;",
    )
    assert found == {
        "start": ["extract headers.eth", "-> P.tags.start"],
        "P.tags.start": ["metadata.a = 3", "extract headers.tags", "-> P.tags.more"],
        "P.tags.more": ["metadata.a = (metadata.a + 1)", "-> start.after"],
        "start.after": ["extract headers.inner", "-> accept"],
    }


def test_a_parser_applied_twice_has_its_states_twice():
    found = parsed(
        "tags.apply(packet, hdr, m.a); tags.apply(packet, hdr, m.a); transition accept;",
        top=SUBPARSER,
        parser_locals="Tags(3) tags;",
    )
    assert {name for name in found if name.startswith("P.tags.start")} == {"P.tags.start", "P.tags.start_2"}


def test_states_that_no_packet_reaches_are_left_out():
    assert set(parsed("transition accept;", states="state lost { transition lost; }")) == {"start"}
