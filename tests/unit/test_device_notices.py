"""What the network tells a device: carried out once, acknowledged always."""

import json
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosts.device import notices
from meclab.errors import PeerError
from meclab.messages import NoticeAck, RediscoveryNotice, ResolverNotice


def resolver(sequence: int) -> ResolverNotice:
    return ResolverNotice(sequence=sequence, ipv4=ip_address("10.1.2.10"), ipv6=ip_address("2001:db8:1:1::10"))


def rediscovery(sequence: int) -> RediscoveryNotice:
    return RediscoveryNotice(sequence=sequence, impact="name", names=("app.edge.example.",))


@pytest.mark.parametrize("notice", [resolver(1), rediscovery(2)], ids=["resolver", "rediscovery"])
def test_a_notice_is_read_as_it_was_sent(notice: ResolverNotice | RediscoveryNotice) -> None:
    assert notices.read(notice.model_dump_json().encode()) == notice


def test_an_acknowledgement_names_device_and_number() -> None:
    assert NoticeAck.model_validate_json(notices.acknowledgement("ue1", 7)) == NoticeAck(device="ue1", sequence=7)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b"{}",
        b"[]",
        json.dumps({"kind": "reboot", "sequence": 1}).encode(),
        notices.acknowledgement("u", 1),
    ],
)
def test_anything_else_is_the_peers_error(payload: bytes) -> None:
    with pytest.raises(PeerError):
        notices.read(payload)


@given(st.binary(max_size=200))
def test_garbage_is_the_peers_error(payload: bytes) -> None:
    with pytest.raises(PeerError):
        notices.read(payload)


def test_a_repeated_notice_is_no_news() -> None:
    sender = notices.Sender()
    assert [sender.is_news(notice) for notice in (resolver(1), resolver(1), rediscovery(2), rediscovery(2))] == [
        *(True, False),
        *(True, False),
    ]


def test_a_resolver_that_a_later_notice_has_replaced_is_no_news() -> None:
    sender = notices.Sender()
    assert sender.is_news(resolver(2))
    assert not sender.is_news(resolver(1))


def test_an_overtaken_rediscovery_still_has_answers_to_drop() -> None:
    sender = notices.Sender()
    assert sender.is_news(rediscovery(2))
    assert sender.is_news(rediscovery(1))
