"""Sessions over TLS: real handshakes, made in memory, in captures made by hand; tshark reads them."""

import contextlib
import ssl
import subprocess
from types import SimpleNamespace

import pytest
import trustme
from synthetic import ACK, FIN, MS, Connection, Run, a_plan, http_response

from experiments import pcapng
from experiments.measurement import application, tls

PORT = 8443
FRONT, MEC2 = "front", "mec2"


class Peer:
    """One end of TLS without a socket."""

    def __init__(self, context, **options):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, **options)

    def step(self, data=b""):
        """Takes bytes in, goes on with the handshake, gives bytes out."""
        self.incoming.write(data)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    def seal(self, plain):
        self.tls.write(plain)
        return self.outgoing.read()

    def unseal(self, data):
        self.incoming.write(data)
        try:
            return self.tls.read()
        except ssl.SSLWantReadError:
            return b""


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("app.edge.example").configure_cert(server)
    authority.configure_trust(client)
    keys = tmp_path_factory.mktemp("keys") / "keys.log"
    client.keylog_filename = str(keys)
    return SimpleNamespace(server=server, client=client, keys=keys)


class Secured:
    """A connection of the device over TLS, in a run's captures; a byte in flight for 1 ms."""

    def __init__(self, run, ms, host, port, contexts, session=None):
        node = run.plan.node(host)
        self.wire = Connection(run, ("10.45.0.1", port, "ue1-eth0"), (str(node.ipv4), PORT, f"{host}-eth0"))
        self.wire.open(ms)
        names = {"server_hostname": "app.edge.example", "session": session}
        self.client, self.server = Peer(contexts.client, **names), Peer(contexts.server, server_side=True)
        hello = self.client.step()
        self.wire.say(ms + 4, True, hello)
        flight = self.server.step(hello)
        self.wire.say(ms + 6, False, flight)
        finished = self.client.step(flight)
        self.wire.say(ms + 8, True, finished)
        self.tickets = self.server.step(finished)

    def ask(self, ms, number, response):
        request = self.client.seal(f"GET /session/ue1?n={number} HTTP/1.1\r\nHost: app\r\n\r\n".encode())
        self.wire.say(ms, True, request)
        self.server.unseal(request)
        answered, self.tickets = self.tickets + self.server.seal(response), b""
        self.wire.say(ms + 4, False, answered)
        self.client.unseal(answered)

    def close(self, ms):
        self.wire.say(ms, True, b"", FIN | ACK)


REDIRECT = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: https://10.1.2.10:8443/session/ue1?n=2\r\nMEC-Host: front\r\n"
REDIRECT += b"Content-Length: 0\r\n\r\n"


@pytest.fixture(scope="module")
def secured(contexts, tmp_path_factory):
    """A request served, one redirected to another host, where the session is resumed."""
    run = Run(a_plan("http-redirect", http={"tls": True}))
    for name in ("ue1", "mec1", "mec2", "front"):
        run.files[name].snap = 262_144
    first = Secured(run, 10, FRONT, 40000, contexts)
    first.ask(20, 1, http_response(FRONT, "ue1", 1))
    first.ask(30, 2, REDIRECT)
    first.close(36)
    second = Secured(run, 40, MEC2, 40001, contexts, first.client.tls.session)
    second.ask(50, 2, http_response(MEC2, "ue1", 2))
    folder = tmp_path_factory.mktemp("secured")
    traffic = run.traffic(folder)
    return SimpleNamespace(run=run, files=traffic.files, folder=folder, keys=contexts.keys.read_bytes())


def test_requests_are_read_as_if_they_were_in_clear(secured):
    found = application.read(secured.run.plan, secured.files, secured.keys)
    at = secured.run.at
    assert found.problems == []
    assert [(r.number, r.connection, r.status, r.host, r.sent_ns, r.done_ns) for r in found.requests] == [
        (1, 1, 200, "front", at(20), at(25)),
        (2, 1, 307, "front", at(30), None),
        (2, 2, 200, "mec2", at(50), at(55)),
    ]
    assert found.requests[1].location == "https://10.1.2.10:8443/session/ue1?n=2"
    assert [(d.host, d.at_ns) for d in found.requests[2].deliveries] == [("mec2", at(51))]


def test_redirects_count_with_the_size_that_they_have_in_clear(secured):
    asked, answered = application.read(secured.run.plan, secured.files, secured.keys).redirects
    request = b"GET /session/ue1?n=2 HTTP/1.1\r\nHost: app\r\n\r\n"
    assert (asked.at_ns, asked.sender, asked.size_bytes) == (secured.run.at(30), "ue1", len(request))
    assert (answered.at_ns, answered.sender, answered.size_bytes) == (secured.run.at(34), "front", len(REDIRECT))


def test_full_and_resumed_handshakes_are_told_apart(secured):
    found = application.read(secured.run.plan, secured.files, secured.keys).connections
    assert [(c.tls, c.handshake_ns, c.ending) for c in found] == [
        ("full", 8 * MS, "client"),
        ("resumed", 8 * MS, "open"),
    ]


def test_without_keys_connections_are_still_told_and_the_rest_is_a_problem(secured):
    found = application.read(secured.run.plan, secured.files, b"")
    assert (found.requests, [c.tls for c in found.connections]) == ([], ["full", "resumed"])
    assert found.problems == ["the sessions cannot be decrypted: nobody has left TLS keys"]


def test_a_capture_with_its_keys_is_read_by_tshark_and_keeps_what_it_lost(secured):
    path = secured.folder / "ue1.pcapng"
    secured.run.files["ue1"].write(path, dropped=3)
    assert pcapng.add_secrets(path, secured.keys)
    assert not pcapng.add_secrets(path, secured.keys)
    argv = ["tshark", "-r", str(path), "-d", f"tls.port=={PORT},http", "-Y", "http.request", "-T", "fields"]
    shown = subprocess.run([*argv, "-e", "http.request.uri"], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["/session/ue1?n=1", "/session/ue1?n=2", "/session/ue1?n=2"]
    before = secured.files["ue1"][0]
    after = pcapng.read(path)
    assert after.dropped == 3
    assert [after.frame(i) for i in range(len(after))] == [before.frame(i) for i in range(len(before))]


def test_a_request_for_another_try_is_no_servers_hello(contexts):
    contexts.server.minimum_version = ssl.TLSVersion.TLSv1_3
    client, server = Peer(contexts.client, server_hostname="app.edge.example"), Peer(contexts.server, server_side=True)
    flight = bytearray(server.step(client.step()))
    assert tls.server_hello(bytes(flight)) == "full"
    flight[11:43] = tls._RETRY
    assert tls.server_hello(bytes(flight)) == ""
    assert tls.server_hello(b"\x16\x03\x03") == tls.server_hello(b"") == ""
