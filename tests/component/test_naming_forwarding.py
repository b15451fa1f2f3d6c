"""The local resolver: its own names by the same rules, all others from an upstream, an Unbound or one that fails."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from hosts_child import DEADLINE_S
from naming_child import APP, Child, free_port, serving_names, unbound

UPSTREAM = """
  local-zone: "foreign.example." static
  local-data: "www.foreign.example. 60 IN A 198.51.100.7"
""" + "".join(f'  local-data: "many.foreign.example. 60 IN A 198.51.100.{n}"\n' for n in range(200))
WWW = "www.foreign.example."
MANY = "many.foreign.example."


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    folder = tmp_path_factory.mktemp("unbound")
    with unbound(folder, UPSTREAM) as upstream, serving_names(upstream) as child:
        yield child


@contextlib.contextmanager
def upstream(answer: Callable[[bytes], list[bytes]]) -> Iterator[int]:
    """The port of an upstream that answers each datagram with those that a function makes of it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    asked, client = server.recvfrom(4096)
                    if not asked:
                        return
                    for one in answer(asked):
                        server.sendto(one, client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.sendto(b"", server.getsockname())
            thread.join(DEADLINE_S)


def answer_of(asked: bytes, address: str = "198.51.100.9", flags: bytes = b"\x81\x80") -> bytes:
    """An answer to a query without EDNS."""
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(address)
    return asked[:2] + flags + b"\0\1\0\1\0\0\0\0" + asked[12:] + record


def test_local_names_are_answered_by_the_rules(local: Child) -> None:
    said = local.dig(APP, "+subnet=100.64.1.0/24")
    assert "flags: qr aa rd ra;" in said
    assert "10.1.1.10" in said


def test_other_names_come_from_upstream_as_they_are(local: Child) -> None:
    said = local.dig(WWW)
    assert "status: NOERROR" in said
    assert "60\tIN\tA\t198.51.100.7" in said
    assert "status: NXDOMAIN" in local.dig("nowhere.foreign.example.")


def test_other_names_are_forwarded_for_every_address_and_transport(local: Child) -> None:
    for server in ("127.0.0.2", "::1"):
        for transport in ("+tcp", "+notcp"):
            said = local.dig(WWW, transport, server=server)
            assert f"SERVER: {server}#{local.port}" in said
            assert "198.51.100.7" in said


def test_a_truncated_answer_is_passed_on_and_comes_whole_over_tcp(local: Child) -> None:
    assert "flags: qr aa tc rd ra;" in local.dig(MANY, "+bufsize=512", "+ignore")
    said = local.dig(MANY, "+bufsize=512")
    assert "Truncated, retrying in TCP mode" in said
    assert "ANSWER: 200," in said


def test_several_forwarded_queries_share_a_connection(local: Child) -> None:
    said = local.kdig("+tcp", "+keepopen", WWW, MANY, APP, WWW)
    assert said.count("status: NOERROR") == 4


def test_what_is_malformed_is_not_forwarded(local: Child) -> None:
    before = local.control.get("/v1/health").json()["answers"]["forwarded"]
    assert "status: FORMERR" in local.dig(WWW, "+ednsopt=8:00")
    assert local.control.get("/v1/health").json()["answers"]["forwarded"] == before


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_a_silent_upstream_is_a_server_failure(transport: str) -> None:
    with upstream(lambda _: []) as port, serving_names(port, try_s=0.1) as child:
        said = child.dig(WWW, transport)
        assert "status: SERVFAIL" in said
        assert "flags: qr rd ra;" in said
        assert child.address(APP, transport) == "203.0.113.10"
        assert child.control.get("/v1/health").json()["answers"]["servfail"] == 1


def test_an_upstream_that_is_down_is_a_server_failure() -> None:
    with serving_names(free_port()) as child:
        assert "status: SERVFAIL" in child.dig(WWW)


def test_the_second_try_may_succeed() -> None:
    asked: list[bytes] = []

    def second(query: bytes) -> list[bytes]:
        asked.append(query)
        return [answer_of(query)] if len(asked) > 1 else []

    with upstream(second) as port, serving_names(port, try_s=0.1) as child:
        assert child.address(WWW, "+noedns") == "198.51.100.9"
    assert asked[0][:2] != asked[1][:2]


def test_answers_to_other_questions_are_not_believed() -> None:
    def forged(query: bytes) -> list[bytes]:
        other_id = bytes((query[0] ^ 1, query[1])) + query[2:]
        other_name = query.replace(b"\3www", b"\3wwx")
        wrong = [answer_of(one, "10.6.6.6") for one in (other_id, other_name)]
        return [b"", b"x", query, answer_of(query, "10.6.6.6", b"\x01\0"), *wrong, answer_of(query)]

    with upstream(forged) as port, serving_names(port) as child:
        assert child.address(WWW, "+noedns") == "198.51.100.9"


def test_a_truncated_answer_without_tcp_upstream_is_a_server_failure_over_tcp() -> None:
    def truncated(query: bytes) -> list[bytes]:
        return [answer_of(query, flags=b"\x83\x80")]

    with upstream(truncated) as port, serving_names(port, try_s=0.2) as child:
        assert "status: SERVFAIL" in child.dig(WWW, "+noedns", "+tcp")
