"""The device's session over TLS against Python's own server: full and resumed handshakes, a certificate of another."""

import ssl
from pathlib import Path

import pytest
import trustme
from device_lab import FRONT, MEC1, Site, device, discoveries, plan, table

from meclab.plan import Plan


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    """The lab's, where a run's folder has it."""
    ca = trustme.CA()
    (tmp_path / "tls").mkdir()
    ca.cert_pem.write_to_path(str(tmp_path / "tls" / "ca.pem"))
    return ca


def served(ca: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*names).configure_cert(context)
    return context


def over_tls(lifetime: str) -> Plan:
    return plan("http-redirect", http={"tls": True}, session={"lifetime": lifetime})


def sites(front: ssl.SSLContext, first: ssl.SSLContext) -> tuple[Site, Site]:
    there, here = Site(FRONT, "front", 8443, front), Site(MEC1, "mec1", 8443, first)
    there.answer = lambda target: (307, {"Location": f"https://{MEC1}:8443{target}"})
    return there, here


def test_the_first_handshake_is_full_and_later_ones_are_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA
) -> None:
    front, first = sites(served(authority, "front.edge.example"), served(authority, "mec1.edge.example"))
    with front, first, device(tmp_path, over_tls("200ms"), monkeypatch):
        front.wait(3)
        first.wait(60)
    handshakes = [(server, how) for what, server, how in discoveries(tmp_path) if what == "connected"]
    for server in (f"{FRONT}:8443", f"{MEC1}:8443"):
        kinds = [how for to, how in handshakes if to == server]
        assert kinds[0] == "TLS full"
        assert set(kinds[1:]) == {"TLS resumed"}
    assert {row["outcome"] for row in table(tmp_path, "session")} <= {"ok", "status-307", "expired", "unfinished"}


def test_the_key_log_holds_the_secrets_of_the_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA
) -> None:
    front, first = sites(served(authority, "front.edge.example"), served(authority, "mec1.edge.example"))
    with front, first, device(tmp_path, over_tls("5s"), monkeypatch):
        first.wait()
    labels = {line.split()[0] for line in (tmp_path / "logs" / "ue1-tls-keys.log").read_text().splitlines()}
    assert {"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"} <= labels


@pytest.mark.parametrize("whose", ["another host", "another authority"])
def test_a_host_that_cannot_prove_its_name_gets_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, whose: str
) -> None:
    wrong = {
        "another host": served(authority, "mec2.edge.example"),
        "another authority": served(trustme.CA(), "mec1.edge.example"),
    }[whose]
    front, first = sites(served(authority, "front.edge.example"), wrong)
    with front, first, device(tmp_path, over_tls("5s"), monkeypatch):
        front.wait(3)
    assert first.asked.empty()
    assert "tls" in {row["outcome"] for row in table(tmp_path, "session")}


def test_a_server_that_speaks_no_tls_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA
) -> None:
    front = Site(FRONT, "front", 8443, served(authority, "front.edge.example"))
    front.answer = lambda target: (307, {"Location": f"https://{MEC1}:8443{target}"})
    with front, Site(MEC1, "mec1", 8443) as plain, device(tmp_path, over_tls("5s"), monkeypatch):
        front.wait(3)
        assert plain.asked.empty()
