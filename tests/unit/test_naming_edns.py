"""EDNS and client subnets as RFC 6891 and RFC 7871 have them, and messages that are none."""

import struct

import pytest
from naming_zone import (
    APP,
    BADVERS,
    ECS,
    ELSEWHERE,
    FORMERR,
    NOERROR,
    NOTIMP,
    NXDOMAIN,
    REFUSED,
    A,
    Asked,
    addresses,
    ecs,
    opt,
    opt_of,
    query,
    question,
    rcode_of,
    scope_of,
)

COOKIE, NSID, PADDING = 10, 3, 12


@pytest.fixture(scope="module")
def server() -> Asked:
    return Asked()


def test_without_an_opt_record_in_the_query_there_is_none_in_the_answer(server: Asked) -> None:
    assert opt_of(server()) is None
    assert opt_of(server(options=[])) is not None


def test_more_than_one_opt_record_is_a_format_error(server: Asked) -> None:
    twice = bytearray(query(options=[]) + opt([]))
    twice[11] = 2
    answer = server.raw(bytes(twice))
    assert answer is not None
    assert (answer[3] & 15, answer[11]) == (FORMERR, 1)


def test_unknown_options_are_ignored_and_not_sent_back(server: Asked) -> None:
    unknown = [(COOKIE, bytes(8)), (NSID, b""), (PADDING, bytes(40)), (65_001, b"x")]
    answer = server(subnet="100.64.1.0/24", options=unknown)
    assert addresses(answer) == ["10.1.1.10"]
    assert [option.code for option in opt_of(answer).rdata] == [ECS]


def test_a_version_beyond_0_is_answered_with_badvers_and_version_0(server: Asked) -> None:
    answer = server(options=[], version=1)
    assert (rcode_of(answer), opt_of(answer).edns_ver, answer.rr) == (BADVERS, 0, [])


def test_options_of_another_version_are_not_read(server: Asked) -> None:
    assert rcode_of(server(options=[(ECS, b"nonsense")], version=1)) == BADVERS


@pytest.mark.parametrize("do", [False, True])
def test_the_do_flag_comes_back_as_it_was(server: Asked, do: bool) -> None:
    assert bool(opt_of(server(options=[], do=do)).edns_do) is do


def test_an_opt_record_with_a_name_or_outside_the_additional_section_is_a_format_error(server: Asked) -> None:
    named = query(options=[]).replace(opt([]), b"\1x" + opt([]))
    misplaced = bytearray(query(options=[]))
    misplaced[7], misplaced[11] = 1, 0
    for packet in (named, bytes(misplaced)):
        answer = server.raw(packet)
        assert answer is not None
        assert answer[3] & 15 == FORMERR


@pytest.mark.parametrize("data", [b"\0\x0a\0", b"\0\x0a\0\x08", b"\0\x08\0\x08abc"])
def test_options_that_end_early_are_a_format_error_with_an_opt_record(server: Asked, data: bytes) -> None:
    packet = query(options=[])[:-2] + struct.pack("!H", len(data)) + data
    answer = server.raw(packet)
    assert answer is not None
    assert (answer[3] & 15, answer[11]) == (FORMERR, 1)


@pytest.mark.parametrize(("payload", "fits"), [(0, 512), (511, 512), (512, 512), (1000, 1000), (4096, 1232)])
def test_an_answer_over_udp_keeps_to_the_payload_size_of_client_and_server(
    server: Asked, payload: int, fits: int
) -> None:
    packet = server.raw(query("many.other.test.", options=[], payload=payload))
    assert packet is not None
    assert len(packet) <= fits


def test_a_payload_size_below_512_means_512(server: Asked) -> None:
    answer = server(options=[], payload=0)
    assert (answer.header.tc, addresses(answer)) == (0, ["203.0.113.10"])


def test_what_does_not_fit_is_truncated_and_comes_whole_over_tcp(server: Asked) -> None:
    asked = query("many.other.test.", options=[])
    over_udp, over_tcp = server.raw(asked), server.raw(asked, over_udp=False)
    assert over_udp is not None
    assert over_tcp is not None
    assert (over_udp[2] & 2, over_udp[7], over_udp[11]) == (2, 0, 1)
    assert (over_tcp[2] & 2, over_tcp[7]) == (0, 100)


