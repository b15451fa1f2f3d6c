"""Whether the authoritative server gives a new decision's answer yet.

The decision reaches the session function and, by platform manager and platform, the authoritative server on two ways;
a device that is told to look up again before the answer is there would get the old one and keep it for its TTL. So
the session function asks the server itself, as the EASDF would for the device, before it tells the device.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from dnslib import EDNS0, QTYPE, DNSHeader, DNSQuestion, DNSRecord, EDNSOption

from hosts.core5g.neasdf import Network
from hosts.core5g.relayed import addresses, read_answer, subnet_data
from hosts.core5g.resolving import Ask
from hosts.core5g.templates import Address
from hosts.naming.names import parse_name
from hosts.naming.subnets import OPTION
from meclab.errors import PeerError

log = logging.getLogger(__name__)
LONGEST_S: Final = 1.0
"""Then the device is told all the same: a decision for one device that names cannot carry is never answered."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.005, 0.05


class Confirming:
    """Asks for the application's name."""

    def __init__(self, ask: Ask, servers: Sequence[Address], name: str, longest_s: float = LONGEST_S) -> None:
        """`servers` decide the family that is asked for."""
        self._ask = ask
        self._servers = tuple(servers)
        self._name = parse_name(name)
        self._qtype = QTYPE.A if servers[0].version == 4 else QTYPE.AAAA
        self._longest_s = longest_s

    async def confirmed(self, subnet: Network, host: Sequence[Address]) -> bool:
        """Returns when clients in a subnet are answered an address of the host's; false where they are not in time."""
        query = self._query(subnet)
        pause_s = _FIRST_PAUSE_S
        try:
            async with asyncio.timeout(self._longest_s):
                while not set(await self._answered(query)) & set(host):
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        except TimeoutError:
            return False
        return True

    async def _answered(self, query: bytes) -> tuple[Address, ...]:
        try:
            return addresses(read_answer(await self._ask(query, self._servers)))
        except PeerError as error:
            log.warning("%s", error)
            return ()

    def _query(self, subnet: Network) -> bytes:
        option = EDNSOption(OPTION, subnet_data(subnet))
        question = DNSQuestion(list(self._name), self._qtype)
        return bytes(DNSRecord(DNSHeader(bitmap=0), [question], ar=[EDNS0(opts=[option])]).pack())
