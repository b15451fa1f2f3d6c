"""The session function on loopback between a real EASDF, a controller that the test plays, and a device that it plays
too."""

import functools
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from core5g_child import DEVICE, Lab, easdf
from hosts_child import DEADLINE_S, running
from naming_child import free_port

from hosts import smf
from hosts.core5g.upstreams import Upstreams
from hosts.program import Context
from meclab import planning, scenario, topology
from meclab.messages import NoticeAck, RediscoveryNotice, Transaction
from meclab.plan import Plan

OPERATIONS = "127.1.0.10"
SMF = "127.1.20.10"
LONG_S = 30.0


class Controller:
    """A northbound interface that answers when the test lets it."""

    def __init__(self) -> None:
        self.told: list[Transaction] = []
        self.heard = threading.Semaphore(0)
        self.may_answer = threading.Event()
        self.may_answer.set()
        controller = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                controller.told.append(Transaction.model_validate_json(body))
                controller.heard.release()
                controller.may_answer.wait(DEADLINE_S)
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer((OPERATIONS, 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])


class Core:
    """What the tests talk to."""

    def __init__(self, lab: Lab, controller: Controller, device: socket.socket, nsmf: httpx.Client) -> None:
        self.lab = lab
        self.controller = controller
        self.device = device
        self.nsmf = nsmf

    def relocate(self, **fields: Any) -> httpx.Response:
        body = {"update": 1, "device": "ue1", "ap": "ap2", "host": "mec2", "previous": "mec1"} | fields
        return self.nsmf.post("/nsmf-lab/v1/relocations", json=body)

    def notice(self) -> tuple[RediscoveryNotice, Any]:
        """The next one that the device hears, and where it came from."""
        datagram, sender = self.device.recvfrom(2048)
        return RediscoveryNotice.model_validate_json(datagram), sender

    def session(self) -> dict[str, Any]:
        (found,) = self.nsmf.get("/nsmf-lab/v1/sessions").json()["sessions"]
        return dict(found)


def make_plan(variant: str) -> Plan:
    """A two-site lab whose services, operations and device are on loopback."""
    content = {
        "scenario": "try",
        "methods": [{"name": "easdf", "variant": variant}],
        "addresses": {"services_ipv4": "127.1.0.0/16", "operations_ipv4": OPERATIONS},
        "devices": [{"name": "ue1", "ipv4": DEVICE}],
    }
    file = scenario.Scenario.model_validate(content)
    return planning.make(file, topology.two_site(), file.methods[0], "wire")


@pytest.fixture(params=["dynamic"])
def core(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Core]:
    plan, controller, nsmf_port = make_plan(request.param), Controller(), free_port()
    device = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    device.bind((DEVICE, 0))
    device.settimeout(DEADLINE_S)
    with easdf(LONG_S) as lab:

        def program(ready: Callable[[], None]) -> int:
            smf.NEASDF_PORT, smf.NORTHBOUND_PORT, smf.NSMF_PORT = lab.api_port, controller.port, nsmf_port
            smf.DEVICE_CONTROL_PORT = device.getsockname()[1]
            smf.Upstreams = functools.partial(Upstreams, port=lab.port)  # type: ignore[misc,assignment]
            return smf.main(Context(plan, "smf", tmp_path, None, ready))

        with running(program), httpx.Client(base_url=f"http://{SMF}:{nsmf_port}") as nsmf:
            yield Core(lab, controller, device, nsmf)
    controller.server.shutdown()
    controller.server.server_close()
    device.close()


def breakouts(intents: Any) -> list[str]:
    return sorted(f"{one.device} {one.prefix} at {one.edge}" for one in intents)


MEC1 = ["ue1 10.1.1.10/32 at edge1", "ue1 2001:db8:1:1::10/128 at edge1"]


