"""Neighbour discovery and first segments, checked by Scapy; whatever else a switch may hand up is a `PeerError`."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import Ether

from controller.packets import Ends, first_segment, neighbour_advertisement
from meclab.addressing import GATEWAY_IPV6, GATEWAY_MAC
from meclab.errors import PeerError

HOST = "02:00:00:00:00:07"


def solicitation(source="2001:db8::7", target=str(GATEWAY_IPV6)):
    frame = Ether(src=HOST, dst="33:33:ff:00:00:01") / IPv6(src=source, dst="ff02::1:ff00:1", hlim=255)
    return bytes(frame / ICMPv6ND_NS(tgt=target) / ICMPv6NDOptSrcLLAddr(lladdr=HOST))


@pytest.mark.parametrize("source", ["2001:db8::7", "fe80::7", "fd00:1:2:3:ffff:ffff:ffff:ffff"])
def test_a_solicitation_for_the_gateway_is_answered_as_rfc_4861_says(source):
    answer = Ether(neighbour_advertisement(solicitation(source)))
    assert (answer.src, answer.dst) == (GATEWAY_MAC, HOST)
    assert (answer[IPv6].src, answer[IPv6].dst, answer[IPv6].hlim) == (str(GATEWAY_IPV6), source, 255)
    advertisement = answer[ICMPv6ND_NA]
    assert (advertisement.R, advertisement.S, advertisement.O) == (1, 1, 1)
    assert advertisement.tgt == str(GATEWAY_IPV6)
    assert advertisement[ICMPv6NDOptDstLLAddr].lladdr == GATEWAY_MAC


@given(st.ip_addresses(v=6).filter(lambda address: int(address) != 0))
def test_the_checksum_is_the_one_that_scapy_computes(source):
    answer = Ether(neighbour_advertisement(solicitation(str(source))))
    sent = answer[ICMPv6ND_NA].cksum
    del answer[ICMPv6ND_NA].cksum
    assert Ether(bytes(answer))[ICMPv6ND_NA].cksum == sent
    assert answer[IPv6].plen == len(bytes(answer[ICMPv6ND_NA]))


def test_nobody_answers_a_host_that_looks_whether_its_own_address_is_taken():
    assert neighbour_advertisement(solicitation("::")) is None


def test_a_solicitation_for_another_address_is_not_answered():
    assert neighbour_advertisement(solicitation(target="fe80::2")) is None


@pytest.mark.parametrize("syn", ["S", "SEC"])
def test_a_first_segment_tells_the_connection_and_the_host_that_it_went_to(syn):
    ipv4 = Ether(dst=HOST) / IP(src="10.1.0.1", dst="10.99.0.1") / TCP(sport=40000, dport=8080, flags=syn)
    ipv6 = Ether(dst=HOST) / IPv6(src="2001:db8::1", dst="2001:db8::99") / TCP(sport=40000, dport=8080, flags=syn)
    for frame, source, destination in (
        (ipv4, "10.1.0.1", "10.99.0.1"),
        (ipv6, "2001:db8::1", "2001:db8::99"),
    ):
        found = first_segment(bytes(frame))
        assert found.ends == Ends(ip_address(source), 40000, ip_address(destination), 8080)
        assert found.routed_to == HOST


def test_ip_options_do_not_hide_the_ports():
    frame = (
        Ether() / IP(src="10.1.0.1", dst="10.99.0.1", options=b"\x01\x01\x01\x00") / TCP(sport=5, dport=6, flags="S")
    )
    ends = first_segment(bytes(frame)).ends
    assert (ends.source_port, ends.destination_port) == (5, 6)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        bytes(Ether() / IP() / UDP()),
        bytes(Ether() / IPv6() / UDP()),
        bytes(Ether() / IP() / TCP())[:36],
        bytes(Ether() / IPv6() / TCP())[:50],
        bytes(Ether() / IP())[:30],
    ],
)
def test_what_is_no_first_segment_is_a_peer_s_error(frame):
    with pytest.raises(PeerError):
        first_segment(frame)


@given(st.binary(max_size=120))
def test_any_bytes_are_understood_or_refused(frame):
    for read in (first_segment, neighbour_advertisement):
        try:
            read(frame)
        except PeerError:
            continue


@given(st.binary(max_size=80), st.sampled_from([b"\x45", b"\x4f", b"\x60"]))
def test_ip_packets_cut_off_anywhere_are_understood_or_refused(rest, first):
    try:
        first_segment(bytes(12) + b"\x08\x00" + first + rest)
    except PeerError as error:
        assert "not a" in str(error)
