"""What must hold for any rules, clients and packets: checked on random ones."""

import random

from dnslib import DNSRecord
from hypothesis import example, given, settings
from hypothesis import strategies as st
from naming_zone import (
    AAAA,
    ANY,
    APP,
    HTTPS,
    NOERROR,
    NXDOMAIN,
    SOA,
    TXT,
    A,
    Asked,
    authority,
    ecs,
    opt_of,
    query,
    rule,
)

from hosts.naming.answers import Answers
from hosts.naming.images import Images
from hosts.naming.names import is_within, parse_name
from hosts.naming.prefixes import Prefixes
from hosts.naming.queries import read_query
from meclab.messages import DnsUpdate

BITS = 8
"""Length of an address in the tests that try every one."""
ZONES = parse_name("edge.example"), parse_name("other.test")
NAMES = (APP, "mec1.edge.example.", "no.edge.example.", "www.edge.example.", "many.other.test.", "foreign.example.")
prefixes = st.integers(0, BITS).flatmap(
    lambda length: st.tuples(st.just(length), st.integers(0, (1 << length) - 1).map(lambda n: n << (BITS - length)))
)


def brute_force(entries: list[tuple[int, int]], address: int, known: int) -> tuple[int, int] | None:
    """The longest prefix that contains the subnet, found by looking at all."""
    containing = [one for one in entries if one[0] <= known and (address ^ one[1]) >> (BITS - one[0]) == 0]
    return max(containing, default=None)


def table(entries: list[tuple[int, int]]) -> Prefixes[tuple[int, int]]:
    by_length: dict[int, dict[int, tuple[int, int]]] = {}
    for length, address in entries:
        by_length.setdefault(length, {})[address >> (BITS - length)] = (length, address)
    return Prefixes(BITS, by_length)


@given(st.lists(prefixes, max_size=12), prefixes)
def test_the_longest_prefix_that_contains_the_subnet_is_found(
    entries: list[tuple[int, int]], client: tuple[int, int]
) -> None:
    known, address = client
    assert table(entries).match(address, known)[0] == brute_force(entries, address, known)


@given(st.lists(prefixes, max_size=12), st.integers(0, (1 << BITS) - 1))
def test_every_client_within_the_scope_gets_the_same_answer_and_no_shorter_scope_would_do(
    entries: list[tuple[int, int]], address: int
) -> None:
    found, scope = table(entries).match(address, BITS)
    decided = found[0] if found else 0

    def answers(length: int) -> set[tuple[int, int] | None]:
        first = address >> (BITS - length) << (BITS - length)
        return {brute_force(entries, other, BITS) for other in range(first, first + (1 << (BITS - length)))}

    assert answers(scope) == {found}
    assert scope == decided or len(answers(scope - 1)) > 1


@given(st.lists(prefixes, max_size=12), prefixes)
def test_the_scope_is_beyond_the_source_only_where_the_answer_depends_on_what_is_not_known(
    entries: list[tuple[int, int]], client: tuple[int, int]
) -> None:
    known, address = client
    within = {brute_force(entries, other, BITS) for other in range(address, address + (1 << (BITS - known)))}
    found, scope = table(entries).match(address, known)
    hidden = any(length > known and (start ^ address) >> (BITS - known) == 0 for length, start in entries)
    assert (scope > known) == hidden
    assert hidden or within == {found}


subnets = st.one_of(
    st.tuples(st.just("100.64.%d.0/24"), st.integers(0, 5)).map(lambda pair: pair[0] % pair[1]),
    st.tuples(st.just("2001:db8:a:%x00::/56"), st.integers(0, 5)).map(lambda pair: pair[0] % pair[1]),
    st.sampled_from(["100.64.2.7/32", "100.64.2.6/32", "100.64.0.0/16", "0.0.0.0/0", "::/0"]),
)
options = st.lists(
    st.one_of(
        st.tuples(st.just(8), subnets.map(ecs)),
        st.tuples(st.just(8), st.binary(max_size=12)),
        st.tuples(st.integers(0, 20), st.binary(max_size=12)),
    ),
    max_size=3,
)
cased = st.tuples(st.sampled_from(NAMES), st.integers(0, 2**20)).map(
    lambda pair: "".join(c.upper() if pair[1] >> n & 1 else c for n, c in enumerate(pair[0]))
)
queries = st.builds(
    query,
    cased,
    st.sampled_from([A, AAAA, HTTPS, SOA, TXT, ANY]),
    options=st.none() | options,
    payload=st.sampled_from([0, 512, 700, 1232, 4096]),
    version=st.sampled_from([0, 0, 0, 1]),
    flags=st.sampled_from([0x0100, 0, 0x0110, 0x0120, 0x0130, 0x0080, 0x2800]),
    do=st.booleans(),
    ident=st.integers(0, 0xFFFF),
)
sources = st.sampled_from([bytes((100, 64, 1, 5)), bytes((100, 64, 2, 7)), bytes((8, 8, 8, 8)), bytes(16)])
changes = st.builds(
    rule,
    st.sampled_from(["site1-4", "site2-6", "ue7", "new"]),
    st.sampled_from(["10.1.1.10", "10.1.2.10", "2001:db8:1:1::10"]),
    subnets.filter(lambda subnet: not subnet.endswith("/0")),
    state=st.sampled_from(["ACTIVE", "INACTIVE"]),
)