def test_a_client_without_edns_gets_at_most_512_octets(server: Asked) -> None:
    packet = server.raw(query("many.other.test."))
    assert packet is not None
    assert (len(packet) <= 512, packet[2] & 2) == (True, 2)


@pytest.mark.parametrize(
    "subnet", ["100.64.1.0/24", "100.64.1.128/25", "100.64.1.9/32", "2001:db8:a:100::/56", "2001:db8:a:1ff::/64"]
)
def test_the_answer_mirrors_family_source_length_and_address(server: Asked, subnet: str) -> None:
    (option,) = opt_of(server(subnet=subnet)).rdata
    asked = ecs(subnet)
    assert option.data[:3] + option.data[4:] == asked[:3] + asked[4:]


def test_the_scope_is_the_length_of_the_prefix_that_decided(server: Asked) -> None:
    answer = server(subnet="100.64.1.128/25")
    assert (addresses(answer), scope_of(answer)) == (["10.1.1.10"], 24)


def test_the_scope_keeps_an_answer_off_a_more_specific_rule(server: Asked) -> None:
    answer = server(subnet="100.64.2.128/25")
    assert (addresses(answer), scope_of(answer)) == (["10.1.2.10"], 25)
    beside = server(subnet="100.64.2.6/32")
    assert (addresses(beside), scope_of(beside)) == (["10.1.2.10"], 32)


def test_the_scope_is_longer_than_the_source_where_a_rule_hides_below_it(server: Asked) -> None:
    answer = server(subnet="100.64.2.0/24")
    assert (addresses(answer), scope_of(answer)) == (["10.1.2.10"], 32)
    assert scope_of(server(subnet="100.64.0.0/16")) == 32


def test_a_subnet_that_no_rule_contains_gets_the_answer_for_everybody_within_a_scope(server: Asked) -> None:
    answer = server(subnet="198.51.100.0/24")
    assert (addresses(answer), scope_of(answer)) == (["203.0.113.10"], 1)


@pytest.mark.parametrize("subnet", ["0.0.0.0/0", "::/0"])
def test_a_prefix_length_of_0_is_an_opt_out_answered_with_scope_0(server: Asked, subnet: str) -> None:
    answer = server(subnet=subnet, source="100.64.1.5")
    assert (addresses(answer), scope_of(answer)) == (["203.0.113.10"], 0)


def test_an_opt_out_without_a_family_is_understood(server: Asked) -> None:
    answer = server(options=[(ECS, bytes(4))], source="100.64.1.5")
    assert (addresses(answer), scope_of(answer)) == (["203.0.113.10"], 0)


def test_without_the_option_the_source_of_the_query_is_the_client(server: Asked) -> None:
    for options in (None, []):
        assert addresses(server(source="100.64.1.5", options=options)) == ["10.1.1.10"]
        assert addresses(server(source="100.64.2.7", options=options)) == ["10.1.3.10"]
        assert addresses(server(source="2001:db8:a:1ab::9", options=options)) == ["10.1.1.10"]
        assert addresses(server(source="8.8.8.8", options=options)) == ["203.0.113.10"]


def test_the_option_wins_over_the_source(server: Asked) -> None:
    assert addresses(server(subnet="100.64.2.0/25", source="100.64.1.5")) == ["10.1.2.10"]


@pytest.mark.parametrize(("name", "rcode"), [("no.edge.example.", NXDOMAIN), ("b.edge.example.", NOERROR)])
def test_negative_answers_have_scope_0(server: Asked, name: str, rcode: int) -> None:
    answer = server(name, subnet="100.64.1.0/24")
    assert (answer.header.rcode, answer.rr, scope_of(answer)) == (rcode, [], 0)


