"""The name servers behind the EASDF."""

from collections.abc import Sequence
from typing import Final

from dnslib import RCODE

from hosts.core5g.templates import Address
from hosts.naming.answers import Answers
from hosts.naming.authority import Authority
from hosts.naming.forwarding import Forwarder
from meclab.packets import DNS_PORT

TRY_S: Final = 1.5
TRIES: Final = 2
"""Together shorter than a stub's own first wait of 5 s: a device learns that there is no answer before it gives up."""
_NO_ZONES: Final = Answers(Authority(()))


class Upstreams:
    """Asks each server from ports of its own, over UDP and, what is truncated, over TCP."""

    def __init__(
        self, default: Sequence[Address], port: int = DNS_PORT, try_s: float = TRY_S, tries: int = TRIES
    ) -> None:
        """`default` are asked where a rule names none."""
        self._default = tuple(default)
        self._port = port
        self._limits = (try_s, tries)
        self._forwarders: dict[Address, Forwarder] = {}

    async def ask(self, query: bytes, servers: Sequence[Address]) -> bytes:
        """The answer of the first of the servers that gives one, or SERVFAIL."""
        answer = b""
        for server in servers or self._default:
            answer = await self._forwarder(server).ask(query, over_tcp=True)
            if answer[3] & 0xF != RCODE.SERVFAIL:
                break
        return answer

    def counters(self) -> dict[str, dict[str, int]]:
        """By server: answers, and questions without one."""
        return {
            str(server): {"answered": forwarder.forwarded, "silent": forwarder.failed}
            for server, forwarder in self._forwarders.items()
        }

    def _forwarder(self, server: Address) -> Forwarder:
        if server not in self._forwarders:
            self._forwarders[server] = Forwarder(_NO_ZONES, str(server), self._port, *self._limits)
        return self._forwarders[server]
