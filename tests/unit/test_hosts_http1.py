"""The client's side of HTTP/1.1 reads what an independent implementation writes, in any pieces."""

import h11
import pytest

from hosts.web import http1
from meclab.errors import PeerError


def written_by_h11(body: bytes, close: bool = False) -> bytes:
    server = h11.Connection(h11.SERVER)
    server.receive_data(http1.request("GET", "/session/ue1?n=1", "h"))
    while not isinstance(server.next_event(), h11.EndOfMessage):
        pass
    headers = [("Content-Length", str(len(body))), ("MEC-Host", "mec1")] + [("Connection", "close")] * close
    parts = (h11.Response(status_code=200, headers=headers), h11.Data(data=body), h11.EndOfMessage())
    return b"".join(server.send(part) or b"" for part in parts)


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_responses_are_read_in_any_pieces(piece: int) -> None:
    data = written_by_h11(b'{"a":1}') * 2
    reader = http1.ResponseReader()
    found = [response for i in range(0, len(data), piece) for response in reader.feed(data[i : i + piece])]
    assert [(r.status, r.headers["mec-host"], r.body, r.keeps_alive) for r in found] == [
        (200, "mec1", b'{"a":1}', True)
    ] * 2


def test_a_response_that_closes_says_so() -> None:
    (response,) = http1.ResponseReader().feed(written_by_h11(b"", close=True))
    assert not response.keeps_alive


def test_what_is_not_http_is_the_peers_error() -> None:
    with pytest.raises(PeerError):
        http1.ResponseReader().feed(b"SSH-2.0-OpenSSH\r\n")


def test_a_request_with_a_body_is_one_that_h11_accepts() -> None:
    server = h11.Connection(h11.SERVER)
    server.receive_data(http1.request("POST", "/v1/loads", http1.authority("2001:db8::1", 8090), b"{}"))
    request, data = server.next_event(), server.next_event()
    assert isinstance(request, h11.Request)
    assert dict(request.headers)[b"host"] == b"[2001:db8::1]:8090"
    assert isinstance(data, h11.Data)
    assert data.data == b"{}"


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_requests_of_an_independent_client_are_read_in_any_pieces(piece: int) -> None:
    client = h11.Connection(h11.CLIENT)
    head = h11.Request(method="POST", target="/notifications", headers=[("Host", "h"), ("Content-Length", "7")])
    data = b"".join(client.send(part) or b"" for part in (head, h11.Data(data=b'{"a":1}'), h11.EndOfMessage()))
    reader = http1.RequestReader()
    found = [request for i in range(0, 2 * len(data), piece) for request in reader.feed((data * 2)[i : i + piece])]
    assert [(r.method, r.target, r.body, r.keeps_alive) for r in found] == [
        ("POST", "/notifications", b'{"a":1}', True)
    ] * 2


@pytest.mark.parametrize("status", [204, 400, 404, 405])
def test_a_response_without_content_is_one_that_h11_accepts(status: int) -> None:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="POST", target="/", headers=[("Host", "h"), ("Content-Length", "0")]))
    client.send(h11.EndOfMessage())
    client.receive_data(http1.response(status))
    response, end = client.next_event(), client.next_event()
    assert isinstance(response, h11.Response)
    assert response.status_code == status
    assert isinstance(end, h11.EndOfMessage)


def test_a_request_that_is_not_http_is_the_peers_error() -> None:
    with pytest.raises(PeerError):
        http1.RequestReader().feed(b"\x16\x03\x01\x02\x00\x01")
