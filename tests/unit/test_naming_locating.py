"""What the access side's forwarder makes of queries and answers; dnslib reads and writes them independently."""

from ipaddress import ip_network

import pytest
from dnslib import EDNS0, QTYPE, RR, TXT, A, DNSQuestion, DNSRecord, EDNSOption

from hosts.naming.locating import Locator, Relayed, cut
from hosts.naming.names import parse_name
from meclab.errors import PeerError

LOCATION = bytes.fromhex("00011800" + "644001")
OWN = bytes.fromhex("00012000" + "0a640001")
ECS, COOKIE, EXTENDED_ERROR = 8, 10, 15
locator = Locator(parse_name("edge.example"), ip_network("100.64.1.0/24"))


def asked(name: str = "app.edge.example", *options: tuple[int, bytes], edns: bool = True, payload: int = 1232) -> bytes:
    query = DNSRecord.question(name)
    query.header.id = 4711
    if edns:
        query.add_ar(EDNS0(udp_len=payload, opts=[EDNSOption(*option) for option in options]))
    return bytes(query.pack())


def options(packet: bytes) -> dict[int, bytes]:
    (opt,) = [rr for rr in DNSRecord.parse(packet).ar if rr.rtype == QTYPE.OPT]
    return {option.code: bytes(option.data) for option in opt.rdata}


def upstream(relayed: Relayed, *extra: tuple[int, bytes], records: int = 1) -> bytes:
    """An answer as a resolver gives it, the client subnet mirrored with a scope of 24."""
    query = DNSRecord.parse(relayed.packet)
    answer = query.reply()
    answer.ar = []
    for number in range(records):
        answer.add_answer(RR(query.q.qname, QTYPE.A, ttl=10, rdata=A(f"10.1.{number}.10")))
    mirrored = [EDNSOption(ECS, data[:3] + b"\x18" + data[4:]) for data in [options(relayed.packet).get(ECS)] if data]
    answer.add_ar(EDNS0(udp_len=1232, opts=[*mirrored, *(EDNSOption(*option) for option in extra)]))
    return bytes(answer.pack())


def test_a_query_without_edns_goes_on_with_the_location_and_comes_back_without_edns() -> None:
    relayed = locator.relayed(asked(edns=False))
    assert options(relayed.packet) == {ECS: LOCATION}
    answer = DNSRecord.parse(relayed.answered(upstream(relayed)))
    assert (answer.header.id, answer.ar, str(answer.rr[0].rdata)) == (4711, [], "10.1.0.10")


def test_a_device_that_sent_no_subnet_gets_none() -> None:
    relayed = locator.relayed(asked())
    assert options(relayed.packet) == {ECS: LOCATION}
    assert options(relayed.answered(upstream(relayed))) == {}


def test_what_a_device_says_of_itself_is_replaced_and_mirrored() -> None:
    relayed = locator.relayed(asked("app.edge.example", (ECS, OWN)))
    assert options(relayed.packet) == {ECS: LOCATION}
    assert options(relayed.answered(upstream(relayed))) == {ECS: OWN}


@pytest.mark.parametrize("nothing", ["00010000", "00020000", "00000000"])
def test_a_device_that_opts_out_is_named_by_nothing(nothing: str) -> None:
    relayed = locator.relayed(asked("app.edge.example", (ECS, bytes.fromhex(nothing))))
    assert options(relayed.packet) == {ECS: bytes.fromhex(nothing)}
    assert options(relayed.answered(upstream(relayed)))[ECS].hex() == nothing


def test_other_names_go_on_without_a_subnet() -> None:
    for name in ("www.example.com", "example", "notedge.example"):
        assert options(locator.relayed(asked(name, (ECS, OWN))).packet) == {}


def test_names_are_compared_without_case_and_come_back_as_they_were_asked() -> None:
    relayed = locator.relayed(asked("aPp.EDGE.example"))
    assert options(relayed.packet) == {ECS: LOCATION}
    lower = upstream(relayed).replace(b"aPp", b"app").replace(b"EDGE", b"edge")
    assert DNSRecord.parse(relayed.answered(lower)).q.qname.label == (b"aPp", b"EDGE", b"example")


