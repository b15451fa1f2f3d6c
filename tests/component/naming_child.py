"""DNS servers in processes of their own on loopback, and the clients that ask them, for the component tests."""

import contextlib
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from dnslib import RR
from hosts_child import DEADLINE_S, running

from hosts.naming import control
from hosts.naming.answers import Answers
from hosts.naming.authority import Authority
from hosts.naming.forwarding import Forwarder
from hosts.naming.names import parse_name
from hosts.naming.server import Server
from hosts.naming.zones import HttpsService, Zone
from hosts.web import serving
from meclab.messages import DnsRule

APP = "app.edge.example."
ADDRESSES = ("127.0.0.1", "127.0.0.2", "::1")
ZONE = """
edge.example.       3600 SOA   adns.edge.example. hostmaster.edge.example. 7 3600 600 86400 30
edge.example.       3600 NS    adns.edge.example.
adns.edge.example.  3600 A     127.0.0.1
mec1.edge.example.  300  A     10.1.1.10
www.edge.example.   120  CNAME app.edge.example.
""" + "".join(f"many.edge.example. 60 A 10.7.0.{n}\n" for n in range(200))


def rule(identifier: str, address: str, *subnets: str, **more: object) -> dict[str, object]:
    """A `DnsRule` as JSON."""
    kind = "IP_V6" if ":" in address else "IP_V4"
    content = {"dnsRuleId": identifier, "domainName": APP, "ipAddressType": kind, "ipAddress": address}
    return {**content, "state": "ACTIVE", "clientSubnet": list(subnets) or None, **more}


RULES = (
    rule("cloud4", "203.0.113.10"),
    rule("cloud6", "2001:db8:c10d::10"),
    rule("site1-4", "10.1.1.10", "100.64.1.0/24", "2001:db8:a:100::/56"),
    rule("site1-6", "2001:db8:1:1::10", "100.64.1.0/24", "2001:db8:a:100::/56"),
    rule("site2-4", "10.1.2.10", "100.64.2.0/24", "2001:db8:a:200::/56"),
)


def free_port() -> int:
    """A port that is free for TCP and UDP on every loopback address."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as probe:
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Child:
    """A DNS server under test."""

    port: int
    control: httpx.Client

    def ask(self, *arguments: str, server: str = "127.0.0.1", client: str = "dig") -> str:
        """What a client says that nobody here wrote."""
        at = ["-p", str(self.port), f"@{server}"]
        patience = "+timeout=5" if client == "dig" else "+time=5"
        done = subprocess.run(
            [client, *at, patience, "+tries=1" if client == "dig" else "+retry=0", *arguments],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        return done.stdout + done.stderr

    def dig(self, *arguments: str, server: str = "127.0.0.1") -> str:
        return self.ask(*arguments, server=server)

    def kdig(self, *arguments: str) -> str:
        return self.ask(*arguments, client="kdig")

    def address(self, *arguments: str) -> str:
        """The last line of `dig +short`."""
        return self.dig("+short", *arguments).strip().splitlines()[-1]

    def asked(self) -> int:
        """How many queries it has answered itself."""
        answers = self.control.get("/v1/health").json()["answers"]
        return sum(answers[how] for how in ("image", "template", "dnslib"))


@contextlib.contextmanager
def serving_names(upstream: int | None = None, idle_s: float = 10.0, try_s: float = 2.0) -> Iterator[Child]:
    """A server with the zone above; one that forwards to a port of 127.0.0.1 where `upstream` is given."""
    port, control_port = free_port(), free_port()

    def program(ready: Callable[[], None]) -> int:
        https = HttpsService(8443, frozenset({parse_name(APP)}))
        zone = Zone(parse_name("edge.example"), RR.fromZone(ZONE), 10, https)
        authority = Authority([zone], [DnsRule.model_validate(one) for one in RULES])
        answers = Answers(authority, forwards=upstream is not None, recursion=upstream is not None)
        forwarder = None if upstream is None else Forwarder(answers, "127.0.0.1", upstream, try_s)
        server = Server(answers, ADDRESSES, port, forwarder, idle_s)
        interface = control.application("adns", authority, server.counters)
        return serving.serve(interface, serving.listen(control_port, ["127.0.0.1"]), ready, (server.run,))

    with running(program), httpx.Client(base_url=f"http://127.0.0.1:{control_port}") as client:
        yield Child(port, client)


@contextlib.contextmanager
def unbound(folder: Path, settings: str) -> Iterator[int]:
    """The port of an Unbound on 127.0.0.1, from when it answers on."""
    port = free_port()
    (folder / "unbound.conf").write_text(f"""
server:
  interface: 127.0.0.1@{port}
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: "{folder}/unbound.log"
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  do-ip6: no
{settings}
""")
    process = subprocess.Popen(["unbound", "-d", "-c", str(folder / "unbound.conf")])
    try:
        probe = ["dig", "-p", str(port), "@127.0.0.1", "+tries=20", "+timeout=1", "+short", "localhost"]
        done = subprocess.run(probe, capture_output=True, text=True, timeout=30, check=False)
        assert "127.0.0.1" in done.stdout, done.stdout + (folder / "unbound.log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