hot = st.builds(
    query,
    st.sampled_from([APP, APP.upper()]),
    st.sampled_from([A, AAAA, HTTPS]),
    subnet=st.one_of(subnets, st.integers(0, 15).map(lambda n: f"100.64.2.{n}/32")),
)
"""Queries of few forms, as one resolver sends them for many clients."""


@settings(max_examples=300)
@given(st.lists(st.one_of(st.tuples(hot | queries, sources), changes), min_size=1, max_size=40))
def test_images_are_byte_for_byte_what_dnslib_makes_through_all_changes_of_rules(steps: list[object]) -> None:
    server = authority()
    answers, update = Answers(server), 0
    images = Images(answers), Images(answers, over_udp=False)
    for step in steps:
        if not isinstance(step, tuple):
            update += 1
            server.apply(DnsUpdate(update=update, source="mec1", rules=(step,)))
            continue
        packet, source = step
        for over_udp, fast in zip((True, False), images, strict=True):
            slow = answers.answer(packet, source, over_udp)
            for _ in range(2):
                assert fast.answer(packet, source) == (slow.packet if slow else None)
            beyond = answers.answer(packet + source, source, over_udp)
            assert fast.answer(packet + source, source) == (beyond.packet if beyond else None)


@settings(max_examples=300)
@given(queries, sources)
def test_what_is_read_is_what_dnslib_reads(packet: bytes, source: bytes) -> None:
    ours, theirs = read_query(packet), DNSRecord.parse(packet)
    assert ours is not None
    assert ours.question is not None
    assert tuple(label.lower() for label in theirs.q.qname.label) == ours.question.name
    assert (theirs.q.qtype, theirs.q.qclass) == (ours.question.qtype, ours.question.qclass)
    theirs_opt = opt_of(theirs)
    assert (theirs_opt is None) == (ours.edns is None)
    if ours.edns:
        found = theirs_opt.edns_len, theirs_opt.edns_ver, bool(theirs_opt.edns_do)
        assert found == (ours.edns.payload, ours.edns.version, ours.edns.do)


@given(queries, sources)
def test_every_answer_is_one_that_dnslib_can_read_and_fits(packet: bytes, source: bytes) -> None:
    answer = Asked().raw(packet, source)
    assert answer is not None
    message = DNSRecord.parse(answer)
    assert (message.header.id, message.header.qr, len(answer) <= 1232) == (int.from_bytes(packet[:2], "big"), 1, True)


@given(st.binary(max_size=600))
@example(b"\0" * 12)
@example(b"\0\0\1\0\0\1\0\0\0\0\0\0" + b"\xc0\x0c" * 40)
def test_random_packets_are_answered_or_ignored_and_never_kill(packet: bytes) -> None:
    answer = Asked().raw(packet)
    assert (answer is None) == (len(packet) < 12 or packet[2] >= 0x80)
    assert answer is None or answer[:2] == packet[:2]


MUTATED = 100_000


def mutated(seed: int, count: int) -> list[bytes]:
    """Real queries with octets changed, removed, doubled, cut, or joined to others."""
    chance = random.Random(seed)
    real = [
        query(name, qtype, subnet=subnet, options=more)
        for name in NAMES
        for qtype in (A, AAAA, HTTPS, SOA)
        for subnet in (None, "100.64.1.0/24", "2001:db8:a:200::/56")
        for more in (None, [(10, bytes(8))])
    ]
    made = []
    for _ in range(count):
        packet = bytearray(chance.choice(real))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(packet)) if packet else 0
            match chance.randrange(6):
                case 0 | 1 if packet:
                    packet[at] = chance.choice((0, 1, 0x3F, 0x40, 0xC0, 0xFF, chance.randrange(256)))
                case 2 if packet:
                    packet[at] ^= 1 << chance.randrange(8)
                case 3:
                    del packet[at : at + chance.randint(1, 8)]
                case 4:
                    packet[at:at] = packet[at : at + chance.randint(1, 8)]
                case 5:
                    packet[at:] = chance.choice(real)[at:]
        made.append(bytes(packet))
    return made


def readable(answer: bytes) -> bytes:
    """An answer with the labels of its question in ASCII: dnslib takes no others."""
    packet, at = bytearray(answer), 12
    while length := packet[at]:
        for number in range(at + 1, at + 1 + length):
            packet[number] = min(packet[number], 0x7F)
        at += 1 + length
    return bytes(packet)


def test_a_hundred_thousand_mutated_queries_kill_nothing_and_get_nothing_of_a_foreign_zone() -> None:
    server = authority()
    images = Images(Answers(server))
    answered = 0
    for packet in mutated(seed=33, count=MUTATED):
        answer = images.answer(packet, b"\x7f\0\0\1")
        assert (answer is None) == (len(packet) < 12 or packet[2] >= 0x80)
        assert images.answer(packet, b"\x7f\0\0\1") == answer
        if answer is None or answer[6:10] == bytes(4):
            continue
        message = DNSRecord.parse(readable(answer))
        asked = tuple(label.lower() for label in message.q.qname.label)
        assert any(is_within(asked, zone) for zone in ZONES)
        for record in (*message.rr, *message.auth):
            assert any(is_within(tuple(label.lower() for label in record.rname.label), zone) for zone in ZONES)
        assert message.header.rcode in (NOERROR, NXDOMAIN)
        answered += 1
    assert answered > MUTATED / 20
