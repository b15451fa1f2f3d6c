"""What the server says of names: records, rules, aliases, services, and names that it does not have."""

import pytest
from dnslib import RR, DNSRecord
from naming_zone import (
    AAAA,
    ANY,
    APP,
    CNAME,
    ELSEWHERE,
    FORMERR,
    HINFO,
    HTTPS,
    NOERROR,
    NOTIMP,
    NS,
    NXDOMAIN,
    REFUSED,
    SOA,
    TXT,
    A,
    Asked,
    addresses,
    query,
    rule,
    scope_of,
)

from hosts.naming.answers import Answers
from hosts.naming.authority import Authority
from hosts.naming.names import parse_name
from hosts.naming.zones import Zone

CH, AXFR, MAILB, TSIG = 3, 252, 253, 250
IPV4_HINT, IPV6_HINT = 4, 6


@pytest.fixture(scope="module")
def server() -> Asked:
    return Asked()


def test_static_records_are_answered_with_authority_and_their_own_ttl(server: Asked) -> None:
    answer = server("mec1.edge.example.", AAAA)
    assert (addresses(answer), answer.rr[0].ttl, answer.header.aa) == (["2001:db8:1:1::10"], 300, 1)


def test_each_rule_has_its_own_ttl_or_the_zones(server: Asked) -> None:
    assert server(subnet="100.64.1.0/24").rr[0].ttl == 10
    assert server(subnet="100.64.2.128/25").rr[0].ttl == 3


@pytest.mark.parametrize("name", ["nowhere.edge.example.", "x.app.edge.example.", "c.b.edge.example."])
def test_a_name_that_does_not_exist_is_nxdomain_with_the_soa(server: Asked, name: str) -> None:
    answer = server(name)
    assert (answer.header.rcode, answer.rr, [record.rtype for record in answer.auth]) == (NXDOMAIN, [], [SOA])


@pytest.mark.parametrize(("name", "qtype"), [("mec1.edge.example.", TXT), (APP, NS), ("b.edge.example.", A)])
def test_a_name_without_records_of_the_type_is_no_error_with_the_soa(server: Asked, name: str, qtype: int) -> None:
    answer = server(name, qtype)
    assert (answer.header.rcode, answer.rr, [record.rtype for record in answer.auth]) == (NOERROR, [], [SOA])


def test_negative_answers_live_as_long_as_the_smaller_of_the_soas_ttl_and_minimum(server: Asked) -> None:
    assert server("nowhere.edge.example.").auth[0].ttl == 30
    assert server("nowhere.other.test.").auth[0].ttl == 5
    assert server("edge.example.", SOA).rr[0].ttl == 3600


@pytest.mark.parametrize("name", [".", "example.", "foreign.example.", "xedge.example.", "edge.example.org."])
def test_names_outside_the_zones_are_refused_without_authority(server: Asked, name: str) -> None:
    answer = server(name, subnet="100.64.1.0/24")
    assert (answer.header.rcode, answer.header.aa, answer.rr, answer.auth) == (REFUSED, 0, [], [])
    assert scope_of(answer) == 0


def test_a_zone_below_another_answers_for_its_own_names() -> None:
    origins = "test", "sub.test"
    zones = [
        Zone(parse_name(origin), RR.fromZone(f"{origin}. 60 SOA a. b. 1 2 3 4 5\n{origin}. 60 NS ns.{origin}."), 10)
        for origin in origins
    ]
    for order in (zones, zones[::-1]):
        answers = Answers(Authority(order))
        for name, origin in (("x.sub.test", "sub.test."), ("x.subs.test", "test.")):
            answer = answers.answer(query(name), ELSEWHERE)
            assert answer is not None
            assert str(DNSRecord.parse(answer.packet).auth[0].rname) == origin


def test_one_server_has_several_zones(server: Asked) -> None:
    assert addresses(server("ns.other.test.")) == ["10.0.2.54"]
    assert server("other.test.", NS).rr[0].rdata.label == "ns.other.test."


@pytest.mark.parametrize(("qclass", "qtype", "rcode"), [(CH, TXT, REFUSED), (1, AXFR, REFUSED), (1, MAILB, NOTIMP)])
def test_other_classes_and_transfers_are_refused(server: Asked, qclass: int, qtype: int, rcode: int) -> None:
    assert server("edge.example.", qtype, qclass=qclass).header.rcode == rcode


def test_a_type_that_cannot_be_asked_for_is_a_format_error(server: Asked) -> None:
    assert server(APP, TSIG).header.rcode == FORMERR


def test_case_does_not_matter_and_comes_back_as_it_was_asked(server: Asked) -> None:
    answer = server("aPp.EdGe.ExAmPlE.", subnet="100.64.1.0/24")
    assert addresses(answer) == ["10.1.1.10"]
    assert answer.q.qname.label == (b"aPp", b"EdGe", b"ExAmPlE")


