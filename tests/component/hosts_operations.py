"""The orchestrator on loopback with a recipient of its decisions, for the component tests."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

import httpx
from hosts_child import DEADLINE_S, running

from hosts.orchestration import api, messengers
from hosts.orchestration.core import Meo
from hosts.web import serving
from meclab import planning, topology
from meclab.scenario import Scenario
from meclab.steering import Steering


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET6, kind) as probe:
        probe.bind(("::", 0))
        return int(probe.getsockname()[1])


class Controller(ThreadingHTTPServer):
    """Confirms every transaction, or what else it is told, and keeps it."""

    def __init__(self, port: int) -> None:
        self.transactions: Queue[dict[str, Any]] = Queue()
        self.paths: Queue[str] = Queue()
        self.connections = 0
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Controller

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.paths.put(self.path)
        self.server.transactions.put(body)
        answer = json.dumps({"number": 1, "switches": [], "rules_added": 0, "rules_removed": 0}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Nothing: the tests' output is for failures."""


class Operations:
    """An orchestrator under test, its northbound client, the markers it sent and where its controller is to be."""

    def __init__(self, client: httpx.Client, markers: socket.socket, controller_port: int) -> None:
        self.client = client
        self.markers = markers
        self.controller_port = controller_port

    def controller(self) -> Controller:
        server = Controller(self.controller_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def attach(self, ap: str, sequence: int, device: str = "ue1") -> httpx.Response:
        body = {"device": device, "ap": ap, "at_ns": 1, "sequence": sequence}
        return self.client.post("/v1/attachments", json=body)

    def fates(self) -> list[str]:
        return [entry["fate"] for entry in self.client.get("/v1/decisions").json()["decisions"]]

    def await_told(self) -> None:
        """Returns when every decision so far has been confirmed by everybody."""
        deadline = time.monotonic() + DEADLINE_S
        while set(found := self.fates()) != {"told"}:
            assert time.monotonic() < deadline, f"not told in time: {found}"


@contextlib.contextmanager
def operating(method: str = "vip", **content: Any) -> Iterator[Operations]:
    """An orchestrator for 50 devices whose every recipient is at one port."""
    scenario = Scenario.model_validate({"scenario": "test", "methods": [method], "devices": [{"count": 50}], **content})
    run = planning.make(scenario, topology.two_site(), scenario.methods[0], "wire")
    port, controller_port = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM)
    receiver, sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def program(ready: Callable[[], None]) -> int:
        steering = Steering(run)
        steering.recipients = tuple(
            replace(known, address="127.0.0.1", port=controller_port) for known in steering.recipients
        )
        told = messengers.of(steering, lambda: 1)
        meo = Meo(steering, told, lambda decision: (sender.send(decision.host.encode()), None)[1])
        listeners = serving.listen(port, ("127.0.0.1", "::1"))
        return serving.serve(api.application(meo), listeners, ready, (*told.tasks, meo.watch))

    with running(program), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client, receiver, sender:
        receiver.settimeout(DEADLINE_S)
        yield Operations(client, receiver, controller_port)