def test_names_without_rules_hold_for_every_client(server: Asked) -> None:
    assert scope_of(server("mec1.edge.example.", subnet="100.64.1.0/24")) == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\1\x18",
        ecs("100.64.1.0/24", scope=24),
        ecs("100.64.1.0/24") + b"\0",
        ecs("100.64.1.0/24")[:-1],
        b"\0\1\x21\0" + bytes(5),
        b"\0\2\x81\0" + bytes(17),
        b"\0\1\x17\0\x64\x40\x01",
        b"\0\1\0\0\1",
        b"\0\0\x08\0\1",
        b"\0\0\0\0\0",
        b"\0\3\x08\0\1",
    ],
    ids=[
        "empty",
        "too short",
        "a scope",
        "an octet too many",
        "an octet too few",
        "33 bits of IPv4",
        "129 bits of IPv6",
        "a bit beyond the prefix",
        "an address with a prefix length of 0",
        "a prefix without family",
        "an address without family",
        "an unknown family",
    ],
)
def test_a_client_subnet_that_is_wrong_is_a_format_error_with_an_opt_record(server: Asked, data: bytes) -> None:
    answer = server(options=[(ECS, data)])
    assert (answer.header.rcode, answer.rr, opt_of(answer).rdata) == (FORMERR, [], [])


@pytest.mark.parametrize("length", range(12))
def test_less_than_a_header_gets_no_answer(server: Asked, length: int) -> None:
    assert server.raw(query()[:length]) is None


def test_an_answer_gets_no_answer(server: Asked) -> None:
    assert server.raw(query(flags=0x8180)) is None


@pytest.mark.parametrize("count", [0, 2, 255])
def test_any_number_of_questions_but_one_is_a_format_error(server: Asked, count: int) -> None:
    packet = query()[:4] + struct.pack("!H", count) + query()[6:12] + question(APP) * count
    answer = server.raw(packet)
    assert answer is not None
    assert (answer[3] & 15, answer[4:12]) == (FORMERR, bytes(8))


@pytest.mark.parametrize("opcode", [*range(1, 7), 15])
def test_other_opcodes_are_not_implemented(server: Asked, opcode: int) -> None:
    answer = server(flags=opcode << 11)
    assert (answer.header.rcode, answer.header.opcode, answer.rr) == (NOTIMP, opcode, [])


@pytest.mark.parametrize(
    "asked",
    [
        b"",
        b"\x03app",
        b"\x03app\0\0\1",
        b"\xc0\x0c\0\1\0\1",
        b"\x03app\xc0\x0c\0\1\0\1",
        b"\x40" + b"a" * 64 + b"\0\0\1\0\1",
        b"\x80\0\0\1\0\1",
        (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1",
        question(APP) + b"\0",
    ],
    ids=[
        "no question",
        "a name that ends early",
        "a type without class",
        "a pointer to itself",
        "a pointer back",
        "a label of 64 octets",
        "a label of an unknown type",
        "a name of 257 octets",
        "an octet after the end",
    ],
)
def test_a_question_that_cannot_be_read_is_a_format_error(server: Asked, asked: bytes) -> None:
    answer = server.raw(query()[:12] + asked)
    assert answer is not None
    assert (answer[:2], answer[2] & 0x80, answer[3] & 15, answer[6:8]) == (b"\x12\x34", 0x80, FORMERR, b"\0\0")


def test_a_name_of_any_octets_is_no_format_error(server: Asked) -> None:
    outside = server.raw(query()[:12] + b"\x03\xff\xfe\0\x04test\0\0\1\0\1")
    inside = server.raw(query()[:12] + b"\x03\xff\xfe\x80" + question("edge.example.", A))
    assert outside is not None
    assert inside is not None
    assert (outside[3] & 15, inside[3] & 15) == (REFUSED, NXDOMAIN)


def test_id_and_recursion_desired_come_back_and_reserved_flags_do_not(server: Asked) -> None:
    header = server(ident=0xBEEF, flags=0x0170).header
    assert (header.id, header.rd, header.ra, header.z, header.ad, header.cd) == (0xBEEF, 1, 0, 0, 0, 1)
    assert server(flags=0).header.rd == 0


def test_the_source_decides_nothing_where_it_is_not_named(server: Asked) -> None:
    assert server.raw(query(), ELSEWHERE) == server.raw(query(), bytes(16))
