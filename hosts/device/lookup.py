"""One question to a resolver, as a state machine without sockets: tries, timeouts, the change to TCP.

All tries have one identifier and come from one port, as glibc does it, so that an answer to an earlier try still
counts; the resolver may be another at each try. A try ends with its timeout, at once with an ICMP error or a failure
of the server (SERVFAIL, REFUSED, …). A truncated answer is asked for again over TCP, within a timeout of its own
(RFC 7766 section 5).

Times are CLOCK_MONOTONIC in ns.
"""

from enum import Enum

from hosts.device import answers
from hosts.device.cache import Address, Question
from meclab.errors import PeerError


class Step(Enum):
    """What the owner of the sockets has to do."""

    SEND = "send"
    """Send `query` to `server` by UDP."""
    STREAM = "stream"
    """Send it by TCP."""
    DONE = "done"
    """Close the sockets; `reply` is there, or `trouble`."""


class Lookup:
    """A question on its way."""

    def __init__(self, question: Question, identifier: int, timeout_ns: int, tries: int) -> None:
        self.question = question
        self.query = answers.query(question, identifier)
        self.server: Address | None = None
        """Whom the present try asks."""
        self.reply: answers.Reply | None = None
        self.trouble = ""
        """Why there is no reply, once it is done without."""
        self.wake_ns = 0
        """When `wake` has to be called next."""
        self.strays = 0
        """Packets that were no answer to it."""
        self._identifier = identifier
        self._timeout_ns = timeout_ns
        self._tries_left = tries
        self._streams = False

    def begin(self, now_ns: int, server: Address) -> Step:
        """The first try."""
        return self._try(now_ns, server)

    def wake(self, now_ns: int, server: Address) -> Step | None:
        """The time `wake_ns` has come; `server` is whom the next try asks, as below."""
        if now_ns < self.wake_ns:
            return None
        return self._again(now_ns, server, "no answer")

    def refused(self, now_ns: int, server: Address, why: str) -> Step:
        """The packet or the TCP connection was refused."""
        return self._again(now_ns, server, why)

    def received(self, now_ns: int, server: Address, sender: Address, payload: bytes) -> Step | None:
        """Something came; what is no answer from whom was asked is passed over."""
        try:
            if sender != self.server:
                raise PeerError(f"an answer from {sender}, asked {self.server}")
            reply = answers.read(payload, self.question, self._identifier)
        except PeerError:
            self.strays += 1
            return None
        if reply.truncated:
            return self._stream(now_ns, server)
        if not reply.is_answer:
            return self._again(now_ns, server, reply.rcode)
        self.reply = reply
        return Step.DONE

    def _stream(self, now_ns: int, server: Address) -> Step:
        if self._streams:
            return self._again(now_ns, server, "truncated over TCP")
        self._streams = True
        self.wake_ns = now_ns + self._timeout_ns
        return Step.STREAM

    def _again(self, now_ns: int, server: Address, why: str) -> Step:
        if self._tries_left:
            return self._try(now_ns, server)
        self.trouble = f"{why} from {self.server}"
        return Step.DONE

    def _try(self, now_ns: int, server: Address) -> Step:
        self.server, self._streams = server, False
        self._tries_left -= 1
        self.wake_ns = now_ns + self._timeout_ns
        return Step.SEND
