"""An authoritative server nobody in the lab wrote, for tests of resolvers: dnslib, one zone, answers by client subnet.

A name's first label says what it gets: `s24` an address with scope 24, `big` more than a datagram holds, anything else
NXDOMAIN with scope 0. The address is 192.0.2.N or 2001:db8::N, N the third octet of an IPv4 client subnet (the fifth of
an IPv6 one), 0 without any.
"""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dnslib import AAAA, EDNS0, QTYPE, RCODE, RR, SOA, TXT, A, DNSRecord, EDNSOption

ECS = 8
TTL_S = 60


class Authority:
    """Answers for `edge.example.` over UDP and TCP on one address."""

    def __init__(self, address: str, port: int, ttl_s: int = TTL_S) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        """Name, type and client subnet (family, source and scope length, address, in hexadecimal) of every query."""
        self.silent = False
        self.port = port
        self._ttl_s = ttl_s
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._udp = socket.socket(family, socket.SOCK_DGRAM)
        self._udp.bind((address, port))
        self._tcp = socket.create_server((address, port), family=family)

    def serve_udp(self) -> None:
        with suppress(OSError):
            while True:
                packet, client = self._udp.recvfrom(4096)
                if packet == b"end":
                    return
                answer = self._answer(packet)
                limit = self._limit(packet)
                if len(answer) > limit:
                    cut = DNSRecord.parse(answer)
                    cut.header.tc, cut.rr, cut.auth = 1, [], []
                    answer = cut.pack()
                if not self.silent:
                    self._udp.sendto(answer, client)

    def serve_tcp(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._tcp.accept()
                with connection, connection.makefile("rb") as stream, suppress(struct.error):
                    (length,) = struct.unpack("!H", stream.read(2))
                    answer = self._answer(stream.read(length))
                    connection.sendall(struct.pack("!H", len(answer)) + answer)

    def close(self) -> None:
        with socket.socket(self._udp.family, socket.SOCK_DGRAM) as ending:
            ending.sendto(b"end", self._udp.getsockname())
        self._tcp.shutdown(socket.SHUT_RDWR)
        self._tcp.close()

    def freed(self) -> None:
        self._udp.close()

    def _limit(self, packet: bytes) -> int:
        sizes = [rr.rclass for rr in DNSRecord.parse(packet).ar if rr.rtype == QTYPE.OPT]
        return max(512, *sizes) if sizes else 512

    def _answer(self, packet: bytes) -> bytes:
        query = DNSRecord.parse(packet)
        name = str(query.q.qname).lower()
        options = [option for rr in query.ar if rr.rtype == QTYPE.OPT for option in rr.rdata]
        subnet = next((bytes(option.data) for option in options if option.code == ECS), None)
        self.asked.append((name, QTYPE[query.q.qtype], None if subnet is None else subnet.hex()))
        answer = query.reply(ra=0, aa=1)
        answer.ar = []
        scope = self._fill(answer, name.split(".")[0], query, subnet or b"")
        if any(rr.rtype == QTYPE.OPT for rr in query.ar):
            mirrored = [EDNSOption(ECS, subnet[:3] + bytes([scope]) + subnet[4:])] if subnet is not None else []
            answer.add_ar(EDNS0(udp_len=1232, opts=mirrored))
        return answer.pack()

    def _fill(self, answer: DNSRecord, label: str, query: DNSRecord, subnet: bytes) -> int:
        number = subnet[6] if subnet[:2] == b"\0\1" and len(subnet) > 6 else subnet[8] if len(subnet) > 8 else 0
        if label == "big":
            for line in range(30):
                answer.add_answer(RR(query.q.qname, QTYPE.TXT, ttl=self._ttl_s, rdata=TXT(f"{line:03}" * 20)))
            return 0
        if not (label[0] == "s" and label[1:].isdigit()):
            answer.header.rcode = RCODE.NXDOMAIN
        elif query.q.qtype == QTYPE.A:
            answer.add_answer(RR(query.q.qname, QTYPE.A, ttl=self._ttl_s, rdata=A(f"192.0.2.{number}")))
            return int(label[1:])
        elif query.q.qtype == QTYPE.AAAA:
            answer.add_answer(RR(query.q.qname, QTYPE.AAAA, ttl=self._ttl_s, rdata=AAAA(f"2001:db8::{number:x}")))
            return int(label[1:])
        times = (1, 3600, 600, 86400, TTL_S)
        answer.add_auth(
            RR("edge.example.", QTYPE.SOA, ttl=TTL_S, rdata=SOA("ns.edge.example.", "h.edge.example.", times))
        )
        return 0


@contextmanager
def authority(address: str, port: int, ttl_s: int = TTL_S) -> Iterator[Authority]:
    """A running one."""
    server = Authority(address, port, ttl_s)
    threads = [threading.Thread(target=serve) for serve in (server.serve_udp, server.serve_tcp)]
    for thread in threads:
        thread.start()
    try:
        yield server
    finally:
        server.close()
        for thread in threads:
            thread.join()
        server.freed()
