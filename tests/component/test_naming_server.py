"""The authoritative server on loopback, asked by dig, kdig and dnsperf, over UDP and TCP, while its rules change."""

import json
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from dnslib import EDNS0, DNSRecord, EDNSOption
from hosts_child import DEADLINE_S
from naming_child import ADDRESSES, APP, RULES, Child, rule, serving_names


@pytest.fixture(scope="module")
def server() -> Iterator[Child]:
    with serving_names() as child:
        yield child


@pytest.fixture
def changing() -> Iterator[Child]:
    """A server of the test's own, to change rules in."""
    with serving_names() as child:
        yield child


def query(name: str = APP, qtype: str = "A", subnet: bytes | None = None) -> bytes:
    message = DNSRecord.question(name, qtype)
    if subnet is not None:
        message.add_ar(EDNS0(udp_len=1232, opts=[EDNSOption(8, b"\0\1\x18\0" + subnet)]))
    return bytes(message.pack())


SITE1 = bytes((100, 64, 1))


@pytest.mark.parametrize(
    ("subnet", "address", "shown"),
    [
        ("100.64.1.0/24", "10.1.1.10", "100.64.1.0/24/24"),
        ("100.64.1.77/32", "10.1.1.10", "100.64.1.77/32/24"),
        ("2001:db8:a:2ab::/64", "10.1.2.10", "2001:db8:a:2ab::/64/56"),
        ("0.0.0.0/0", "203.0.113.10", "0.0.0.0/0/0"),
        ("0", "203.0.113.10", "0.0.0.0/0/0"),
    ],
)
def test_dig_with_a_client_subnet(server: Child, subnet: str, address: str, shown: str) -> None:
    said = server.dig(APP, f"+subnet={subnet}")
    assert "status: NOERROR" in said
    assert f"CLIENT-SUBNET: {shown}" in said
    assert f"A\t{address}" in said


def test_kdig_with_a_client_subnet(server: Child) -> None:
    said = server.kdig(APP, "+subnet=100.64.2.0/24")
    assert "status: NOERROR" in said
    assert "CLIENT-SUBNET: 100.64.2.0/24/24" in said
    assert "10.1.2.10" in said


def test_each_address_answers_for_itself(server: Child) -> None:
    for address in ADDRESSES:
        for transport in ("+notcp", "+tcp"):
            said = server.dig(APP, transport, server=address)
            assert f"SERVER: {address}#{server.port}" in said
            assert "203.0.113.10" in said


@pytest.mark.parametrize("qtype", ["HTTPS", "TYPE65"])
def test_dig_reads_the_https_record(server: Child, qtype: str) -> None:
    said = server.dig(APP, qtype, "+subnet=100.64.1.0/24")
    assert '1 . alpn="http/1.1" port=8443 ipv4hint=10.1.1.10 ipv6hint=2001:db8:1:1::10' in said


def test_kdig_reads_the_https_record(server: Child) -> None:
    said = server.kdig(APP, "HTTPS", "+subnet=100.64.1.0/24")
    assert "port=8443 ipv4hint=10.1.1.10 ipv6hint=2001:db8:1:1::10" in said


def test_dig_comes_back_over_tcp_after_a_truncated_answer(server: Child) -> None:
    said = server.dig("many.edge.example.", "+bufsize=512")
    assert "Truncated, retrying in TCP mode" in said
    assert "ANSWER: 200," in said
    truncated = server.dig("many.edge.example.", "+bufsize=512", "+ignore")
    assert "flags: qr aa tc rd;" in truncated
    assert "ANSWER: 0," in truncated


