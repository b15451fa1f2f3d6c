"""The servers' TLS with the lab's own authority: curl, Python's ssl and openssl are the clients."""

import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts_child import DEADLINE_S
from redirect_lab import Redirects, location, redirects


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Redirects]:
    with redirects(tmp_path, tls=True) as running:
        yield running


def trusting(lab: Redirects) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(lab.folder / "tls" / "ca.pem"))


def exchange(
    lab: Redirects, context: ssl.SSLContext, host: str, name: str, ticket: ssl.SSLSession | None = None
) -> tuple[bytes, bool, str | None, ssl.SSLSession | None]:
    """A request on a connection of its own: the answer, whether it was resumed, the protocol, a ticket for the next."""
    with (
        socket.create_connection((lab.address(host), lab.ports[1]), timeout=DEADLINE_S) as raw,
        context.wrap_socket(raw, server_hostname=name, session=ticket) as secured,
    ):
        secured.sendall(b"GET /session/ue1?n=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while data := secured.recv(4096):
            answer += data
        return answer, bool(secured.session_reused), secured.version(), secured.session


def test_curl_follows_a_redirect_over_tls(lab: Redirects) -> None:
    lab.tell("front", 1, ue1="mec2")
    answer = json.loads(lab.curl("-L", *lab.trusted(), lab.url("front", "/session/ue1?n=7", tls=True)))
    assert answer["host"] == "mec2"
    head = lab.curl("-i", *lab.trusted(), lab.url("front", "/session/ue1?n=7", tls=True))
    assert location(head) == lab.url("mec2", "/session/ue1?n=7", tls=True)


def test_a_post_over_tls_arrives_with_its_body(lab: Redirects) -> None:
    lab.tell("front", 1, ue1="mec2")
    post = ("-L", *lab.trusted(), "-d", "state=5", lab.url("front", "/session/ue1?n=1", tls=True))
    assert json.loads(lab.curl(*post))["received"] == 7


def test_a_location_by_name_is_one_that_the_certificate_carries(tmp_path: Path) -> None:
    with redirects(tmp_path, tls=True, location="name") as lab:
        lab.tell("front", 1, ue1="mec2")
        names = ("--resolve", f"mec2.edge.example:{lab.ports[1]}:{lab.address('mec2')}")
        url = lab.url("front", "/session/ue1?n=7", tls=True)
        assert json.loads(lab.curl("-L", *lab.trusted(), *names, url))["host"] == "mec2"


def test_without_the_labs_authority_curl_refuses(lab: Redirects) -> None:
    done = lab.curled(lab.url("front", "/session/ue1?n=1", tls=True))
    assert done.returncode == 60
    assert "certificate" in done.stderr


def test_a_certificate_carries_addresses_and_names_of_its_host_and_of_no_other(lab: Redirects) -> None:
    context = trusting(lab)
    node = lab.plan.node("mec1")
    for name in (str(node.ipv4), str(node.ipv6), "mec1.edge.example", "app.edge.example"):
        assert exchange(lab, context, "mec1", name)[0].startswith(b"HTTP/1.1 200")
    with pytest.raises(ssl.SSLCertVerificationError):
        exchange(lab, context, "mec1", "mec2.edge.example")


def test_a_ticket_resumes_at_its_own_host_and_not_at_another(lab: Redirects) -> None:
    context = trusting(lab)
    first, resumed, version, ticket = exchange(lab, context, "mec1", "app.edge.example")
    assert (first[:12], resumed, version) == (b"HTTP/1.1 200", False, "TLSv1.3")
    assert exchange(lab, context, "mec1", "app.edge.example", ticket)[1]
    answer, resumed, *_ = exchange(lab, context, "mec2", "app.edge.example", ticket)
    assert (answer[:12], resumed) == (b"HTTP/1.1 200", False)


def test_older_versions_of_tls_are_refused(lab: Redirects) -> None:
    context = trusting(lab)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        exchange(lab, context, "mec1", "mec1.edge.example")


def test_openssl_verifies_the_chain_and_is_given_tickets(lab: Redirects) -> None:
    at = f"{lab.address('mec1')}:{lab.ports[1]}"
    ca = str(lab.folder / "tls" / "ca.pem")
    command = ["openssl", "s_client", "-connect", at, "-CAfile", ca, "-verify_hostname", "mec1.edge.example"]
    request = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    done = subprocess.run(
        [*command, "-ign_eof"], input=request, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert "Verify return code: 0 (ok)" in done.stdout
    assert done.stdout.count("Post-Handshake New Session Ticket arrived") == 2


def test_the_servers_log_the_keys_of_their_connections(lab: Redirects) -> None:
    exchange(lab, trusting(lab), "mec1", "mec1.edge.example")
    lines = (lab.folder / "logs" / "mec1-tls-keys.log").read_text().splitlines()
    labels = {line.split()[0] for line in lines if not line.startswith("#")}
    assert {"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"} <= labels


def test_what_is_no_tls_ends_its_own_connection_alone(lab: Redirects) -> None:
    with socket.create_connection((lab.address("mec1"), lab.ports[1]), timeout=DEADLINE_S) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
        while raw.recv(4096):
            pass
    assert exchange(lab, trusting(lab), "mec1", "mec1.edge.example")[0].startswith(b"HTTP/1.1 200")


def test_keys_are_for_their_owner_alone(lab: Redirects) -> None:
    for host in ("front", "mec1", "mec2", "cloud"):
        assert (lab.folder / "tls" / f"{host}-key.pem").stat().st_mode & 0o777 == 0o600
