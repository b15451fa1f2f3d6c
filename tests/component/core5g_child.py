"""An EASDF in a process of its own on loopback, with the name servers behind it, for the component tests."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

import httpx
from dnslib import RR
from hosts_child import DEADLINE_S, running
from naming_child import free_port

from hosts.core5g import neasdf_api
from hosts.core5g.contexts import RESOURCE, Contexts
from hosts.core5g.frontage import Frontage
from hosts.core5g.holding import Holding
from hosts.core5g.neasdf import DnsContextCreatedData
from hosts.core5g.reporting import Reporting
from hosts.core5g.resolving import Resolving
from hosts.core5g.upstreams import Upstreams
from hosts.naming.answers import Answers
from hosts.naming.authority import Authority
from hosts.naming.names import parse_name
from hosts.naming.server import Server
from hosts.naming.zones import Zone
from hosts.web import serving
from meclab.messages import DnsRule

APP = "app.edge.example"
EASDF, ADNS, RDNS = "127.1.19.10", "127.1.18.10", "127.1.17.10"
DEVICE, OTHER = "127.0.0.45", "127.0.0.46"
ZONE = """
edge.example.      3600 SOA adns.edge.example. hostmaster.edge.example. 1 3600 600 86400 10
edge.example.      3600 NS  adns.edge.example.
""" + "".join(f"many.edge.example. 60 A 10.7.0.{n}\n" for n in range(200))
RESOLVED = """
.                  3600 SOA rdns. hostmaster. 1 3600 600 86400 10
.                  3600 NS  rdns.
www.example.org.   60   A   192.0.2.80
app.edge.example.  60   A   203.0.113.10
"""


def decision(identifier: str, address: str, *subnets: str) -> DnsRule:
    kind = "IP_V6" if ":" in address else "IP_V4"
    content = {"dnsRuleId": identifier, "domainName": APP, "ipAddressType": kind, "ipAddress": address}
    return DnsRule.model_validate({**content, "state": "ACTIVE", "clientSubnet": subnets or None})


DECISIONS = [
    decision("cloud", "203.0.113.99"),
    decision("site1", "10.1.1.10", "100.64.1.0/24"),
    decision("site2", "10.1.2.10", "100.64.2.0/24"),
    decision("site1-6", "2001:db8:1:1::10", "100.64.1.0/24"),
]


class Lab:
    """An EASDF with the name servers behind it."""

    def __init__(self, port: int, api_port: int, client: httpx.Client) -> None:
        self.port = port
        self.api_port = api_port
        self.client = client

    def dig(self, *arguments: str, source: str = DEVICE, name: str = APP) -> str:
        asked = ["dig", f"@{EASDF}", "-p", str(self.port), "-b", source, "+timeout=5", "+tries=1", name, *arguments]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        return done.stdout + done.stderr

    def address(self, *arguments: str, source: str = DEVICE, name: str = APP) -> str:
        return self.dig("+short", *arguments, source=source, name=name).strip()

    def create(self, **fields: Any) -> httpx.Response:
        return self.client.post(RESOURCE, json=content(**fields))

    def counters(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get("/easdf-lab/v1/health").json()
        return found


def answering(text: str, address: str, port: int, decisions: list[DnsRule]) -> Server:
    origin = text.split()[0]
    return Server(Answers(Authority([Zone(parse_name(origin), RR.fromZone(text), 10)], decisions)), [address], port)


@contextlib.contextmanager
def easdf(buffer_s: float = 0.3) -> Iterator[Lab]:
    """With `buffer_s` as the longest time that an answer is held back."""
    port, api_port = free_port(), free_port()

    def program(ready: Callable[[], None]) -> int:
        adns, rdns = answering(ZONE, ADNS, port, DECISIONS), answering(RESOLVED, RDNS, port, [])
        contexts, holding, reporting = Contexts(), Holding(buffer_s), Reporting(buffer_s)
        upstreams = Upstreams([ip_address(RDNS)], port, try_s=0.2, tries=2)
        resolving = Resolving(contexts, holding, upstreams.ask, reporting.notify)
        frontage = Frontage(resolving, [EASDF, "::1"], port)
        created = DnsContextCreatedData(easdfIpv4Addr=EASDF)
        interface = neasdf_api.application(contexts, holding, created, lambda: vars(resolving.counted).copy())
        listeners = serving.listen(api_port, ["127.0.0.1", EASDF])
        return serving.serve(interface, listeners, ready, (adns.run, rdns.run, frontage.run))

    with running(program), httpx.Client(base_url=f"http://127.0.0.1:{api_port}") as client:
        yield Lab(port, api_port, client)


def names(name: str = APP) -> list[dict[str, Any]]:
    condition = {"matchingOperator": "FULL_MATCH", "matchingString": name}
    return [{"stringMatchingRule": {"stringMatchingConditions": [condition]}}]


def forward(subnet: str = "100.64.1.0", server: str = ADNS, name: str = APP) -> dict[str, Any]:
    option = {"sourcePrefixLength": 24, "ipAddr": {"ipv4Addr": subnet}}
    parameters = {
        "ecsOptionInfo": {"ecsOption": option},
        "dnsServerAddressInfo": {"dnsServerAddressList": [{"ipv4Addr": server}]},
    }
    return {
        "dnsQueryMdtList": {"1": {"mdtId": "1", "fqdnPatternList": names(name)}},
        "actionList": {"1": {"applyAction": "FORWARD", "fwdParas": parameters}},
    }


def content(**fields: Any) -> dict[str, Any]:
    rules = {"application": forward()}
    return {"ueIpv4Addr": DEVICE, "dnn": "edge", "sNssai": {"sst": 1}, "dnsRules": rules, **fields}
