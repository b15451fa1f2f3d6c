"""Platforms, their manager and the device application proxy in processes of their own on loopback."""

import contextlib
import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

import httpx
from hosts_child import DEADLINE_S, running

from hosts import mep, mepm
from hosts.platform import mep_api, mepm_api, ualcmp_api
from hosts.platform.mep_core import Platform
from hosts.platform.mepm_core import Manager
from hosts.platform.ualcmp_core import Proxy
from hosts.web import serving
from hosts.web.client import Client
from meclab import planning, services, topology
from meclab.plan import Plan
from meclab.scenario import Scenario

LOOPBACK = ("127.0.0.1", "::1")


def plan(method: str, **content: Any) -> Plan:
    """Two sites; the one device is whoever asks from loopback."""
    device = {"name": "ue1", "ipv4": "127.0.0.1", "ipv6": "::1"}
    content = {"devices": [device], **content}
    scenario = Scenario.model_validate({"scenario": "test", "methods": [method], **content})
    graph = services.extend(topology.two_site(), scenario)
    return planning.make(scenario, graph, scenario.methods[0], "wire")


def free_port() -> int:
    """A TCP port that is free on every loopback address."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as probe:
        return int(probe.getsockname()[1])


class Taker(ThreadingHTTPServer):
    """Takes every POST: keeps the bodies, answers as it is told to, a status each; then 200."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, statuses: tuple[int, ...], answer: Callable[[], Any], address: str) -> None:
        self.taken: Queue[dict[str, Any]] = Queue()
        self.statuses = list(statuses)
        self.answer = answer
        super().__init__((address, port), _Take)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def next(self) -> dict[str, Any]:
        return self.taken.get(timeout=DEADLINE_S)


class _Take(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Taker

    def do_POST(self) -> None:
        self.server.taken.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._say(self.server.statuses.pop(0) if self.server.statuses else 200)

    def do_GET(self) -> None:
        self._say(200)

    def _say(self, status: int) -> None:
        data = json.dumps(self.server.answer()).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Nothing: the tests' output is for failures."""


@contextlib.contextmanager
def taker(
    port: int, statuses: tuple[int, ...] = (), answer: Callable[[], Any] = dict, address: str = "127.0.0.1"
) -> Iterator[Taker]:
    """A server that takes everything."""
    with Taker(port, statuses, answer, address) as server:
        yield server
        server.shutdown()


@contextlib.contextmanager
def platform(
    made: Plan,
    host: str,
    port: int,
    dns: int,
    controller: int,
    manager: int | None = None,
    end: signal.Signals = signal.SIGTERM,
) -> Iterator[httpx.Client]:
    """A host's platform, which tells a DNS server, a controller and, that it has started, a manager at these ports."""

    def program(ready: Callable[[], None]) -> int:
        to_controller = mep.controller_line("127.0.0.1", controller)
        server = mep.dns_server(made, host)
        to_dns = None if server is None else mep.dns_line(server, "127.0.0.1", dns)
        to_manager = None if manager is None else mep.manager_line("127.0.0.1", manager)
        started = Platform(made, host, to_dns, to_controller, to_manager)
        return serving.serve(mep_api.application(started), serving.listen(port, LOOPBACK), ready, mep.tasks(started))

    with running(program, end), _client(port) as http:
        yield http


@contextlib.contextmanager
def manager(made: Plan, port: int, platforms: dict[str, int]) -> Iterator[httpx.Client]:
    """The platform manager; `platforms` are their ports."""

    def program(ready: Callable[[], None]) -> int:
        lines = {host: mepm.platform_line(host, "127.0.0.1", at) for host, at in platforms.items()}
        tasks = [line.run for line in lines.values()]
        application = mepm_api.application(Manager(made, lines))
        return serving.serve(application, serving.listen(port, LOOPBACK), ready, tasks)

    with running(program), _client(port) as http:
        yield http


@contextlib.contextmanager
def proxy(made: Plan, port: int, orchestrator: int) -> Iterator[httpx.Client]:
    """The device application proxy."""

    def program(ready: Callable[[], None]) -> int:
        client = Client("127.0.0.1", orchestrator, 2.0)
        asking = Proxy(made, lambda: client.send("GET", "/v1/devices"))
        return serving.serve(ualcmp_api.application(asking), serving.listen(port, LOOPBACK), ready)

    with running(program), _client(port) as http:
        yield http


def _client(port: int) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_S)
