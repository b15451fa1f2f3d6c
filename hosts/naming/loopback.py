"""`python -m hosts.naming.loopback PORT`: a server on 127.0.0.1 without a lab, for benchmarks.

It has the zone `edge.example.` and a rule for each of the given number of client subnets, `100.64.0.0/24` and those
that follow, each with an address of its own. `--dnslib` has dnslib's own `DNSServer` answer the same, by the plainest
resolver that knows client subnets. Prints `ready` when it serves; ends by SIGTERM.
"""

import argparse
import asyncio
import signal
import threading
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final

import uvloop
from dnslib import EDNS0, QTYPE, RR, A, EDNSOption
from dnslib.server import BaseResolver, DNSLogger, DNSServer

from hosts.naming.answers import UDP_PAYLOAD, Answers
from hosts.naming.authority import Authority
from hosts.naming.names import parse_name
from hosts.naming.server import Server
from hosts.naming.subnets import OPTION
from hosts.naming.zones import Zone
from meclab.messages import DnsRule

ADDRESS: Final = "127.0.0.1"
NAME: Final = "app.edge.example."
_ZONE: Final = """
edge.example. 3600 SOA adns.edge.example. hostmaster.edge.example. 1 3600 600 86400 10
edge.example. 3600 NS adns.edge.example.
adns.edge.example. 3600 A 127.0.0.1
"""
_TTL_S: Final = 10
_FIRST_CLIENT, _FIRST_HOST = IPv4Address("100.64.0.0"), IPv4Address("10.1.0.0")
_PREFIX_LENGTH: Final = 24


def decisions(count: int) -> list[tuple[IPv4Network, IPv4Address]]:
    """Client subnet and what it is told."""
    return [(IPv4Network((_FIRST_CLIENT + 256 * n, _PREFIX_LENGTH)), _FIRST_HOST + n) for n in range(count)]


def main() -> None:
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m hosts.naming.loopback", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--subnets", type=int, default=1_000)
    parser.add_argument("--dnslib", action="store_true", help="dnslib's own server")
    arguments = parser.parse_args()
    serve = _serve_dnslib if arguments.dnslib else _serve
    serve(arguments.port, decisions(arguments.subnets))


def _serve(port: int, told: list[tuple[IPv4Network, IPv4Address]]) -> None:
    rules = [
        DnsRule(
            dnsRuleId=f"rule{number:06}",
            domainName=NAME,
            ipAddressType="IP_V4",
            ipAddress=address,
            ttl=_TTL_S,
            state="ACTIVE",
            clientSubnet=(subnet,),
        )
        for number, (subnet, address) in enumerate(told)
    ]
    zone = Zone(parse_name("edge.example"), RR.fromZone(_ZONE), _TTL_S)
    server = Server(Answers(Authority([zone], rules)), [ADDRESS], port)

    async def run() -> None:
        task = asyncio.create_task(server.run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        print("ready", flush=True)
        await asyncio.gather(task, return_exceptions=True)

    uvloop.run(run())


def _serve_dnslib(port: int, told: list[tuple[IPv4Network, IPv4Address]]) -> None:
    server = DNSServer(_Resolver(told), ADDRESS, port, logger=DNSLogger("-request,-reply,-truncated,-error", False))
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    server.start_thread()
    print("ready", flush=True)
    ended.wait()


class _Resolver(BaseResolver):  # type: ignore[misc]
    """The decision by client subnet, found at once by its bytes, and the option back with its scope."""

    def __init__(self, told: list[tuple[IPv4Network, IPv4Address]]) -> None:
        length = bytes((_PREFIX_LENGTH,))
        self._told = {b"\0\1" + length + b"\0" + net.network_address.packed[:3]: str(host) for net, host in told}

    def resolve(self, request: Any, handler: Any) -> Any:
        reply = request.reply(ra=0)
        for record in request.ar:
            if record.rtype == QTYPE.OPT:
                data = next(option.data for option in record.rdata if option.code == OPTION)
                reply.add_answer(RR(request.q.qname, QTYPE.A, ttl=_TTL_S, rdata=A(self._told[data])))
                option = EDNSOption(OPTION, data[:3] + data[2:3] + data[4:])
                reply.add_ar(EDNS0(udp_len=UDP_PAYLOAD, opts=[option]))
        return reply


if __name__ == "__main__":
    main()
