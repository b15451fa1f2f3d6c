"""Discovery by HTTP redirects: the client begins at the front and goes where it is sent (RFC 9110 section 15.4).

A connection, once redirected, is kept for the requests that follow; every new one begins at the front, because 302,
303 and 307 hold for one request, unless 301 or 308 said that another place is the front for good. MODEL: strictly, 307
holds for one request even on a kept connection; clients of services steered like this stay where they were sent.

The requests are GET, so that none of the status codes changes the method.
"""

import logging

from hosts.device.cache import Address
from hosts.device.discovery import Client, Discovery, Redirection, Resolve
from hosts.device.servers import Reference, Server, Servers
from hosts.device.stub import Note, Resolution
from meclab.errors import PeerError
from meclab.model import Family

log = logging.getLogger(__name__)
_PERMANENT = (301, 308)
_REDIRECTS = (301, 302, 303, 307, 308)


class ByRedirect(Discovery):
    """Follows redirects from a front."""

    def __init__(
        self,
        client: Client,
        front: Server,
        family: Family,
        servers: Servers,
        resolve: Resolve,
        most_redirects: int,
        note: Note,
    ) -> None:
        super().__init__(client)
        self._front = front
        self._family: Family = family
        self._servers = servers
        self._resolve = resolve
        self._most = most_redirects
        self._note = note
        self._permanent: Reference | None = None
        """Where 301 or 308 said that the client should begin from now on."""
        self._next: Reference | None = None
        """Where the last redirect sent it, until it has connected there."""
        self._in_row = 0
        self._complaint = ""

    def find(self, now_ns: int) -> None:
        wanted, self._next = self._next or self._permanent, None
        if wanted is None:
            self.client.found(self._front)
        elif (address := wanted.address) is not None:
            self._found(wanted, address)
        else:
            self._resolve(wanted.host, lambda resolution: self._resolved(wanted, resolution))

    def redirected(self, status: int, uri: str, base: str, came_ns: int) -> Redirection:
        if status not in _REDIRECTS:
            return Redirection.IGNORE
        try:
            self._next = self._servers.reference(uri, base)
        except PeerError as error:
            return self._give_up(f"{status} from {base}: {error}")
        self._in_row += 1
        if self._in_row > self._most:
            return self._give_up(f"more than {self._most} redirects in a row, the last from {base} to {uri}")
        self._note("redirected", self._next.authority, f"{status} from {base}", came_ns)
        self.target = self._next.target
        if status in _PERMANENT:
            self._permanent = self._next
        return Redirection.FOLLOW

    def answered(self) -> None:
        self._in_row, self.target, self._complaint = 0, None, ""

    def failed(self) -> None:
        """A front that sends it to a host that is gone is no circle: the session waits before it asks again."""
        self._in_row = 0
        self._next = self._permanent = self.target = None

    def _give_up(self, why: str) -> Redirection:
        if why != self._complaint:
            log.error("%s; beginning at the front again", why)
        self._complaint = why
        self._note("failed", "", why)
        self.failed()
        return Redirection.BEGIN_ANEW

    def _found(self, wanted: Reference, address: Address) -> None:
        server = self._servers.referred(wanted, address)
        self.client.found(self._front if server.place == self._front.place else server)

    def _resolved(self, wanted: Reference, resolution: Resolution) -> None:
        answer = resolution.answers.get(self._family)
        if answer is not None and answer.addresses:
            self._found(wanted, answer.addresses[0])
            return
        self._give_up(f"a redirect to {wanted.host}, which has no {self._family} address: {resolution.trouble}")
        self.client.unfound()
