"""DNS messages between device and name server: what the device sent decides what it gets back."""

from ipaddress import ip_address, ip_network

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from hosts.core5g import relayed
from hosts.naming.queries import read_query
from meclab.errors import PeerError

NAME = "aPP.edGe.example."
REASON = "EDE 22 (No Reachable Authority): nobody answers"
LOCATION = ip_network("100.64.2.0/24")


def asked(name=NAME, kind="A", **fields):
    """A device's message, by dnspython."""
    return dns.message.make_query(name, kind, **fields)


def onwards(message, subnet=None):
    """The query that is sent on, read by dnspython, and the two steps between."""
    query = read_query(message.to_wire())
    sent = relayed.onwards(query, subnet)
    return dns.message.from_wire(sent.packet), query, sent


def subnets(message):
    return [option for option in message.options if option.otype == dns.edns.ECS]


def answer(sent, *records, scope=None, rcode=0, **fields):
    """A name server's answer to a query that was sent on."""
    response = dns.message.make_response(sent, recursion_available=True)
    response.set_rcode(rcode)
    if scope is not None:
        (option,) = subnets(sent)
        given = dns.edns.ECSOption(option.address, option.srclen, scope)
        response.use_edns(0, options=[given], **fields)
    for kind, text in records:
        response.answer.append(dns.rrset.from_text(sent.question[0].name, 10, "IN", kind, text))
    return response


def returned(message, *records, subnet=None, over_udp=True, **fields):
    """What the device gets."""
    sent, query, step = onwards(message, subnet)
    response = answer(sent, *records, **fields)
    packet = relayed.backwards(query, step, relayed.read_answer(response.to_wire(max_size=65_535)), over_udp)
    return dns.message.from_wire(packet)


def test_the_location_goes_on_with_the_query_and_no_option_comes_back_to_a_device_that_sent_none():
    message = asked(use_edns=False)
    sent, *_ = onwards(message, LOCATION)
    (option,) = subnets(sent)
    assert (option.address, option.srclen, option.scopelen) == ("100.64.2.0", 24, 0)
    got = returned(message, ("A", "10.1.2.10"), subnet=LOCATION, scope=24)
    assert got.edns == -1
    assert (got.id, got.rcode()) == (message.id, dns.rcode.NOERROR)
    assert [str(record) for record in got.answer[0]] == ["10.1.2.10"]


def test_a_device_with_edns_gets_edns_without_a_client_subnet():
    got = returned(asked(use_edns=0, payload=4096), ("A", "10.1.2.10"), subnet=LOCATION, scope=24)
    assert (got.edns, got.payload, list(got.options)) == (0, 1232, [])


@pytest.mark.parametrize("wants", [True, False])
def test_do_goes_on_and_comes_back(wants):
    message = asked(want_dnssec=wants, use_edns=0)
    sent, *_ = onwards(message)
    assert bool(sent.ednsflags & dns.flags.DO) is wants
    assert bool(returned(message, ("A", "10.1.2.10")).ednsflags & dns.flags.DO) is wants


def test_options_of_the_device_other_than_the_client_subnet_go_no_further():
    cookie = dns.edns.GenericOption(10, b"12345678")
    sent, *_ = onwards(asked(use_edns=0, options=[cookie]))
    assert list(sent.options) == []


def test_letters_keep_the_case_that_the_device_chose():
    message = asked()
    sent, *_ = onwards(message, LOCATION)
    assert sent.question[0].name.to_text() == NAME
    assert returned(message, ("A", "10.1.2.10")).question[0].name.to_text() == NAME


def test_an_answer_that_says_the_name_in_other_letters_is_returned_with_the_device_s():
    message = asked(use_edns=False)
    sent, query, step = onwards(message)
    lower = dns.message.from_wire(sent.to_wire().replace(b"\x03aPP\x04edGe", b"\x03app\x04edge"))
    response = answer(lower, ("A", "10.1.2.10"))
    got = dns.message.from_wire(relayed.backwards(query, step, relayed.read_answer(response.to_wire()), True))
    assert got.question[0].name.to_text() == NAME
    assert got.answer[0].name == message.question[0].name


def test_a_device_s_own_subnet_goes_on_as_it_is_where_no_rule_gives_one_and_comes_back_with_the_server_s_scope():
    message = asked(options=[dns.edns.ECSOption("192.0.2.0", 24)])
    sent, *_ = onwards(message)
    assert [option.to_text() for option in subnets(sent)] == ["ECS 192.0.2.0/24 scope/0"]
    got = returned(message, ("A", "10.1.2.10"), scope=20)
    assert [option.to_text() for option in subnets(got)] == ["ECS 192.0.2.0/24 scope/20"]


def test_where_a_rule_replaced_the_device_s_subnet_its_answer_is_for_that_subnet_alone():
    message = asked(options=[dns.edns.ECSOption("192.0.2.0", 24)])
    sent, *_ = onwards(message, LOCATION)
    assert [option.to_text() for option in subnets(sent)] == ["ECS 100.64.2.0/24 scope/0"]
    got = returned(message, ("A", "10.1.2.10"), subnet=LOCATION, scope=24)
    assert [option.to_text() for option in subnets(got)] == ["ECS 192.0.2.0/24 scope/24"]


