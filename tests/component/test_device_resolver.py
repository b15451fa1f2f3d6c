"""The stub resolver's sockets against Unbound."""

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from hosts_child import DEADLINE_S

from hosts.device.loop import Loop
from hosts.device.resolver import Resolver
from hosts.device.stub import Resolution
from meclab import settings
from meclab.model import MILLISECOND

ADDRESS = "127.88.4.53"
MANY = 100
"""Addresses of `many.edge.example`: more than fit into 1232 bytes."""
ZONE = [
    "edge.example. 300 IN SOA ns.edge.example. admin.edge.example. 1 3600 600 86400 60",
    "app.edge.example. 10 IN A 10.1.1.10",
    "app.edge.example. 20 IN AAAA 2001:db8:1::10",
    "alias.edge.example. 5 IN CNAME app.edge.example.",
    *(f"many.edge.example. 10 IN A 10.2.0.{number}" for number in range(1, MANY + 1)),
]


@pytest.fixture(scope="module")
def unbound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Its port; it serves `ZONE` as an authority of its own (`auth-zone`), without asking anybody."""
    program = shutil.which("unbound", path="/usr/sbin:/usr/bin:/sbin")
    assert program, "unbound is not installed: apt-get install unbound"
    folder = tmp_path_factory.mktemp("unbound")
    (folder / "zone").write_text("\n".join(ZONE) + "\n")
    with socket.socket() as free:
        free.bind((ADDRESS, 0))
        port = free.getsockname()[1]
    (folder / "unbound.conf").write_text(f"""
server:
    interface: {ADDRESS}@{port}
    access-control: 127.0.0.0/8 allow
    username: ""
    chroot: ""
    pidfile: ""
    use-syslog: no
    do-daemonize: no
    do-not-query-localhost: no
    module-config: "iterator"
    minimal-responses: yes
auth-zone:
    name: "edge.example."
    zonefile: "{folder / "zone"}"
    for-upstream: yes
    for-downstream: no
remote-control:
    control-enable: no
""")
    process = subprocess.Popen([program, "-d", "-c", str(folder / "unbound.conf")], stderr=subprocess.PIPE, text=True)
    try:
        _await(port, process)
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE_S)


def _await(port: int, process: subprocess.Popen[str]) -> None:
    """Until its TCP port takes connections."""
    while process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection((ADDRESS, port), DEADLINE_S):
            return
    raise AssertionError(process.communicate()[1])


class Device:
    """A resolver on a loop of its own."""

    def __init__(self, port: int, tries: int = 2) -> None:
        self.loop = Loop()
        self.noted: list[tuple[str, str, str]] = []
        limits = settings.Stub(timeout=300 * MILLISECOND, tries=tries)
        self.resolver = Resolver(
            self.loop, limits, False, ip_address(ADDRESS), lambda *row: self.noted.append(row[:3]), port
        )

    def resolve(self, name: str) -> Resolution:
        found: list[Resolution] = []
        self.resolver.resolve(name, found.append)
        while not found:
            self.loop.turn(DEADLINE_S)
        return found[0]

    def addresses(self, name: str) -> list[str]:
        return [str(address) for answer in self.resolve(name).answers.values() for address in answer.addresses]

    def asked(self) -> list[str]:
        return [detail for what, _, detail in self.noted if what == "asked"]


def test_a_name_is_resolved_in_both_families_and_cached(unbound: int) -> None:
    device = Device(unbound)
    assert device.addresses("app.edge.example") == ["10.1.1.10", "2001:db8:1::10"]
    assert device.addresses("APP.edge.example.") == ["10.1.1.10", "2001:db8:1::10"]
    assert device.asked() == ["app.edge.example. ipv4 by UDP", "app.edge.example. ipv6 by UDP"]


def test_an_alias_is_followed(unbound: int) -> None:
    answers = Device(unbound).resolve("alias.edge.example").answers
    assert [(str(a.addresses[0]), a.ttl_s) for a in answers.values()] == [("10.1.1.10", 5), ("2001:db8:1::10", 5)]


def test_a_name_that_does_not_exist_is_asked_for_once(unbound: int) -> None:
    device = Device(unbound)
    assert [device.addresses("nobody.edge.example") for _ in range(2)] == [[], []]
    assert len(device.asked()) == 2


def test_an_answer_too_long_for_a_datagram_comes_by_tcp(unbound: int) -> None:
    device = Device(unbound)
    assert len(device.addresses("many.edge.example")) == MANY
    assert "many.edge.example. ipv4 by TCP" in device.asked()


def test_nobody_at_the_resolvers_port_is_known_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((ADDRESS, 0))
        port = free.getsockname()[1]
    device = Device(port)
    assert "Connection refused" in device.resolve("app.edge.example").trouble
    assert len(device.asked()) == 4


def test_a_silent_resolver_costs_every_try_its_timeout() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((ADDRESS, 0))
        device = Device(silent.getsockname()[1], tries=3)
        assert device.resolve("app.edge.example").trouble == f"no answer from {ADDRESS}"
        queries = [silent.recvfrom(2048) for _ in range(6)]
    assert len(device.asked()) == 6
    assert len({sender for _, sender in queries}) == 2
    assert len({payload[:2] for payload, _ in queries}) == 2


def test_answers_from_elsewhere_with_the_right_identifier_do_not_count() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger,
    ):
        silent.bind((ADDRESS, 0))
        device = Device(silent.getsockname()[1], tries=1)
        found: list[Resolution] = []
        device.resolver.resolve("app.edge.example", found.append)
        for _ in range(2):
            query, sender = silent.recvfrom(2048)
            forger.sendto(query[:2] + b"\x81\x80" + query[4:], sender)
        while not found:
            device.loop.turn(DEADLINE_S)
    assert found[0].trouble == f"no answer from {ADDRESS}"
