"""Front and serving hosts of `http-redirect` on loopback addresses, for the component tests.

mec1, mec2 and the front have the addresses that a plan gives them, from pools inside 127.0.0.0/8; ue1 is 127.3.0.1.
"""

import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from hosts_child import DEADLINE_S, running
from naming_child import free_port

from hosts.app import App
from hosts.web import assignments_api, certificates, serving
from hosts.web.assignments import Assignments
from hosts.web.load import LoadReporter
from hosts.web.redirects import Front, Locations, Redirecting
from hosts.web.serving import Site
from hosts.web.sites import server_context
from meclab import planning, services, topology
from meclab.plan import Plan
from meclab.scenario import Scenario

DEVICE = "127.3.0.1"
HOSTS = ("front", "mec1", "mec2")


def plan(**http: object) -> Plan:
    """Two sites on loopback addresses."""
    content = {
        "scenario": "redirects",
        "methods": ["http-redirect"],
        "devices": [{"name": "ue1", "ap": "ap1"}, {"name": "ue2", "ap": "ap2"}],
        "http": http,
        "addresses": {
            "devices_ipv4": "127.3.0.0/24",
            "hosts_ipv4": "127.1.0.0/16",
            "services_ipv4": "127.2.0.0/16",
        },
    }
    scenario = Scenario.model_validate(content)
    graph = services.extend(topology.two_site(), scenario)
    return planning.make(scenario, graph, scenario.methods[0], "wire")


@dataclass(frozen=True)
class Redirects:
    """A running front with two hosts behind it."""

    plan: Plan
    ports: tuple[int, int]
    control: int
    folder: Path

    def address(self, host: str) -> str:
        return str(self.plan.node(host).ipv4)

    def url(self, host: str, path: str, tls: bool = False) -> str:
        return f"http{'s' if tls else ''}://{self.address(host)}:{self.ports[tls]}{path}"

    def tell(self, host: str, update: int, **serving: str) -> httpx.Response:
        body = {"update": update, "serving": serving}
        return httpx.post(f"http://{self.address(host)}:{self.control}/v1/serving", json=body)

    def curl(self, *arguments: str, source: str = DEVICE) -> str:
        """What unmodified curl says, run from a device's address."""
        return self.curled(*arguments, source=source).stdout

    def curled(self, *arguments: str, source: str = DEVICE) -> "subprocess.CompletedProcess[str]":
        command = ["curl", "-sS", "--max-time", "8", "--interface", source, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)

    def trusted(self) -> tuple[str, ...]:
        """curl's options for the lab's authority."""
        return ("--cacert", str(self.folder / "tls" / "ca.pem"))


def location(head: str) -> str:
    """Where an answer sends the client."""
    return re.findall(r"(?mi)^location: (.*)$", head)[0]


@contextmanager
def redirects(folder: Path, **http: object) -> Iterator[Redirects]:
    """Each host in a process of its own."""
    assert shutil.which("curl"), "the tests' client"
    lab = Redirects(plan(**http), (free_port(), free_port()), free_port(), folder)
    (folder / "logs").mkdir()
    if http.get("tls"):
        certificates.issue(lab.plan, folder)
    with ExitStack() as stack:
        for host in HOSTS:
            listeners = [serving.listen(port, [lab.address(host)]) for port in (*lab.ports, lab.control)]
            stack.enter_context(running(_program(lab, host, listeners)))
        yield lab


def _program(lab: Redirects, host: str, listeners: list[list[socket.socket]]) -> Callable[[Callable[[], None]], int]:
    plain, secured, control = listeners

    def program(ready: Callable[[], None]) -> int:
        assignments = Assignments(lab.plan)
        locations = Locations(lab.plan, lab.ports)
        application: Front | Redirecting = Front(host, assignments, locations)
        if host != "front":
            app = App(host, LoadReporter(host, "127.0.0.1", 1)).routes()
            application = Redirecting(app, host, assignments, locations)
        sites = [Site(application, plain), Site(assignments_api.application(host, assignments), control)]
        if lab.plan.http.tls:
            sites.append(Site(application, secured, server_context(lab.folder, host)))
        return serving.serve_all(sites, ready)

    return program
