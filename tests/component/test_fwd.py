"""The access side's forwarder before a real Unbound and an authority nobody here wrote, asked by dig and kdig."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from hosts_child import DEADLINE_S, running
from lone_authority import Authority, authority
from naming_child import free_port
from test_rdns import WHOLE

from hosts import fwd, rdns
from hosts.naming.locating import Locator
from hosts.naming.names import parse_name
from hosts.naming.unbound import Resolver

AT_AP1, AT_AP2 = "127.0.0.1", "127.0.0.2"
SITES = {AT_AP1: "100.64.1.0/24", AT_AP2: "100.64.2.0/24", "::1": "2001:db8:a00:100::/56"}
LOCATIONS = ["00011800644001", "00011800644002", "00023800" + "20010db80a0001"]


def forwarding(port: int, upstream: int, ready: Callable[[], None]) -> int:
    """A forwarder for each of two access points, and one over IPv6."""
    zone = parse_name("edge.example")
    servers = [
        fwd.server(Locator(zone, ip_network(location)), [address], port, "127.0.0.1", upstream)
        for address, location in SITES.items()
    ]
    asyncio.run(fwd.serve(servers, ready))
    return 0


class Chain:
    """Forwarders, the resolver behind them and its authority."""

    def __init__(self, port: int, behind: Authority | None) -> None:
        self.port = port
        self.behind = behind

    def ask(self, server: str, *arguments: str, client: str = "dig") -> str:
        patience = ["+tries=1", "+time=8"] if client == "dig" else ["+retry=0", "+time=8"]
        command = [client, f"@{server}", "-p", str(self.port), *patience, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        return done.stdout

    def address(self, server: str, *arguments: str) -> str:
        return self.ask(server, "+short", *arguments).strip()


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    port, middle, upstream = free_port(), free_port(), free_port()
    resolver = Resolver("edge.example.", (f"127.0.0.1@{middle}",), f"127.0.0.1@{upstream}", WHOLE)
    unbound = running(lambda ready: rdns.run(resolver, tmp_path, "rdns", ready))
    forwarder = running(lambda ready: forwarding(port, middle, ready))
    with unbound, forwarder, authority("127.0.0.1", upstream) as behind:
        yield Chain(port, behind)


def test_the_same_name_has_another_address_at_another_access_point_and_caches_keep_them_apart(chain: Chain) -> None:
    for _ in range(2):
        assert chain.address(AT_AP1, "s24.edge.example") == "192.0.2.1"
        assert chain.address(AT_AP2, "s24.edge.example") == "192.0.2.2"
        assert chain.address("::1", "s56.edge.example", "AAAA") == "2001:db8::a"
    assert [subnet for *_, subnet in chain.behind.asked] == LOCATIONS


def test_the_devices_of_an_access_point_share_its_answer(chain: Chain) -> None:
    for number in range(1, 6):
        assert chain.address(AT_AP1, "-b", f"127.0.9.{number}", "s24.edge.example") == "192.0.2.1"
    assert len(chain.behind.asked) == 1


def test_what_dig_says_of_itself_is_replaced_and_mirrored(chain: Chain) -> None:
    answer = chain.ask(AT_AP1, "s24.edge.example", "+subnet=100.64.2.7/32")
    assert "CLIENT-SUBNET: 100.64.2.7/32/0" in answer
    assert "192.0.2.1" in answer


def test_who_opts_out_is_located_by_nobody(chain: Chain) -> None:
    answer = chain.ask(AT_AP1, "s24.edge.example", "+subnet=0.0.0.0/0")
    assert "CLIENT-SUBNET: 0.0.0.0/0/0" in answer
    assert "192.0.2.0" in answer
    assert chain.address(AT_AP1, "s24.edge.example") == "192.0.2.1"


def test_without_edns_there_is_none_in_the_answer(chain: Chain) -> None:
    answer = chain.ask(AT_AP1, "+noedns", "s24.edge.example")
    assert "192.0.2.1" in answer
    assert "OPT PSEUDOSECTION" not in answer


def test_answers_that_do_not_fit_a_datagram_come_over_tcp(chain: Chain) -> None:
    assert chain.ask(AT_AP1, "+ignore", "big.edge.example", "TXT").count('TXT\t"') == 0
    assert "flags: qr tc" in chain.ask(AT_AP1, "+ignore", "big.edge.example", "TXT")
    assert chain.ask(AT_AP1, "big.edge.example", "TXT", client="kdig").count('IN\tTXT\t"') == 30
    assert "192.0.2.2" in chain.ask(AT_AP2, "+tcp", "s24.edge.example")


def test_names_that_do_not_exist_stay_so_with_their_soa(chain: Chain) -> None:
    answer = chain.ask(AT_AP1, "nobody.edge.example")
    assert "status: NXDOMAIN" in answer
    assert "SOA" in answer


def test_a_malformed_option_is_formerr_and_an_unknown_version_badvers(chain: Chain) -> None:
    assert "status: FORMERR" in chain.ask(AT_AP1, "s24.edge.example", "+ednsopt=8:000118006440")
    assert "status: BADVERS" in chain.ask(AT_AP1, "s24.edge.example", "+edns=1", "+noednsnegotiation")


def test_an_authority_that_is_silent_is_a_failure_and_not_silence(chain: Chain) -> None:
    chain.behind.silent = True
    assert "status: SERVFAIL" in chain.ask(AT_AP1, "s24.edge.example")


def test_a_resolver_that_is_down_is_a_failure_with_the_devices_option_mirrored() -> None:
    port, nobody = free_port(), free_port()
    with running(lambda ready: forwarding(port, nobody, ready)):
        chain = Chain(port, None)
        answer = chain.ask(AT_AP1, "s24.edge.example", "+subnet=10.9.8.0/24")
        assert "status: SERVFAIL" in answer
        assert "CLIENT-SUBNET: 10.9.8.0/24/0" in answer
        assert "status: SERVFAIL" in chain.ask(AT_AP1, "+noedns", "s24.edge.example")