def test_kdig_keeps_one_connection_for_several_queries(server: Child) -> None:
    before = server.control.get("/v1/health").json()["answers"]["connections"]
    said = server.kdig("+tcp", "+keepopen", APP, "many.edge.example.", "mec1.edge.example.")
    assert said.count("status: NOERROR") == 3
    assert server.control.get("/v1/health").json()["answers"]["connections"] == before + 1


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["nowhere.edge.example."], "status: NXDOMAIN"),
        (["nowhere.edge.example."], "edge.example.\t\t30\tIN\tSOA"),
        ([APP, "MX"], "status: NOERROR"),
        ([APP, "MX"], "ANSWER: 0, AUTHORITY: 1"),
        (["www.foreign.example."], "status: REFUSED"),
        (["-c", "CH", "-t", "TXT", "version.bind."], "status: REFUSED"),
        ([APP, "+opcode=notify"], "status: NOTIMP"),
        (["+header-only", APP], "status: FORMERR"),
        ([APP, "+edns=1", "+noednsneg"], "status: BADVERS"),
        ([APP, "+ednsopt=8:00011900640001"], "status: FORMERR"),
        ([APP, "+ednsopt=8:0001180064400180"], "status: FORMERR"),
        ([APP, "+ednsopt=65001:cafe", "+nsid", "+padding=128", "+expire"], "status: NOERROR"),
        ([APP, "+noedns"], "ADDITIONAL: 0"),
        ([APP, "+dnssec"], "flags: do; udp: 1232"),
        ([APP, "ANY"], 'HINFO\t"RFC8482" ""'),
        (["www.edge.example.", "+subnet=100.64.1.0/24"], "CNAME\tapp.edge.example."),
        (["www.edge.example.", "+subnet=100.64.1.0/24"], "10.1.1.10"),
        (["ApP.eDgE.exAMple."], ";ApP.eDgE.exAMple."),
    ],
)
def test_dig_is_told(server: Child, arguments: list[str], shown: str) -> None:
    assert shown in server.dig(*arguments)


def test_what_deserves_no_answer_gets_none(server: Child) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(DEADLINE_S)
        client.connect(("127.0.0.1", server.port))
        asked = query()
        response = bytearray(asked)
        response[2] |= 0x80
        for packet in (b"", b"x", asked[:11], bytes(response), asked):
            client.send(packet)
        assert client.recv(2048)[:2] == asked[:2]
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(2048)


def test_a_datagram_of_any_size_is_survived(server: Child) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(DEADLINE_S)
        client.connect(("127.0.0.1", server.port))
        for size in (4_000, 4_096, 4_097, 65_000):
            client.send(query().ljust(size, b"\0"))
            assert client.recv(2048)[3] & 15 == 1


def messages(connection: socket.socket, count: int) -> list[bytes]:
    """Messages from a TCP connection; fewer where it ends before."""
    received, found = bytearray(), []
    while len(found) < count:
        while len(received) < 2 or len(received) < 2 + int.from_bytes(received[:2], "big"):
            data = connection.recv(65_536)
            if not data:
                return found
            received += data
        length = int.from_bytes(received[:2], "big")
        found.append(bytes(received[2 : 2 + length]))
        del received[: 2 + length]
    return found


def framed(message: bytes) -> bytes:
    return struct.pack("!H", len(message)) + message


def test_queries_sent_ahead_on_one_connection_are_all_answered(server: Child) -> None:
    asked = [query(subnet=SITE1) for _ in range(300)]
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as connection:
        connection.sendall(b"".join(framed(one) for one in asked))
        answers = messages(connection, len(asked))
    assert [answer[:2] for answer in answers] == [one[:2] for one in asked]
    assert {str(DNSRecord.parse(answer).rr[0].rdata) for answer in answers} == {"10.1.1.10"}


def test_a_client_that_has_sent_its_last_still_gets_every_answer(server: Child) -> None:
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as connection:
        connection.sendall(framed(query()) * 100)
        connection.shutdown(socket.SHUT_WR)
        assert len(messages(connection, 101)) == 100