def test_a_device_that_keeps_its_address_to_itself_is_obeyed():
    message = asked(options=[dns.edns.ECSOption("0.0.0.0", 0)])
    sent, *_ = onwards(message, LOCATION)
    assert [option.to_text() for option in subnets(sent)] == ["ECS 0.0.0.0/0 scope/0"]
    got = returned(message, ("A", "203.0.113.10"), subnet=LOCATION, scope=0)
    assert [option.to_text() for option in subnets(got)] == ["ECS 0.0.0.0/0 scope/0"]


def test_a_server_without_client_subnets_leaves_the_answer_without():
    message = asked(options=[dns.edns.ECSOption("192.0.2.0", 24)])
    assert subnets(returned(message, ("A", "10.1.2.10"))) == []


def test_an_ipv6_location_is_sent_in_as_many_octets_as_its_prefix_needs():
    assert relayed.subnet_data(ip_network("2001:db8:a00:200::/56")).hex() == "00023800" + "20010db80a0002"
    assert relayed.subnet_data(ip_network("100.64.0.0/10")).hex() == "00010a00" + "6440"
    assert relayed.subnet_data(ip_network("0.0.0.0/0")).hex() == "00010000"


@pytest.mark.parametrize(("payload", "limit"), [(None, 512), (256, 512), (900, 900), (4096, 1232)])
def test_an_answer_larger_than_the_device_takes_is_truncated_over_udp_alone(payload, limit):
    message = asked(use_edns=False) if payload is None else asked(use_edns=0, payload=payload)
    records = [("TXT", " ".join(f'"{number:0>200}"' for number in range(9)))]
    got = returned(message, *records)
    assert got.flags & dns.flags.TC
    assert not got.answer
    assert len(got.to_wire()) <= limit
    whole = returned(message, *records, over_udp=False)
    assert not whole.flags & dns.flags.TC
    assert whole.answer


def test_extended_response_codes_go_only_to_devices_with_edns():
    for edns, expected in ((0, dns.rcode.BADCOOKIE), (False, dns.rcode.SERVFAIL)):
        assert returned(asked(use_edns=edns), rcode=dns.rcode.BADCOOKIE).rcode() == expected


def test_the_reason_of_an_error_is_passed_on_to_devices_with_edns():
    for edns in (0, False):
        message = asked(use_edns=edns)
        sent, query, step = onwards(message)
        response = answer(sent, rcode=dns.rcode.SERVFAIL)
        response.use_edns(0, options=[dns.edns.EDEOption(22, "nobody answers")])
        got = dns.message.from_wire(relayed.backwards(query, step, relayed.read_answer(response.to_wire()), True))
        assert [option.to_text() for option in got.options] == ([] if edns is False else [REASON])


def test_negative_answers_keep_their_authority():
    message = asked(use_edns=False)
    sent, query, step = onwards(message, LOCATION)
    response = answer(sent, rcode=dns.rcode.NXDOMAIN)
    soa = "adns.edge.example. hostmaster.edge.example. 1 3600 600 86400 10"
    response.authority.append(dns.rrset.from_text("edge.example.", 10, "IN", "SOA", soa))
    got = dns.message.from_wire(relayed.backwards(query, step, relayed.read_answer(response.to_wire()), True))
    assert got.rcode() == dns.rcode.NXDOMAIN
    assert got.authority == response.authority


def test_every_address_of_an_answer_is_found_those_in_hints_too():
    sent, *_ = onwards(asked(kind="HTTPS"))
    hints = "1 . alpn=http/1.1 ipv4hint=10.1.1.10,10.1.1.11 ipv6hint=2001:db8:1:1::10"
    response = answer(sent, ("HTTPS", hints), ("A", "10.1.1.10"), ("AAAA", "2001:db8::5"))
    found = relayed.addresses(relayed.read_answer(response.to_wire()))
    expected = ["10.1.1.10", "10.1.1.11", "2001:db8:1:1::10", "2001:db8::5"]
    assert found == tuple(map(ip_address, expected))


def test_refusals_are_well_formed_for_whoever_asked():
    message = asked(options=[dns.edns.ECSOption("192.0.2.0", 24)])
    got = dns.message.from_wire(relayed.refusal(read_query(message.to_wire()), dns.rcode.SERVFAIL))
    assert (got.id, got.rcode(), got.question) == (message.id, dns.rcode.SERVFAIL, message.question)
    assert [option.to_text() for option in subnets(got)] == ["ECS 192.0.2.0/24 scope/0"]
    badvers = read_query(asked(use_edns=1).to_wire())
    assert dns.message.from_wire(relayed.refusal(badvers, badvers.fault)).rcode() == dns.rcode.BADVERS


@pytest.mark.parametrize("packet", [b"", b"\0" * 11, b"\0\1\x84\0\0\1\0\1\0\0\0\0\x03app"])
def test_garbage_for_an_answer_is_an_error_of_the_peer(packet):
    with pytest.raises(PeerError):
        relayed.read_answer(packet)
