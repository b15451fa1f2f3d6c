"""The EASDF on loopback: asked by dig through real name servers, told by an HTTP client nobody here wrote."""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

import httpx
import pytest
from core5g_child import APP, EASDF, OTHER, Lab, content, easdf, forward
from hosts_child import DEADLINE_S
from naming_child import free_port

from hosts.core5g.contexts import RESOURCE

SILENT = "127.0.0.99"


@pytest.fixture
def lab() -> Iterator[Lab]:
    with easdf() as found:
        yield found


@pytest.fixture
def session_function() -> Iterator[tuple[str, Queue[dict[str, Any]]]]:
    """A notification URI, and what comes there."""
    heard: Queue[dict[str, Any]] = Queue()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            heard.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/callback/ue1", heard
    server.shutdown()
    server.server_close()


def hold(address: str = "10.1.1.10") -> dict[str, Any]:
    template = {"mdtId": "1", "easIpv4AddrRanges": [{"start": address, "end": address}]}
    return {
        "dnsRspMdtList": {"1": template},
        "actionList": {"1": {"applyAction": "REPORT"}, "2": {"applyAction": "BUFFER"}},
    }


def patch(lab: Lab, location: str, *items: dict[str, Any]) -> httpx.Response:
    headers = {"Content-Type": "application/json-patch+json"}
    return lab.client.patch(location, content=json.dumps(items), headers=headers)


def test_a_device_with_a_context_gets_the_answer_for_its_place_and_others_the_resolver_s(lab: Lab) -> None:
    assert lab.create().status_code == 201
    assert lab.address() == "10.1.1.10"
    assert lab.address("+tcp") == "10.1.1.10"
    assert lab.address(source=OTHER) == "203.0.113.10"
    assert lab.address(name="www.example.org") == "192.0.2.80"
    assert lab.address("AAAA") == "2001:db8:1:1::10"


def test_a_device_that_sent_no_option_sees_none(lab: Lab) -> None:
    lab.create()
    assert "OPT PSEUDOSECTION" not in lab.dig("+noedns")
    with_edns = lab.dig("+edns=0", "+nocookie")
    assert "EDNS: version: 0" in with_edns
    assert "CLIENT-SUBNET" not in with_edns
    assert "CLIENT-SUBNET: 192.0.2.0/24/24" in lab.dig("+subnet=192.0.2.0/24")
    assert "CLIENT-SUBNET: 0.0.0.0/0/0" in lab.dig("+subnet=0")


def test_a_device_that_keeps_its_address_to_itself_gets_the_answer_for_everybody(lab: Lab) -> None:
    lab.create()
    assert lab.address("+subnet=0") == "203.0.113.99"


def test_letters_come_back_as_they_were_asked(lab: Lab) -> None:
    lab.create()
    assert ";aPp.eDgE.ExAmPlE.\t\tIN\tA" in lab.dig(name="aPp.eDgE.ExAmPlE")
    assert lab.address(name="aPp.eDgE.ExAmPlE") == "10.1.1.10"


def test_an_answer_too_large_for_a_datagram_comes_whole_over_tcp(lab: Lab) -> None:
    lab.create(dnsRules={"many": forward(name="many.edge.example")})
    truncated = lab.dig("+noedns", "+ignore", name="many.edge.example")
    assert "flags: qr" in truncated
    assert " tc " in truncated
    whole = lab.dig("+noedns", name="many.edge.example")
    assert "Truncated, retrying in TCP mode" in whole
    assert "ANSWER: 200," in whole


def test_versions_of_edns_that_nobody_knows_are_refused(lab: Lab) -> None:
    assert "status: BADVERS" in lab.dig("+edns=1", "+noednsneg")


def test_both_families_are_served(lab: Lab) -> None:
    asked = ["dig", "@::1", "-p", str(lab.port), "+timeout=5", "+tries=1", "+short", "www.example.org"]
    assert (
        subprocess.run(asked, capture_output=True, text=True, timeout=DEADLINE_S, check=False).stdout == "192.0.2.80\n"
    )


def test_a_name_server_that_is_silent_is_a_server_failure(lab: Lab) -> None:
    lab.create(dnsRules={"application": forward(server=SILENT)})
    for transport in ("+notcp", "+tcp"):
        assert "status: SERVFAIL" in lab.dig(transport)


def test_a_context_lives_from_post_to_delete(lab: Lab) -> None:
    created = lab.create()
    assert created.json() == {"easdfIpv4Addr": EASDF}
    location = created.headers["Location"]
    assert location.startswith(f"{lab.client.base_url}{RESOURCE}/")
    assert lab.client.put(location, json=content(dnsRules={"1": forward("100.64.2.0")})).status_code == 204
    assert lab.address() == "10.1.2.10"
    change = {"op": "replace", "path": "/dnsRules/1", "value": forward("100.64.1.0")}
    assert patch(lab, location, change).status_code == 204
    assert lab.address() == "10.1.1.10"
    assert lab.client.delete(location).status_code == 204
    assert lab.address() == "203.0.113.10"
    assert lab.client.delete(location).status_code == 404


