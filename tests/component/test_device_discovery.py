"""The device agent finds its server by each method, on loopback against independent servers."""

import json
import socket
import urllib.request
from ipaddress import ip_address
from pathlib import Path
from queue import Queue

import pytest
from device_lab import (
    EASDF,
    FRONT,
    MEC1,
    MEC2,
    NAME,
    OPERATIONS,
    RDNS,
    Names,
    Site,
    device,
    discoveries,
    echoing,
    plan,
    table,
)
from hosts_child import DEADLINE_S, running

from hosts import modem
from hosts.device import resolvconf
from hosts.program import Context
from meclab.messages import Notice, NoticeAck, RediscoveryNotice, ResolverNotice
from meclab.packets import CALLBACK_PORT, DEVICE_CONTROL_PORT, UALCMP_PORT

LONG = f"{NAME} 60 IN A"


def tell(notice: Notice, times: int = 1) -> list[NoticeAck]:
    """Sends a notice; the acknowledgements."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as network:
        network.settimeout(DEADLINE_S)
        network.connect(("127.0.0.1", DEVICE_CONTROL_PORT))
        acks = []
        for _ in range(times):
            network.send(notice.model_dump_json().encode())
            acks.append(NoticeAck.model_validate_json(network.recv(2048)))
        return acks


def served_by(folder: Path, kind: str) -> list[str]:
    """The hosts that served, each once for a row of requests or probes."""
    hosts = [row["host"] for row in table(folder, kind) if row["host"]]
    return [host for previous, host in zip(["", *hosts], hosts, strict=False) if host != previous]


def test_a_client_follows_a_name_when_its_ttl_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(f"{NAME} 1 IN A {MEC1}")
    with (
        names,
        echoing(MEC1, MEC2),
        Site(MEC1, "mec1") as first,
        Site(MEC2, "mec2") as second,
        device(tmp_path, plan("ecs"), monkeypatch, names.port),
    ):
        first.wait()
        names.zone = f"{NAME} 1 IN A {MEC2}"
        second.wait()
    assert served_by(tmp_path, "session") == ["mec1", "mec2"]
    assert served_by(tmp_path, "probes") == ["mec1", "mec2"]
    noted = discoveries(tmp_path)
    assert ("asked", RDNS, f"{NAME} ipv6 by UDP") in noted
    assert ("answered", MEC2, f"{NAME} ipv4 ttl=1s fresh") in noted
    assert [server for what, server, _ in noted if what == "connected"] == [f"{MEC1}:8080", f"{MEC2}:8080"]


def test_a_client_that_waits_for_its_next_connection_stays_until_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = plan("ecs", session={"connect": "next-reconnect", "lifetime": "1500ms"})
    names = Names(f"{NAME} 1 IN A {MEC1}")
    with (
        names,
        Site(MEC1, "mec1") as first,
        Site(MEC2, "mec2") as second,
        device(tmp_path, run, monkeypatch, names.port),
    ):
        first.wait()
        names.zone = f"{NAME} 1 IN A {MEC2}"
        second.wait()
    outcomes = [row["outcome"] for row in table(tmp_path, "session") if row["connection"] == "1"]
    assert outcomes[-1] == "expired"
    assert set(outcomes[:-1]) == {"ok"}


def test_a_rediscovery_indication_moves_the_client_before_its_ttl_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notice = RediscoveryNotice(sequence=1, impact="name", names=(NAME,))
    names = Names(f"{LONG} {MEC1}", EASDF)
    with (
        names,
        Site(MEC1, "mec1") as first,
        Site(MEC2, "mec2") as second,
        device(tmp_path, plan("easdf"), monkeypatch, names.port),
    ):
        first.wait()
        names.zone = f"{LONG} {MEC2}"
        assert tell(notice, times=3) == [NoticeAck(device="ue1", sequence=1)] * 3
        second.wait()
    assert [what for what, _, _ in discoveries(tmp_path)].count("flushed") == 1


def test_a_handed_resolver_is_asked_when_the_client_flushes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notice = ResolverNotice(sequence=1, ipv4=ip_address(MEC2), ipv6=ip_address("2001:db8:1:1::10"))
    run = plan("edge-dns", stub={"flush_on_resolver_change": True})
    old = Names(f"{LONG} {MEC1}", MEC1)
    with (
        old,
        Site(MEC1, "mec1") as first,
        Site(MEC2, "mec2") as second,
        Names(f"{LONG} {MEC2}", MEC2, old.port),
        device(tmp_path, run, monkeypatch, old.port),
    ):
        first.wait()
        tell(notice)
        second.wait()
    assert ("asked", MEC2, f"{NAME} ipv4 by UDP") in discoveries(tmp_path)


def test_without_a_client_the_device_acknowledges_what_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("# none\n")
    monkeypatch.setattr(resolvconf, "own", lambda node: file)
    notice = ResolverNotice(sequence=1, ipv4=ip_address(MEC2), ipv6=ip_address("2001:db8:1:1::10"))
    with running(lambda ready: modem.main(Context(plan("edge-dns"), "ue1", tmp_path, None, ready))):
        assert file.read_text().startswith(f"nameserver {MEC1}\n")
        assert tell(notice) == [NoticeAck(device="ue1", sequence=1)]
    assert file.read_text().startswith(f"nameserver {MEC2}\nnameserver 2001:db8:1:1::10\n")


def test_garbage_to_the_control_port_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Site(MEC1, "mec1") as first, device(tmp_path, plan("sticky"), monkeypatch):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as network:
            for payload in (b"", b"\xff", b"{}", b"[" * 10_000):
                network.sendto(payload, ("127.0.0.1", DEVICE_CONTROL_PORT))
        assert tell(RediscoveryNotice(sequence=1, impact="all")) == [NoticeAck(device="ue1", sequence=1)]
        first.wait()
    assert "flushed" in {what for what, _, _ in discoveries(tmp_path)}


def test_a_silent_resolver_holds_readiness_up_for_two_seconds_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((RDNS, 0))
        with device(tmp_path, plan("ecs", stub={"timeout": "5s"}), monkeypatch, silent.getsockname()[1]):
            pass
    assert table(tmp_path, "probes") == []
    assert {what for what, _, _ in discoveries(tmp_path)} == {"asked"}


def test_a_redirect_is_followed_and_its_front_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    front, first, second = Site(FRONT, "front"), Site(MEC1, "mec1"), Site(MEC2, "mec2")
    front.answer = lambda target: (307, {"Location": f"http://{MEC1}:8080{target}"})
    with front, first, second, echoing(MEC1, MEC2), device(tmp_path, plan("http-redirect"), monkeypatch):
        first.wait()
        first.answer = lambda target: (307, {"Location": f"http://{MEC2}:8080{target}"})
        second.wait()
    rows = [(row["request"], row["connection"], row["host"], row["outcome"]) for row in table(tmp_path, "session")]
    assert rows[:2] == [("1", "1", "front", "status-307"), ("1", "2", "mec1", "ok")]
    assert front.asked.qsize() == 1
    assert served_by(tmp_path, "probes") == ["mec1", "mec2"]
    moved = next(row for row in rows if row[2:] == ("mec1", "status-307"))
    assert (moved[0], "3", "mec2", "ok") in rows


def test_a_circle_of_redirects_is_left_and_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    front, first, second = Site(FRONT, "front"), Site(MEC1, "mec1"), Site(MEC2, "mec2")
    front.answer = second.answer = lambda target: (307, {"Location": f"http://{MEC1}:8080{target}"})
    first.answer = lambda target: (307, {"Location": f"http://{MEC2}:8080{target}"})
    with front, first, second, device(tmp_path, plan("http-redirect"), monkeypatch):
        front.wait(3)
        first.answer = lambda target: (200, {})
        first.asked.queue.clear()
        first.wait()
    noted = discoveries(tmp_path)
    circles = [detail for what, _, detail in noted if what == "failed"]
    assert circles
    assert all("more than 5 redirects in a row" in detail for detail in circles)
    assert ("mec1", "ok") in {(row["host"], row["outcome"]) for row in table(tmp_path, "session")}


def test_a_host_that_does_not_listen_sends_the_client_back_to_the_front(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    front, second = Site(FRONT, "front"), Site(MEC2, "mec2")
    front.answer = lambda target: (307, {"Location": f"http://{MEC1}:8080{target}"})
    with front, second, device(tmp_path, plan("http-redirect"), monkeypatch):
        front.wait(3)
        front.answer = lambda target: (307, {"Location": f"http://{MEC2}:8080{target}"})
        second.wait()
    assert {"refused", "status-307", "ok"} <= {row["outcome"] for row in table(tmp_path, "session")}


def notify(server: str) -> int:
    notification = {
        "notificationType": "AddressChangeNotification",
        "contextId": "c1",
        "appInstanceId": "b",
        "referenceURI": f"http://{server}:8080/",
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{CALLBACK_PORT}/notifications", json.dumps(notification).encode(), method="POST"
    )
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as response:
        return int(response.status)


def created(method: str, body: bytes) -> bytes:
    """A context whose reference is the first host."""
    if method != "POST":
        return b""
    asked = json.loads(body)
    asked["appInfo"]["userAppInstanceInfo"] = [{"appInstanceId": "a", "referenceURI": f"http://{MEC1}:8080/"}]
    return json.dumps(asked | {"contextId": "c1"}).encode()


def test_a_notification_moves_the_client_and_the_end_deletes_its_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interface, first, second = Site(OPERATIONS, "ops", UALCMP_PORT), Site(MEC1, "mec1"), Site(MEC2, "mec2")
    interface.answer = lambda target: (201 if target == "/dev_app/v1/app_contexts" else 204, {})
    interface.content = created
    with interface, first, second:
        with device(tmp_path, plan("devapp"), monkeypatch):
            first.wait()
            assert [notify(MEC2), notify(MEC2)] == [204, 204]
            second.wait()
        asked = taken(interface.bodies)
    assert [(method, target) for method, target, _ in asked] == [
        ("POST", "/dev_app/v1/app_contexts"),
        ("DELETE", "/dev_app/v1/app_contexts/c1"),
    ]
    assert json.loads(asked[0][2])["callbackReference"] == f"http://127.91.0.1:{CALLBACK_PORT}/notifications"
    assert served_by(tmp_path, "session") == ["mec1", "mec2"]


def taken(queue: "Queue[tuple[str, str, bytes]]") -> list[tuple[str, str, bytes]]:
    return [queue.get_nowait() for _ in range(queue.qsize())]


def test_an_interface_that_comes_late_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with device(tmp_path, plan("devapp"), monkeypatch), Site(MEC1, "mec1") as first:
        interface = Site(OPERATIONS, "ops", UALCMP_PORT)
        interface.answer, interface.content = lambda target: (201, {}), created
        with interface:
            first.wait()
    assert ("failed", "", "no answer") in discoveries(tmp_path)
