"""What an Unbound with client subnets makes of the authoritative server's answers: its cache is keyed by scope."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from naming_child import APP, Child, rule, serving_names, unbound


class Resolver:
    """An Unbound in front of an authoritative server."""

    def __init__(self, port: int, authoritative: Child) -> None:
        self.authoritative = authoritative
        self._unbound = Child(port, authoritative.control)

    def ask(self, subnet: str, name: str = APP, qtype: str = "A") -> tuple[str, int]:
        """The last line of the answer, and how many queries that took to the authoritative server."""
        before = self.authoritative.asked()
        answer = self._unbound.dig(name, qtype, f"+subnet={subnet}", "+noall", "+answer").strip()
        return answer.rpartition("\t")[2], self.authoritative.asked() - before


@pytest.fixture
def resolver(tmp_path: Path) -> Iterator[Resolver]:
    with serving_names() as authoritative:
        settings = f"""
  module-config: "subnetcache iterator"
  send-client-subnet: 127.0.0.1
  client-subnet-always-forward: yes
  max-client-subnet-ipv4: 32
  max-client-subnet-ipv6: 128
  min-client-subnet-ipv4: 0
  qname-minimisation: no
  target-fetch-policy: "0 0 0 0 0"
stub-zone:
  name: "edge.example."
  stub-addr: 127.0.0.1@{authoritative.port}
"""
        with unbound(tmp_path, settings) as port:
            found = Resolver(port, authoritative)
            found.ask("0.0.0.0/0", "adns.edge.example.")
            yield found


def test_clients_of_different_prefixes_are_told_different_addresses(resolver: Resolver) -> None:
    assert resolver.ask("100.64.1.0/24")[0] == "10.1.1.10"
    assert resolver.ask("100.64.2.0/24")[0] == "10.1.2.10"
    assert resolver.ask("2001:db8:a:100::/56")[0] == "10.1.1.10"
    assert resolver.ask("198.51.100.0/24")[0] == "203.0.113.10"


def test_an_answer_serves_every_client_within_its_scope(resolver: Resolver) -> None:
    assert resolver.ask("100.64.1.0/25") == ("10.1.1.10", 1)
    assert resolver.ask("100.64.1.128/25") == ("10.1.1.10", 0)
    assert resolver.ask("100.64.2.128/25") == ("10.1.2.10", 1)


def test_an_answer_serves_nobody_for_whom_a_narrower_rule_holds(resolver: Resolver) -> None:
    ue7 = rule("ue7", "10.1.3.10", "100.64.1.7/32")
    resolver.authoritative.control.post("/v1/rules", json={"update": 1, "source": "mec1", "rules": [ue7]})
    assert resolver.ask("100.64.1.8/32")[0] == "10.1.1.10"
    assert resolver.ask("100.64.1.9/32")[0] == "10.1.1.10"
    assert resolver.ask("100.64.1.7/32")[0] == "10.1.3.10"
    assert resolver.ask("100.64.1.6/32")[0] == "10.1.1.10"


def test_a_scope_longer_than_the_source_is_cached_at_the_source(resolver: Resolver) -> None:
    ue7 = rule("ue7", "10.1.3.10", "100.64.1.7/32")
    resolver.authoritative.control.post("/v1/rules", json={"update": 1, "source": "mec1", "rules": [ue7]})
    assert resolver.ask("100.64.1.0/24") == ("10.1.1.10", 1)
    assert resolver.ask("100.64.1.0/24") == ("10.1.1.10", 0)


def test_names_that_hold_for_everybody_are_asked_for_once(resolver: Resolver) -> None:
    assert resolver.ask("100.64.1.0/24", "mec1.edge.example.") == ("10.1.1.10", 1)
    assert resolver.ask("100.64.2.0/24", "mec1.edge.example.") == ("10.1.1.10", 0)


def test_the_https_record_comes_through(resolver: Resolver) -> None:
    assert "ipv4hint=10.1.2.10" in resolver.ask("100.64.2.0/24", qtype="HTTPS")[0]