def test_options_of_one_hop_stay_there_and_the_reason_of_an_error_goes_on() -> None:
    relayed = locator.relayed(asked("app.edge.example", (COOKIE, b"12345678")))
    assert COOKIE not in options(relayed.packet)
    answer = relayed.answered(upstream(relayed, (COOKIE, b"12345678"), (EXTENDED_ERROR, b"\0\x16")))
    assert options(answer) == {EXTENDED_ERROR: b"\0\x16"}


def test_flags_of_the_query_go_on_and_do_is_mirrored() -> None:
    query = DNSRecord(q=DNSQuestion("app.edge.example"))
    query.header.rd, query.header.cd, query.header.ra = 1, 1, 1
    query.add_ar(EDNS0(flags="do", udp_len=1232))
    relayed = locator.relayed(bytes(query.pack()))
    sent = DNSRecord.parse(relayed.packet)
    assert (sent.header.rd, sent.header.cd, sent.header.ra, sent.ar[0].edns_do) == (1, 1, 0, 1)
    assert DNSRecord.parse(relayed.answered(upstream(relayed))).ar[0].edns_do == 1


def test_the_upstream_may_fill_what_the_device_takes() -> None:
    relayed = locator.relayed(asked(edns=False))
    added = len(relayed.packet) - len(asked(edns=False))
    assert DNSRecord.parse(relayed.packet).ar[0].rclass == 512 + added
    records = (512 - len(asked(edns=False))) // 16
    answer = DNSRecord.parse(relayed.answered(upstream(relayed, records=records)))
    assert (len(answer.rr), answer.header.tc) == (records, 0)


def test_an_answer_too_long_for_the_device_is_truncated_over_udp_alone() -> None:
    query = asked("app.edge.example", (ECS, OWN), payload=600)
    relayed = locator.relayed(query)
    answer = relayed.answered(upstream(relayed, records=60))
    cut_short = DNSRecord.parse(answer)
    assert (cut_short.header.tc, cut_short.rr, len(answer) <= 600) == (1, [], True)
    assert options(answer) == {ECS: OWN}
    whole = locator.relayed(query, over_tcp=True)
    assert len(DNSRecord.parse(whole.answered(upstream(whole, records=60))).rr) == 60


def test_an_extended_response_code_reaches_who_speaks_edns_and_is_an_error_for_others() -> None:
    for edns in (True, False):
        relayed = locator.relayed(asked(edns=edns))
        answer = DNSRecord.parse(upstream(relayed))
        answer.ar = [EDNS0(ext_rcode=1, udp_len=1232)]
        if edns:
            assert DNSRecord.parse(relayed.answered(bytes(answer.pack()))).ar[0].edns_rcode == 1
        else:
            with pytest.raises(PeerError, match="response code 16 without EDNS"):
                relayed.answered(bytes(answer.pack()))


def test_an_answer_cut_anywhere_is_the_upstreams_error() -> None:
    relayed = locator.relayed(asked("app.edge.example", (ECS, OWN)))
    whole = upstream(relayed, records=3)
    for length in range(len(whole)):
        with pytest.raises(PeerError):
            relayed.answered(whole[:length])


def test_records_behind_the_opt_record_are_an_error_and_not_lost() -> None:
    relayed = locator.relayed(asked())
    answer = DNSRecord.parse(upstream(relayed))
    answer.add_ar(RR("app.edge.example", QTYPE.TXT, rdata=TXT("late")))
    with pytest.raises(PeerError, match="after the OPT"):
        relayed.answered(bytes(answer.pack()))


def test_a_location_is_told_with_the_prefix_length_of_the_scenario() -> None:
    assert str(cut(ip_network("100.64.3.0/24"), 22)) == "100.64.0.0/22"
    assert str(cut(ip_network("2001:db8:a00:300::/56"), 64)) == "2001:db8:a00:300::/64"
    narrow = Locator((), cut(ip_network("2001:db8:a00:300::/56"), 56))
    assert options(narrow.relayed(asked()).packet) == {ECS: bytes.fromhex("00023800" + "20010db80a0003")}