def test_the_answer_follows_the_breakout_and_later_ones_are_not_held_back(core: Core) -> None:
    core.controller.may_answer.clear()
    found: list[str] = []
    asking = threading.Thread(target=lambda: found.append(core.lab.address()))
    asking.start()
    assert core.controller.heard.acquire(timeout=DEADLINE_S)
    assert breakouts(core.controller.told[0].breakout) == MEC1
    assert core.lab.counters()["held"] == 1
    assert not found
    core.controller.may_answer.set()
    asking.join(DEADLINE_S)
    assert found == ["10.1.1.10"]
    assert core.lab.address() == "10.1.1.10"
    assert len(core.controller.told) == 1


def test_at_a_move_the_device_is_told_until_it_confirms_and_then_gets_the_new_answer(core: Core) -> None:
    assert core.lab.address() == "10.1.1.10"
    answered = core.relocate()
    assert (answered.status_code, answered.json()) == (202, {"outcome": "accepted"})
    notice, sender = core.notice()
    assert sender[0] == SMF
    assert breakouts(core.controller.told[1].remove_breakout) == MEC1
    assert (notice.impact, notice.names) == ("name", ("app.edge.example.",))
    again, _ = core.notice()
    assert again == notice
    core.device.sendto(NoticeAck(device="ue1", sequence=notice.sequence).model_dump_json().encode(), sender)
    assert core.lab.address() == "10.1.2.10"
    session = core.session()
    assert (session["ap"], session["host"]) == ("ap2", "mec2")
    assert session["breakouts"] == ["10.1.2.10/32 at edge2", "2001:db8:1:2::10/128 at edge2"]
    assert core.nsmf.get("/nsmf-lab/v1/health").json()["indications"] == {"confirmed": 1, "given_up": 0}
    assert core.relocate().json() == {"outcome": "outdated"}


@pytest.mark.parametrize("core", ["pre-established"], indirect=True)
def test_with_breakout_from_the_start_the_controller_hears_nothing(core: Core) -> None:
    assert core.lab.address() == "10.1.1.10"
    core.relocate()
    core.notice()
    assert core.lab.address() == "10.1.2.10"
    assert not core.controller.told


def test_the_easdf_that_has_lost_a_context_gets_it_again(core: Core) -> None:
    (known,) = core.lab.client.get("/easdf-lab/v1/contexts").json()["contexts"]
    core.lab.client.delete(f"/neasdf-dnscontext/v1/dns-contexts/{known['dnsContextId']}")
    core.relocate()
    core.notice()
    assert core.lab.address() == "10.1.2.10"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 422, "body: Invalid JSON"),
        (b"{}", 422, "update: Field required"),
        (json.dumps({"update": 1, "device": "ue9", "ap": "ap2", "host": "mec2"}).encode(), 404, "device ue9"),
        (json.dumps({"update": 1, "device": "ue1", "ap": "ap9", "host": "mec2"}).encode(), 404, "access point ap9"),
        (json.dumps({"update": 1, "device": "ue1", "ap": "ap2", "host": "cloud"}).encode(), 404, "MEC host cloud"),
    ],
)
def test_a_relocation_that_cannot_be_is_refused_with_the_reason(
    core: Core, body: bytes, status: int, words: str
) -> None:
    refused = core.nsmf.post("/nsmf-lab/v1/relocations", content=body)
    assert refused.status_code == status
    assert words in str(refused.json()["error"])


def test_a_notification_that_cannot_be_is_refused_with_problem_details(core: Core) -> None:
    path = "/nsmf-callback/v1/dns-contexts"
    report = {"eventreportList": [{"timestamp": "2026-01-01T00:00:00Z"}]}
    answers = [
        core.nsmf.post(f"{path}/ue1", json={"eventreportList": []}),
        core.nsmf.post(f"{path}/ue9", json=report),
        core.nsmf.post(f"{path}/ue1", json=report),
    ]
    assert [answer.status_code for answer in answers] == [400, 404, 204]
    assert [answer.json()["cause"] for answer in answers[:2]] == ["MANDATORY_IE_INCORRECT", "CONTEXT_NOT_FOUND"]
