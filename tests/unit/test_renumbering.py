"""Netlink messages that give a device other addresses, and those by which it hears that it has lost one."""

import os
from ipaddress import ip_address
from typing import Any

import pytest
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from hosts.device.renumbering import lost_addresses
from meclab.addressing import GATEWAY_IPV4, GATEWAY_IPV6
from topologies import renumbering
from topologies.renumbering import Renumbering

PAIR = (ip_address("100.64.2.1"), ip_address("2001:db8:a00:200::1"))
GATEWAYS = (GATEWAY_IPV4, GATEWAY_IPV6)
DONE = (36).to_bytes(4, "little") + bytes(32)
"""An acknowledgement without an error."""


def read(kind: Any, message: bytes) -> Any:
    found = kind(message)
    found.decode()
    assert found["header"]["length"] == len(message)
    return found


@pytest.mark.parametrize("number", [0, 1])
def test_an_arrival_is_an_address_and_then_the_default_route_by_it_as_pyroute2_reads_them(number: int) -> None:
    messages = renumbering.arriving(7, PAIR, GATEWAYS)
    address, route = read(ifaddrmsg, messages[2 * number]), read(rtmsg, messages[2 * number + 1])
    assert address["header"]["type"] == 20
    assert (address["index"], address["prefixlen"]) == (7, PAIR[number].max_prefixlen)
    assert address.get_attr("IFA_LOCAL") == str(PAIR[number])
    assert (route["header"]["type"], route["dst_len"], route["flags"]) == (24, 0, 4)
    assert route.get_attr("RTA_GATEWAY") == str(GATEWAYS[number])
    assert (route.get_attr("RTA_OIF"), route.get_attr("RTA_PREFSRC")) == (7, str(PAIR[number]))


def test_a_departure_takes_the_addresses_away_and_is_what_the_device_hears_of() -> None:
    messages = renumbering.leaving(7, PAIR)
    assert [read(ifaddrmsg, message)["header"]["type"] for message in messages] == [21, 21]
    assert tuple(lost_addresses(b"".join(messages))) == PAIR
    assert tuple(lost_addresses(b"".join(renumbering.arriving(7, PAIR, GATEWAYS)))) == ()


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_message_that_ends_early_is_no_loss_and_no_loop(cut: int) -> None:
    (message,) = renumbering.leaving(7, PAIR[:1])
    assert list(lost_addresses(message[: len(message) - cut])) in ([], [PAIR[0]])
    assert list(lost_addresses(bytes(40))) == []


class Kernel:
    """The other end of a device's netlink socket: takes messages and answers each with the next of its answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: bytes) -> None:
        self.heard: list[str] = []
        self._answers = list(answers)
        monkeypatch.setattr(os, "write", lambda _fd, message: self.heard.append(message.hex()))
        monkeypatch.setattr(os, "read", lambda _fd, _most: self._answers.pop(0) if self._answers else DONE)


def device(start: str = "ap1") -> Renumbering:
    return Renumbering("ue1", -1, start, {"ap1": ["a1"], "ap2": ["a2"]}, {"ap1": ["e1"], "ap2": ["e2"]})


def test_a_device_arrives_with_its_new_addresses_before_it_leaves_the_old_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, ue1 = Kernel(monkeypatch), device()
    ue1.move("ap1")
    assert kernel.heard == [], "it has these"
    ue1.move("ap2")
    ue1.move("ap1")
    assert kernel.heard == ["a2", "e1", "a1", "e2"]


def test_what_the_kernel_refuses_is_said(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    refused = DONE[:16] + (-13).to_bytes(4, "little", signed=True)
    Kernel(monkeypatch, DONE, refused)
    device().move("ap2")
    assert capfd.readouterr().err == "ue1 at ap2 is not renumbered: Permission denied\n"
