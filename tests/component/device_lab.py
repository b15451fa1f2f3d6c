"""A device agent on loopback with servers that nobody here wrote: dnslib's DNS server, Python's HTTP and TLS."""

import contextlib
import csv
import functools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import dnslib
import pytest
from dnslib.server import BaseResolver, DNSLogger, DNSServer
from hosts_child import DEADLINE_S, running

from hosts import agent
from hosts.device.resolver import Resolver
from hosts.echo import Echo
from hosts.program import Context
from meclab import planning, topology
from meclab.plan import Plan
from meclab.scenario import Scenario

MEC1, MEC2 = "127.89.1.10", "127.89.2.10"
FRONT, RDNS, EASDF, OPERATIONS = "127.88.21.10", "127.88.17.10", "127.88.19.10", "127.90.0.10"
NAME = "app.edge.example."


def plan(method: str, **keys: dict[str, object]) -> Plan:
    """A plan whose hosts are on loopback; the MEC hosts at `MEC1` and `MEC2`."""
    addresses = {
        "services_ipv4": "127.88.0.0/16",
        "hosts_ipv4": "127.89.0.0/16",
        "operations_ipv4": OPERATIONS,
        "devices_ipv4": "127.91.0.0/16",
    }
    fast = {
        "probes": {"interval": "5ms"},
        "session": {"interval": "10ms", "timeout": "1s"} | keys.pop("session", {}),
        "stub": {"timeout": "500ms"} | keys.pop("stub", {}),
        "dns": {"ecs_source": "host"},
    }
    scenario = Scenario.model_validate({"scenario": "test", "methods": [method], "addresses": addresses} | fast | keys)
    return planning.make(scenario, topology.two_site(), scenario.methods[0], "wire")


@contextlib.contextmanager
def device(folder: Path, run: Plan, monkeypatch: pytest.MonkeyPatch, dns_port: int = 53) -> Iterator[None]:
    """An agent that runs for the time of the block; its logs are complete after it."""
    (folder / "logs").mkdir(exist_ok=True)
    monkeypatch.setattr(agent, "Resolver", functools.partial(Resolver, port=dns_port))
    with running(lambda ready: agent.main(Context(run, "ue1", folder, None, ready))):
        yield


def discoveries(folder: Path) -> list[tuple[str, str, str]]:
    """What the agent noted."""
    return [(row["what"], row["server"], row["detail"]) for row in table(folder, "discovery")]


def table(folder: Path, kind: str) -> list[dict[str, str]]:
    with (folder / "logs" / f"ue1-{kind}.csv").open() as file:
        return list(csv.DictReader(file))


@contextlib.contextmanager
def echoing(*addresses: str) -> Iterator[None]:
    """An echo server at each address, named `mec1`, `mec2`, …"""
    echoes = [Echo(f"mec{number}", (address,)) for number, address in enumerate(addresses, 1)]
    threads = [threading.Thread(target=echo.serve) for echo in echoes]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for echo, thread in zip(echoes, threads, strict=True):
            echo.stop()
            thread.join(DEADLINE_S)


Answer = tuple[int, dict[str, str]]


class Site:
    """An HTTP server that answers what `answer` says, and notes what it is asked."""

    def __init__(self, address: str, name: str, port: int = 8080, tls: ssl.SSLContext | None = None) -> None:
        self.asked: Queue[str] = Queue()
        self.answer: Callable[[str], Answer] = lambda target: (200, {})
        self.bodies: Queue[tuple[str, str, bytes]] = Queue()
        """Method, target and content of the requests with a content."""
        self.content: Callable[[str, bytes], bytes] = lambda method, body: b"{}"
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def respond(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                site.asked.put(self.path)
                status, headers = site.answer(self.path)
                content = site.content(self.command, body)
                self.send_response(status)
                for key, value in {"MEC-Host": name, "Content-Length": str(len(content)), **headers}.items():
                    self.send_header(key, value)
                if self.command != "GET":
                    site.bodies.put((self.command, self.path, body))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = respond

            def log_message(self, *_: Any) -> None:
                """Nothing on standard error."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """A connection that the device ends is no error."""

        self._server = Server((address, port), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=functools.partial(self._server.serve_forever, poll_interval=0.01))

    def __enter__(self) -> "Site":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(DEADLINE_S)
        self._server.server_close()

    def wait(self, requests: int = 5) -> None:
        """Until so many more requests have come."""
        for _ in range(requests):
            self.asked.get(timeout=DEADLINE_S)


class Names(BaseResolver):  # type: ignore[misc]
    """dnslib's DNS server on a zone that can be changed; UDP and TCP on one port."""

    def __init__(self, zone: str, address: str = RDNS, port: int = 0) -> None:
        self.zone = zone
        self.asked: Queue[str] = Queue()
        """Types of the questions."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as free:
            free.bind((address, port))
            self.port: int = free.getsockname()[1]
        quiet = DNSLogger("-request,-reply,-truncated,-error,-recv,-send,-data")
        common = {"address": address, "port": self.port, "logger": quiet}
        self._servers = [DNSServer(self, **common), DNSServer(self, tcp=True, **common)]

    def resolve(self, request: dnslib.DNSRecord, handler: Any) -> dnslib.DNSRecord:
        self.asked.put(f"{dnslib.QTYPE[request.q.qtype]} {handler.protocol}")
        reply = request.reply()
        found = [rr for rr in dnslib.RR.fromZone(self.zone) if rr.rname == request.q.qname]
        reply.add_answer(*(rr for rr in found if rr.rtype == request.q.qtype))
        return reply

    def __enter__(self) -> "Names":
        for server in self._servers:
            server.start_thread()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.server.shutdown()
            server.server.server_close()
