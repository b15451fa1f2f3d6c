"""Unbound as the lab configures it, before an authoritative server nobody here wrote, asked by dig and kdig."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hosts_child import DEADLINE_S, running
from lone_authority import Authority, authority
from naming_child import free_port

from hosts import rdns
from hosts.naming.unbound import Resolver, Subnets

WHOLE = Subnets(32, 128, 1000)
SILENT_S = 20
"""Longest wait for an answer where the authority gives none."""


class Asked:
    """A resolver under test and the authority behind it."""

    def __init__(self, port: int, authority: Authority) -> None:
        self.port = port
        self.authority = authority

    def dig(self, *arguments: str, server: str = "127.0.0.1") -> str:
        command = ["dig", f"@{server}", "-p", str(self.port), "+tries=1", f"+time={SILENT_S}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=SILENT_S + 2, check=False).stdout

    def status(self, *arguments: str) -> str:
        return re.findall(r"status: ([A-Z]+)", self.dig(*arguments))[0]

    def address(self, *arguments: str) -> str:
        return self.dig("+short", *arguments).strip()


@contextmanager
def resolving(folder: Path, subnets: Subnets | None = WHOLE, ttl_s: int = 60, **settings: bool) -> Iterator[Asked]:
    port, upstream = free_port(), free_port()
    listen = (f"127.0.0.1@{port}", f"::1@{port}")
    resolver = Resolver("edge.example.", listen, f"127.0.0.1@{upstream}", subnets, **settings)
    program = running(lambda ready: rdns.run(resolver, folder, "rdns", ready))
    with program, authority("127.0.0.1", upstream, ttl_s) as behind:
        yield Asked(port, behind)


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    with resolving(tmp_path) as found:
        yield found


def test_two_subnets_get_two_answers_and_each_is_cached(asked: Asked) -> None:
    for _ in range(2):
        assert asked.address("s24.edge.example", "+subnet=100.64.1.0/24") == "192.0.2.1"
        assert asked.address("s24.edge.example", "+subnet=100.64.2.0/24") == "192.0.2.2"
    assert [subnet for *_, subnet in asked.authority.asked] == ["00011800644001", "00011800644002"]


def test_an_answer_holds_for_whoever_is_within_its_scope(asked: Asked) -> None:
    asked.dig("s16.edge.example", "+subnet=100.64.1.0/24")
    answer = asked.dig("s16.edge.example", "+subnet=100.64.9.9/32")
    assert "CLIENT-SUBNET: 100.64.9.9/32/16" in answer
    assert "192.0.2.1" in answer
    assert len(asked.authority.asked) == 1


def test_a_scope_longer_than_the_source_is_cached_at_the_source(asked: Asked) -> None:
    for _ in range(2):
        assert asked.address("s28.edge.example", "+subnet=100.64.1.0/24") == "192.0.2.1"
    assert len(asked.authority.asked) == 1
    assert asked.address("s28.edge.example", "+subnet=100.64.2.0/24") == "192.0.2.2"


def test_names_that_do_not_exist_are_cached_for_every_subnet(asked: Asked) -> None:
    for subnet in ("100.64.1.0/24", "100.64.2.0/24"):
        assert asked.status("nobody.edge.example", f"+subnet={subnet}") == "NXDOMAIN"
    assert len(asked.authority.asked) == 1


def test_a_client_without_the_option_is_named_to_the_authority_by_its_own_address(asked: Asked) -> None:
    answer = asked.dig("s32.edge.example", "-b", "127.0.7.9")
    assert "CLIENT-SUBNET" not in answer
    assert asked.authority.asked[-1][2] == "00012000" + "7f000709"
    asked.dig("s128.edge.example", server="::1")
    assert asked.authority.asked[-1][2] == "00028000" + "0" * 31 + "1"


def test_a_client_that_opts_out_is_named_to_nobody_and_spoils_no_ones_answer(asked: Asked) -> None:
    assert "CLIENT-SUBNET: 0.0.0.0/0/0" in asked.dig("s24.edge.example", "+subnet=0")
    assert asked.authority.asked[-1][2] in (None, "00010000")
    assert asked.address("s24.edge.example", "+subnet=100.64.2.0/24") == "192.0.2.2"
    assert asked.address("s24.edge.example", "-b", "127.0.3.1") == "192.0.2.3"


def test_prefixes_are_cut_to_what_the_scenario_says(tmp_path: Path) -> None:
    with resolving(tmp_path, Subnets(24, 56, 1000)) as asked:
        asked.dig("s24.edge.example", "-b", "127.0.7.9")
        asked.dig("s24.edge.example", "+subnet=100.64.1.77/32")
        assert [subnet for *_, subnet in asked.authority.asked] == ["000118007f0007", "00011800644001"]


def test_beyond_its_limit_of_subnets_the_one_unused_for_longest_goes(tmp_path: Path) -> None:
    with resolving(tmp_path, Subnets(32, 128, 3)) as asked:
        for number in (1, 2, 3, 1, 4):
            asked.dig("s24.edge.example", f"+subnet=100.64.{number}.0/24")
        asked.authority.asked.clear()
        asked.dig("s24.edge.example", "+subnet=100.64.1.0/24")
        assert not asked.authority.asked
        asked.dig("s24.edge.example", "+subnet=100.64.2.0/24")
        assert len(asked.authority.asked) == 1


def test_without_client_subnets_the_authority_is_told_none(tmp_path: Path) -> None:
    with resolving(tmp_path, None) as asked:
        assert asked.status("s24.edge.example", "+subnet=100.64.1.0/24") == "NOERROR"
        assert asked.authority.asked == [("s24.edge.example.", "A", None)]


def test_names_outside_the_zone_do_not_exist_and_those_above_it_do(asked: Asked) -> None:
    assert asked.status("www.example.com") == "NXDOMAIN"
    assert asked.status("example") == "NOERROR"
    assert asked.status("s24.edge.example") == "NOERROR"
    assert [name for name, *_ in asked.authority.asked] == ["s24.edge.example."]


def test_a_long_answer_is_fetched_and_given_over_tcp(asked: Asked) -> None:
    command = ["kdig", "@127.0.0.1", "-p", str(asked.port), "big.edge.example", "TXT", "+short"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=True).stdout
    assert sum(line.startswith('"') for line in answer.splitlines()) == 30
    assert "status: NOERROR" in asked.dig("+tcp", "big.edge.example", "TXT")


def test_a_silent_authority_is_a_failure_told_before_a_stub_gives_up(asked: Asked) -> None:
    asked.authority.silent = True
    answer = asked.dig("s24.edge.example", "+subnet=100.64.1.0/24")
    assert "status: SERVFAIL" in answer
    assert int(re.findall(r"Query time: (\d+) msec", answer)[0]) < 5_000
    asked.authority.silent = False
    assert asked.address("s24.edge.example", "+subnet=100.64.1.0/24") == "", "failures are cached"
    assert asked.address("s16.edge.example", "+subnet=100.64.1.0/24") == "192.0.2.1"


def test_what_is_cached_is_answered_while_the_authority_is_silent(asked: Asked) -> None:
    asked.dig("s24.edge.example", "+subnet=100.64.1.0/24")
    asked.authority.silent = True
    assert asked.address("s24.edge.example", "+subnet=100.64.1.0/24") == "192.0.2.1"


def test_stale_answers_are_given_where_the_scenario_wants_them(tmp_path: Path) -> None:
    with resolving(tmp_path, None, ttl_s=1, serve_stale=True) as asked:
        asked.dig("s24.edge.example")
        asked.authority.silent = True
        ttl, deadline = 0, time.monotonic() + DEADLINE_S
        while ttl <= 1:
            assert time.monotonic() < deadline, "no stale answer"
            name, ttl_text, *_, address = asked.dig("s24.edge.example", "+noall", "+answer").split()
            ttl = int(ttl_text)
            assert (name, address) == ("s24.edge.example.", "192.0.2.0")
        assert ttl == 30


def test_the_program_dies_with_unbound_and_takes_it_along(tmp_path: Path) -> None:
    port = free_port()
    resolver = Resolver("edge.example.", (f"127.0.0.1@{port}",), "127.0.0.1@1", WHOLE)
    with running(lambda ready: 0 if rdns.run(resolver, tmp_path, "rdns", ready) == -signal.SIGKILL else 1) as pid:
        (unbound,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(int(unbound), signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
