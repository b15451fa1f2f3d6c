"""What the stub reads from DNS messages, built by dnslib."""

import dnslib
import pytest
from device_doubles import SOA, ZONE, respond
from hypothesis import given
from hypothesis import strategies as st

from hosts.device import answers
from hosts.device.cache import Question
from meclab.errors import PeerError

A = Question("app.edge.example.", "ipv4")
AAAA = Question("app.edge.example.", "ipv6")


def read(zone: str = ZONE, question: Question = A, **options: object) -> answers.Reply:
    return answers.read(respond(answers.query(question, 7), zone, **options), question, 7)  # type: ignore[arg-type]


def test_a_query_is_recursive_and_offers_1232_bytes() -> None:
    query = dnslib.DNSRecord.parse(answers.query(AAAA, 4711))
    assert (query.header.id, query.header.rd, query.header.qr, query.q.qtype) == (4711, 1, 0, dnslib.QTYPE.AAAA)
    assert str(query.q.qname) == "app.edge.example."
    assert [(rr.rtype, rr.rclass) for rr in query.ar] == [(dnslib.QTYPE.OPT, 1232)]


def test_addresses_come_in_the_order_of_the_response_with_the_least_ttl() -> None:
    reply = read("app.edge.example. 9 IN A 10.2.0.1\napp.edge.example. 5 IN A 10.1.0.1")
    assert [str(address) for address in reply.addresses] == ["10.2.0.1", "10.1.0.1"]
    assert reply.ttl_s == 5


def test_both_families_are_read() -> None:
    reply = read(question=AAAA)
    assert [str(address) for address in reply.addresses] == ["2001:db8:1::10"]
    assert reply.ttl_s == 20


def test_a_chain_of_aliases_is_followed_and_its_least_ttl_taken() -> None:
    reply = read(
        "App.edge.example. 3 IN CNAME mec1.edge.example.\n"
        "mec1.edge.example. 60 IN CNAME a.edge.example.\n"
        "a.edge.example. 50 IN A 10.1.1.10\n"
        "b.edge.example. 1 IN A 10.9.9.9"
    )
    assert ([str(address) for address in reply.addresses], reply.ttl_s) == (["10.1.1.10"], 3)


def test_aliases_in_a_circle_lead_nowhere() -> None:
    reply = read("app.edge.example. 3 IN CNAME b.edge.example.\nb.edge.example. 3 IN CNAME app.edge.example.")
    assert reply.addresses == ()


@pytest.mark.parametrize(
    ("authority", "ttl_s"),
    [(SOA, 60), (SOA.replace(" 300 ", " 5 "), 5), ("", 0)],
    ids=["the minimum", "the SOA's own TTL", "no SOA"],
)
@pytest.mark.parametrize("rcode", ["NOERROR", "NXDOMAIN"])
def test_a_negative_answer_is_kept_as_long_as_its_soa_says(rcode: str, authority: str, ttl_s: int) -> None:
    reply = read("", authority=authority, rcode=rcode)
    assert (reply.is_answer, reply.addresses, reply.ttl_s) == (True, (), ttl_s)


def test_a_ttl_with_its_highest_bit_set_is_none() -> None:
    reply = dnslib.DNSRecord.parse(answers.query(A, 7)).reply()
    reply.add_answer(dnslib.RR(A.name, dnslib.QTYPE.A, rdata=dnslib.A("10.1.1.10"), ttl=2**31 + 60))
    assert answers.read(reply.pack(), A, 7).ttl_s == 0


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "FORMERR", "NOTIMP"])
def test_a_failure_of_the_server_is_no_answer(rcode: str) -> None:
    reply = read("", rcode=rcode)
    assert not reply.is_answer
    assert reply.rcode == rcode


def test_a_truncated_response_says_so_whatever_it_holds() -> None:
    reply = read(truncated=True)
    assert reply.truncated
    assert reply.addresses == ()


@pytest.mark.parametrize(
    ("identifier", "asked"),
    [(8, A), (7, AAAA), (7, Question("other.edge.example.", "ipv4"))],
    ids=["identifier", "type", "name"],
)
def test_a_response_to_another_query_is_not_taken(identifier: int, asked: Question) -> None:
    with pytest.raises(PeerError):
        answers.read(respond(answers.query(asked, identifier)), A, 7)


def test_a_query_is_no_response() -> None:
    with pytest.raises(PeerError):
        answers.read(answers.query(A, 7), A, 7)


@given(st.binary(max_size=300))
def test_garbage_is_the_peers_error(payload: bytes) -> None:
    with pytest.raises(PeerError):
        answers.read(payload, A, 70_000)


@given(st.data())
def test_a_response_with_bytes_changed_is_read_or_refused(data: st.DataObject) -> None:
    payload = bytearray(respond(answers.query(A, 7), ZONE, SOA))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        reply = answers.read(bytes(payload), A, 7)
    except PeerError:
        return
    assert 0 <= reply.ttl_s < 2**31
    assert all(address.version == 4 for address in reply.addresses)
