"""What a device does with sockets whose address it has lost, on loopback."""

import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from hosts_child import DEADLINE_S

from hosts.device.connection import Connection
from hosts.device.discovery import Known
from hosts.device.loop import Loop
from hosts.device.resolver import Resolver
from hosts.device.servers import Server
from hosts.device.session import Session
from meclab import settings
from meclab.model import SECOND

SERVER, OWN, OTHER = "127.88.7.1", ip_address("127.88.7.2"), ip_address("127.88.7.3")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((SERVER, 0)) as found:
        found.settimeout(DEADLINE_S)
        yield found


def turns(loop: Loop, count: int = 5) -> None:
    for _ in range(count):
        loop.turn(0.05)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_connection_of_a_lost_address_is_given_up_without_a_word_and_the_next_one_begins(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, session, noted = Loop(), Session(50_000_000, SECOND), list[tuple[str, ...]]()
    connection = Connection(loop, "ue1", session, lambda *row: noted.append(row[:3]), lambda _server: None)
    server = Server(ip_address(SERVER), listener.getsockname()[1], "mec1", True)
    connection.discovery = Known(connection, server)
    connection.begin(0)
    turns(loop)
    first, peer = listener.accept()
    first.settimeout(DEADLINE_S)
    assert first.recv(1000).startswith(b"GET /session/ue1?n=1")
    connection.lost(OTHER)
    assert session.attempts == []
    connection.lost(ip_address(peer[0]))
    turns(loop)
    assert [attempt.outcome for attempt in session.attempts] == ["renumbered"]
    second, _ = listener.accept()
    second.settimeout(DEADLINE_S)
    assert second.recv(1000).startswith(b"GET /session/ue1?n=1")
    first.setblocking(False)
    with pytest.raises(BlockingIOError):
        first.recv(1)
    connection.finish()
    first.close()
    second.close()


def test_a_question_of_a_lost_address_is_asked_again_from_another_at_once() -> None:
    loop = Loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.bind((SERVER, 0))
        asked.settimeout(DEADLINE_S)
        limits = settings.Stub.model_validate({"timeout": "60s", "tries": 2})
        found = Resolver(loop, limits, False, ip_address(SERVER), lambda *_: None, port=asked.getsockname()[1])
        found.resolve("app.edge.example.", lambda _resolution: None)
        before = {asked.recvfrom(2048) for _ in range(2)}
        found.lost(OTHER)
        found.lost(ip_address(next(iter(before))[1][0]))
        after = {asked.recvfrom(2048) for _ in range(2)}
        assert {query for query, _ in before} == {query for query, _ in after}
        assert not {sender for _, sender in before} & {sender for _, sender in after}
        found.close()