def test_a_client_that_does_not_take_its_answers_keeps_nobody_waiting_and_loses_none(server: Child) -> None:
    count = 20_000
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as connection:
        asked = framed(query("many.edge.example.")) * count
        sender = threading.Thread(target=connection.sendall, args=[asked], daemon=True)
        sender.start()
        for transport in ("+notcp", "+tcp"):
            assert "203.0.113.10" in server.dig(APP, transport)
        assert len(messages(connection, count)) == count
        sender.join(DEADLINE_S)


def test_a_client_that_never_takes_its_answers_is_cut_off() -> None:
    with serving_names(idle_s=0.2) as child, socket.create_connection(("127.0.0.1", child.port)) as connection:
        connection.settimeout(DEADLINE_S)
        with pytest.raises(OSError, match=r"reset|pipe"):
            while True:
                connection.sendall(framed(query("many.edge.example.")))


def test_a_query_may_come_octet_by_octet(server: Child) -> None:
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in framed(query()):
            connection.send(bytes((octet,)))
        assert messages(connection, 1)[0][7] == 1


def test_a_connection_that_carries_no_dns_is_closed(server: Child) -> None:
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as connection:
        connection.sendall(framed(b"GET /"))
        assert connection.recv(100) == b""


@pytest.mark.parametrize(
    "sent",
    [b"", b"\0", b"\0\x30half a query", framed(query())],
    ids=["nothing", "half a length", "half a query", "a query"],
)
def test_a_connection_that_is_idle_is_closed(sent: bytes) -> None:
    with serving_names(idle_s=0.2) as child, socket.create_connection(("127.0.0.1", child.port)) as connection:
        connection.settimeout(DEADLINE_S)
        connection.sendall(sent)
        assert len(messages(connection, 2)) == (1 if len(sent) > 20 else 0)


def test_connections_without_end_do_not_keep_others_out(server: Child) -> None:
    held = [socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) for _ in range(300)]
    try:
        assert "203.0.113.10" in server.dig(APP, "+tcp")
        assert held[0].recv(1) == b""
    finally:
        for connection in held:
            connection.close()