def test_any_is_answered_with_one_hinfo_record(server: Asked) -> None:
    (record,) = server(APP, ANY).rr
    assert (record.rtype, record.rdata.data) == (HINFO, b"\x07RFC8482\x00")
    assert server("nowhere.edge.example.", ANY).header.rcode == NXDOMAIN


def test_an_alias_is_followed_to_what_the_rules_say(server: Asked) -> None:
    answer = server("www.edge.example.", subnet="100.64.1.0/24")
    assert ([record.rtype for record in answer.rr], addresses(answer)) == ([CNAME, A], ["10.1.1.10"])
    assert scope_of(answer) == 24


def test_an_alias_itself_is_answered_when_asked_for(server: Asked) -> None:
    (record,) = server("www.edge.example.", CNAME).rr
    assert (record.rtype, record.rdata.label) == (CNAME, "app.edge.example.")


def test_an_alias_to_elsewhere_is_left_to_the_resolver(server: Asked) -> None:
    answer = server("out.edge.example.")
    assert (answer.header.rcode, [record.rtype for record in answer.rr], answer.auth) == (NOERROR, [CNAME], [])


def test_an_alias_to_a_name_that_does_not_exist_is_nxdomain(server: Asked) -> None:
    answer = server("gone.edge.example.")
    assert (answer.header.rcode, len(answer.rr), len(answer.auth)) == (NXDOMAIN, 1, 1)


def test_aliases_in_a_circle_end(server: Asked) -> None:
    assert 2 <= len(server("loop.edge.example.").rr) <= 10


@pytest.mark.parametrize("subnet", ["100.64.1.0/24", "100.64.2.7/32", "198.51.100.0/24", "2001:db8:a:200::/56"])
def test_https_hints_are_the_addresses_that_a_and_aaaa_give(server: Asked, subnet: str) -> None:
    (record,) = server(APP, HTTPS, subnet=subnet).rr
    hints = {key: bytes(value) for key, value in record.rdata.params}
    for qtype, key in ((A, IPV4_HINT), (AAAA, IPV6_HINT)):
        (address,) = server(APP, qtype, subnet=subnet).rr
        assert hints[key] == bytes(address.rdata.data)


def test_https_keys_ascend_and_name_protocol_and_port(server: Asked) -> None:
    (record,) = server(APP, HTTPS).rr
    assert [key for key, _ in record.rdata.params] == [1, 3, 4, 6]
    assert record.rdata.params[0][1] == b"\x08http/1.1"
    assert record.rdata.params[1][1] == (8443).to_bytes(2, "big")
    assert (record.rdata.priority, record.rdata.target) == (1, [])


def test_https_lives_as_short_and_holds_as_narrowly_as_its_addresses(server: Asked) -> None:
    answer = server(APP, HTTPS, subnet="100.64.2.7/32")
    assert (answer.rr[0].ttl, scope_of(answer)) == (2, 32)


@pytest.mark.parametrize("address", ["10.1.3.10", "2001:db8:1:3::10"])
def test_a_narrower_rule_for_either_address_narrows_the_https_record(address: str) -> None:
    everybody = rule("all4", "203.0.113.10"), rule("all6", "2001:db8:c10d::10")
    server = Asked([*everybody, rule("ue7", address, "100.64.2.7/32")])
    scopes = [scope_of(server(APP, HTTPS, subnet=subnet)) for subnet in ("100.64.2.6/32", "100.64.2.0/32")]
    assert scopes == [32, 30]


def test_a_host_with_one_address_has_one_hint() -> None:
    (record,) = Asked([rule("only4", "10.1.1.10")])(APP, HTTPS).rr
    assert [key for key, _ in record.rdata.params] == [1, 3, 4]


def test_hosts_that_do_not_serve_have_no_https_record(server: Asked) -> None:
    answer = server("adns.edge.example.", HTTPS)
    assert (answer.header.rcode, answer.rr) == (NOERROR, [])


@pytest.mark.parametrize(
    ("records", "complaint"),
    [
        ("", "one SOA"),
        ("z.test. 1 NS a.z.test.", "one SOA"),
        ("z.test. 1 SOA a. b. 1 2 3 4 5", "one SOA"),
        ("y.test. 1 A 10.0.0.1", "outside"),
        ("a.z.test. 1 NS b.z.test.", "no delegations"),
        ("a.z.test. 1 CNAME b.z.test.\na.z.test. 1 A 10.0.0.1", "alias"),
    ],
)
def test_what_is_no_zone_says_why(records: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Zone(parse_name("z.test"), RR.fromZone(records), 10)
