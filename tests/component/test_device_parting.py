"""A connection that the device leaves ends by a FIN, and nothing that the server still says is answered by a RST."""

import socket
from collections.abc import Iterator

import pytest
from hosts_child import DEADLINE_S

from hosts.device.loop import Loop
from hosts.device.parting import Parting

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def connections() -> Iterator[list[Pair]]:
    """(Device's end, server's end) of TCP connections."""
    made = []
    with socket.create_server(("127.88.6.1", 0)) as listener:
        for _ in range(5):
            device = socket.create_connection(listener.getsockname())
            device.setblocking(False)
            server, _ = listener.accept()
            server.settimeout(DEADLINE_S)
            made.append((device, server))
    yield made
    for pair in made:
        for end in pair:
            end.close()


def test_what_the_server_was_about_to_say_is_taken(connections: list[Pair]) -> None:
    device, server = connections[0]
    loop = Loop()
    Parting(loop).leave(device)
    assert server.recv(100) == b""
    for _ in range(3):
        server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        loop.turn(DEADLINE_S)
    server.shutdown(socket.SHUT_WR)
    loop.turn(DEADLINE_S)
    assert device.fileno() == -1
    assert server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_the_oldest_goes_when_there_is_one_too_many(connections: list[Pair]) -> None:
    parting = Parting(Loop())
    for device, _ in connections:
        parting.leave(device)
    assert [device.fileno() == -1 for device, _ in connections] == [True, False, False, False, False]
    parting.close()
    assert all(device.fileno() == -1 for device, _ in connections)


def test_a_connection_that_never_stood_is_closed() -> None:
    device = socket.socket()
    Parting(Loop()).leave(device)
    assert device.fileno() == -1
