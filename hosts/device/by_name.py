"""Discovery by DNS: the client looks the application's name up.

With `at-once` the client looks it up again when its answer expires, and when the network has the answer dropped; it
leaves a server that the new answer no longer has. Otherwise it asks only for a new connection. A server that fails
stays in the cache until its TTL ends: that is what failover by DNS costs.

MODEL: a TTL of 0 is for one use (RFC 1035 section 3.2.1), and a client with one long connection would never look the
name up again; this one does so once a second.
"""

from hosts.device.cache import Answer, Flush
from hosts.device.discovery import Alarm, Client, Discovery, Resolve
from hosts.device.servers import Server, Servers
from hosts.device.stub import FAILURE_KEPT_NS, Resolution
from meclab.model import SECOND, Family

UNCACHED_EVERY_NS = SECOND
"""How often an answer with a TTL of 0 is looked up."""


class ByName(Discovery):
    """Looks the application's name up."""

    def __init__(
        self,
        client: Client,
        name: str,
        family: Family,
        servers: Servers,
        resolve: Resolve,
        alarm: Alarm | None,
    ) -> None:
        """`alarm` is given where the client is to follow answers at once."""
        super().__init__(client)
        self._name = name
        self._family: Family = family
        self._servers = servers
        self._resolve = resolve
        self._alarm = alarm
        self._current: Server | None = None
        self._wanted = False

    def find(self, now_ns: int) -> None:
        self._wanted = True
        self._resolve(self._name, self._resolved)

    def dropped(self, which: Flush, now_ns: int) -> None:
        known = () if self._current is None else (self._current.address,)
        if self._alarm is not None and which.matches(self._name, known):
            self._resolve(self._name, self._resolved)

    def wake(self, now_ns: int) -> None:
        self._resolve(self._name, self._resolved)

    def _resolved(self, resolution: Resolution) -> None:
        answer = resolution.answers.get(self._family)
        wanted, self._wanted = self._wanted, False
        if self._alarm is not None:
            self._alarm.at(_again_ns(answer, resolution.at_ns))
        if answer is not None and answer.addresses:
            self._take(answer, wanted)
        elif wanted:
            self.client.unfound()

    def _take(self, answer: Answer, wanted: bool) -> None:
        """Keeps to the present server where the answer has it."""
        if self._current is None or self._current.address not in answer.addresses:
            self._current = self._servers.at(answer.addresses[0], self._name)
            if not wanted:
                self.client.moved(self._current)
        if wanted:
            self.client.found(self._current)


def _again_ns(answer: Answer | None, at_ns: int) -> int:
    """When to look the name up again."""
    if answer is None:
        return at_ns + FAILURE_KEPT_NS
    return answer.expires_ns if answer.expires_ns > at_ns else at_ns + UNCACHED_EVERY_NS
