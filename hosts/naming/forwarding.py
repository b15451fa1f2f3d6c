"""Questions for others: relayed to one upstream resolver as they are, and its answers back (RFC 5625 section 4).

Nothing in a message changes but its id. Whoever asked over UDP gets the upstream's answer over UDP, truncated where
it is, and comes back over TCP; for a client that came over TCP a truncated answer is asked for again over TCP.
"""

import asyncio
import logging
import secrets
from typing import Final

from hosts.naming.answers import Answers
from hosts.naming.queries import HEADER_BYTES, read_query
from meclab.errors import PeerError

log = logging.getLogger(__name__)
TRY_S: Final = 2.0
TRIES: Final = 2
"""Together shorter than a stub's own first wait of 5 s: it learns that there is no answer before it gives up."""
MOST_OUTSTANDING: Final = 1_024
"""Questions outstanding; further ones fail at once."""
_LENGTH_BYTES = 2


class Forwarder:
    """Relays queries to one upstream resolver."""

    def __init__(self, answers: Answers, upstream: str, port: int, try_s: float = TRY_S, tries: int = TRIES) -> None:
        self.forwarded = 0
        """Questions relayed."""
        self.failed = 0
        """Questions answered SERVFAIL because the upstream gave no answer."""
        self._answers = answers
        self._upstream = upstream
        self._port = port
        self._try_s = try_s
        self._tries = tries
        self._outstanding = 0

    async def ask(self, query: bytes, over_tcp: bool = False) -> bytes:
        """The upstream's answer to a well-formed query, or SERVFAIL; never raises."""
        if self._outstanding >= MOST_OUTSTANDING:
            self.failed += 1
            return self._answers.servfail(query)
        self._outstanding += 1
        try:
            answer = await self._tried(query, over_tcp)
        finally:
            self._outstanding -= 1
        if answer is None:
            self.failed += 1
            return self._answers.servfail(query)
        self.forwarded += 1
        return query[:2] + answer[2:]

    async def _tried(self, query: bytes, over_tcp: bool) -> bytes | None:
        for number in range(self._tries):
            try:
                async with asyncio.timeout(self._try_s):
                    answer = await self._by_datagram(query)
                    if over_tcp and answer[2] & 0x02:
                        answer = await self._by_stream(query)
                return answer
            except (OSError, TimeoutError, EOFError, PeerError) as error:
                log.info("%s, try %d: %s", self._upstream, number + 1, error or "silent")
        return None

    async def _by_datagram(self, query: bytes) -> bytes:
        """From a port of its own, which with the id makes an answer hard to forge (RFC 5452 section 9.2)."""
        asked = _fresh(query)
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[bytes] = loop.create_future()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Exchange(asked, answered), remote_addr=(self._upstream, self._port)
        )
        try:
            transport.sendto(asked)
            return await answered
        finally:
            transport.close()

    async def _by_stream(self, query: bytes) -> bytes:
        asked = _fresh(query)
        reader, writer = await asyncio.open_connection(self._upstream, self._port)
        try:
            writer.write(len(asked).to_bytes(_LENGTH_BYTES, "big") + asked)
            length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES), "big")
            answer = await reader.readexactly(length)
        finally:
            writer.close()
        if not _answers(asked, answer):
            raise PeerError("the upstream answered something else")
        return answer


class _Exchange(asyncio.DatagramProtocol):
    def __init__(self, asked: bytes, answered: "asyncio.Future[bytes]") -> None:
        self._asked = asked
        self._answered = answered

    def datagram_received(self, data: bytes, _: object) -> None:
        if _answers(self._asked, data) and not self._answered.done():
            self._answered.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self._answered.done():
            self._answered.set_exception(error)


def _fresh(query: bytes) -> bytes:
    return secrets.token_bytes(2) + query[2:]


def _answers(asked: bytes, data: bytes) -> bool:
    """Whether a message is the answer to what was asked: its id, and its question where it has one."""
    if len(data) < HEADER_BYTES or data[:2] != asked[:2] or not data[2] & 0x80:
        return False
    query = read_query(asked)
    assert query is not None and query.question is not None, "it was read before"
    question = query.question.wire
    has_question = data[4:6] != b"\0\0"
    return not has_question or data[HEADER_BYTES : HEADER_BYTES + len(question)].lower() == question.lower()