def test_a_second_context_of_a_device_is_forbidden_and_names_the_first(lab: Lab) -> None:
    first = lab.create().headers["Location"]
    refused = lab.create()
    assert (refused.status_code, refused.headers["Content-Type"]) == (403, "application/problem+json")
    problem = refused.json()
    assert (problem["status"], problem["cause"]) == (403, "UE_ADDRESS_IN_USE")
    assert first.endswith(problem["instance"])


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "status", "cause"),
    [
        ("POST", "", b"{", "application/json", 400, "INVALID_MSG_FORMAT"),
        ("POST", "", b"{}", "application/json", 400, "MANDATORY_IE_MISSING"),
        ("POST", "", b"[]", "application/json", 400, "MANDATORY_IE_INCORRECT"),
        (
            "POST",
            "",
            json.dumps(content(ueIpv4Addr="here")).encode(),
            "application/json",
            400,
            "MANDATORY_IE_INCORRECT",
        ),
        ("POST", "", b"{}", "text/plain", 415, "INVALID_MSG_FORMAT"),
        ("PATCH", "/none", b"[]", "application/json", 415, "INVALID_MSG_FORMAT"),
        ("PATCH", "/none", b"{}", "application/json-patch+json", 400, "MANDATORY_IE_INCORRECT"),
        ("PATCH", "/none", b"[]", "application/json-patch+json", 404, "CONTEXT_NOT_FOUND"),
        ("PUT", "/none", json.dumps(content()).encode(), "application/json", 404, "CONTEXT_NOT_FOUND"),
        ("DELETE", "/none", b"", "", 404, "CONTEXT_NOT_FOUND"),
        ("GET", "/none", b"", "", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/none/such", b"", "", 404, "RESOURCE_URI_STRUCTURE_NOT_FOUND"),
    ],
)
def test_bad_requests_are_refused_with_problem_details(
    lab: Lab, method: str, path: str, body: bytes, kind: str, status: int, cause: str
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    refused = lab.client.request(method, RESOURCE + path, content=body, headers=headers)
    assert refused.headers["Content-Type"] == "application/problem+json"
    problem = refused.json()
    assert (refused.status_code, problem["status"], problem["cause"]) == (status, status, cause)
    assert problem["detail"]


def test_an_answer_waits_for_the_session_function(
    lab: Lab, session_function: tuple[str, Queue[dict[str, Any]]]
) -> None:
    uri, heard = session_function
    location = lab.create(dnsRules={"a": forward(), "b": hold()}, notifyUri=uri).headers["Location"]
    found: list[str] = []
    asking = threading.Thread(target=lambda: found.append(lab.address()))
    asking.start()
    (report,) = heard.get(timeout=DEADLINE_S)["eventreportList"]
    assert report["dnsRspReport"]["fqdn"] == APP
    assert report["dnsRspReport"]["easIpv4Addresses"] == ["10.1.1.10"]
    assert report["dnsRspReport"]["ecsOption"]["ipAddr"] == {"ipv4Addr": "100.64.1.0"}
    message = report["dnsMsgId"]
    release = {"dnsMsgId": message, "actionList": {"1": {"applyAction": "FORWARD"}}}
    items = [{"op": "remove", "path": "/dnsRules/b"}, {"op": "add", "path": "/dnsRules/go", "value": release}]
    answered = patch(lab, location, *items)
    assert answered.status_code == 204
    asking.join(DEADLINE_S)
    assert found == ["10.1.1.10"]
    (kept,) = lab.client.get("/easdf-lab/v1/contexts").json()["contexts"]
    assert list(kept["dnsRules"]) == ["a"]
    assert lab.address() == "10.1.1.10"
    assert heard.empty()
    late = patch(lab, location, items[1])
    assert (late.status_code, late.json()["report"][0]["path"]) == (200, "/dnsRules/go")


def test_an_answer_that_nobody_releases_goes_in_time(
    lab: Lab, session_function: tuple[str, Queue[dict[str, Any]]]
) -> None:
    uri, heard = session_function
    lab.create(dnsRules={"a": forward(), "b": hold()}, notifyUri=uri)
    assert lab.address() == "10.1.1.10"
    assert heard.qsize() == 1
    assert lab.counters()["held"] == 0


def test_a_session_function_that_is_gone_keeps_no_answer(lab: Lab) -> None:
    lab.create(dnsRules={"a": forward(), "b": hold()}, notifyUri=f"http://127.0.0.1:{free_port()}/gone")
    assert lab.address() == "10.1.1.10"


def test_a_query_to_discard_is_not_answered(lab: Lab) -> None:
    lab.create(dnsRules={"a": {**forward(), "actionList": {"1": {"applyAction": "DISCARD"}}}})
    assert "timed out" in lab.dig("+timeout=1")
    assert lab.counters()["discarded"] == 1
    assert lab.address(name="www.example.org") == "192.0.2.80"


def test_garbage_kills_nothing(lab: Lab) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for length in range(40):
            sock.sendto(os.urandom(length), (EASDF, lab.port))
    assert lab.address(source=OTHER) == "203.0.113.10"