def test_dnsperf_loses_nothing_over_a_thousand_client_subnets(changing: Child, tmp_path: Path) -> None:
    queries = [query(subnet=bytes((100, 64 + number // 256, number % 256))) for number in range(1_000)]
    (tmp_path / "queries").write_bytes(b"".join(framed(one) for one in queries))
    command = ["dnsperf", "-B", "-d", str(tmp_path / "queries"), "-s", "127.0.0.1", "-p", str(changing.port), "-n", "5"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "Queries completed:    5000 (100.00%)" in said
    assert "NOERROR 5000 (100.00%)" in said
    answers = changing.control.get("/v1/health").json()["answers"]
    assert (answers["image"], answers["unsent"]) == (4_000, 0)


def post(child: Child, update: int, *rules: dict[str, object]) -> dict[str, object]:
    answer = child.control.post("/v1/rules", json={"update": update, "source": "mec1", "rules": rules})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_a_posted_rule_is_in_force_when_the_answer_comes(changing: Child) -> None:
    moved = rule("site1-4", "10.1.2.10", "100.64.1.0/24")
    assert changing.address(APP, "+subnet=100.64.1.0/24") == "10.1.1.10"
    assert post(changing, 1, moved) == {"update": 1, "rules": len(RULES)}
    for transport in ("+notcp", "+tcp"):
        assert changing.address(APP, transport, "+subnet=100.64.1.0/24") == "10.1.2.10"
    assert "ipv4hint=10.1.2.10" in changing.dig(APP, "HTTPS", "+subnet=100.64.1.0/24")


def test_a_repeated_or_older_update_is_answered_and_changes_nothing(changing: Child) -> None:
    post(changing, 5, rule("site1-4", "10.1.2.10", "100.64.1.0/24"))
    for update in (5, 4):
        assert post(changing, update, rule("site1-4", "10.9.9.9", "100.64.1.0/24"))["rules"] == len(RULES)
    assert changing.address(APP, "+subnet=100.64.1.0/24") == "10.1.2.10"


def test_rules_are_listed_with_the_update_that_brought_them(changing: Child) -> None:
    new = rule("ue9", "10.1.1.10", "100.64.9.9/32", ttl=4)
    post(changing, 7, new)
    listed = changing.control.get("/v1/rules").json()
    assert listed["update"] == 7
    assert [one["dnsRuleId"] for one in listed["rules"]] == sorted([*(str(one["dnsRuleId"]) for one in RULES), "ue9"])
    assert listed["rules"][-1] == {**new, "update": 7}


def test_health_tells_zones_rules_and_answers(server: Child) -> None:
    health = server.control.get("/v1/health").json()
    assert (health["status"], health["host"], health["zones"]) == ("ok", "adns", ["edge.example."])
    assert health["rules"] == len(RULES)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("{", "JSON"),
        ("[]", "body"),
        ({"update": 1, "source": "mec1"}, "rules: Field required"),
        ({"update": 1, "source": "mec1", "rules": [], "more": 1}, "more"),
        ({"update": 1, "source": "mec1", "rules": [rule("x", "10.0.0.1", ipAddressType="IP_V6")]}, "no IP_V6"),
        ({"update": 1, "source": "mec1", "rules": [rule("x", "10.0.0.1", domainName="a.test")]}, "outside the zones"),
        ({"update": 1, "source": "mec1", "rules": [rule("x", "10.0.0.1", "100.64.1.1/24")]}, "clientSubnet"),
        ({"update": 1, "source": "mec1", "rules": [rule("x", "10.0.0.1", ttl=-1)]}, "ttl"),
    ],
)
def test_a_bad_body_is_refused_with_the_reason_and_changes_nothing(server: Child, body: object, complaint: str) -> None:
    answer = server.control.post("/v1/rules", content=body if isinstance(body, str) else json.dumps(body))
    assert answer.status_code == 422
    assert complaint in " ".join(answer.json()["error"])
    assert server.control.get("/v1/health").json()["rules"] == len(RULES)


class Asking(threading.Thread):
    """Asks for one client over and over, and counts the sets of addresses that it is told."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.told: dict[tuple[str, ...], int] = {}
        self.ended = threading.Event()
        self._port = port

    def run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(DEADLINE_S)
            client.connect(("127.0.0.1", self._port))
            while not self.ended.is_set():
                for qtype in ("A", "HTTPS"):
                    client.send(query(APP, qtype, SITE1))
                    record = DNSRecord.parse(client.recv(2048)).rr
                    told = tuple(address_in(one) for one in record)
                    self.told[told] = self.told.get(told, 0) + 1


def address_in(record: object) -> str:
    """The IPv4 address of an A record, or the hint of an HTTPS record."""
    rdata = record.rdata  # type: ignore[attr-defined]
    return socket.inet_ntoa(bytes(dict(rdata.params)[4])) if hasattr(rdata, "params") else str(rdata)


def test_a_query_under_way_sees_the_old_rules_or_the_new_and_nothing_else(changing: Child) -> None:
    hosts = ("10.1.1.10", "10.1.2.10")

    def serve_by(number: int, update: int) -> None:
        states = ("ACTIVE", "INACTIVE") if number == 0 else ("INACTIVE", "ACTIVE")
        both = zip(hosts, states, strict=True)
        post(changing, update, *(rule(f"ue1-{host}", host, "100.64.1.0/24", state=state) for host, state in both))

    post(changing, 1, rule("site1-4", "10.1.1.10", "100.64.1.0/24", state="INACTIVE"), rule("ue0", "10.9.9.9"))
    serve_by(0, 2)
    asking = [Asking(changing.port) for _ in range(2)]
    for thread in asking:
        thread.start()
    for update in range(3, 153):
        serve_by(update % 2, update)
        assert changing.control.get("/v1/rules").json()["update"] == update
    for thread in asking:
        thread.ended.set()
        thread.join(DEADLINE_S)
        assert set(thread.told) == {(host,) for host in hosts}
        assert sum(thread.told.values()) > 150
