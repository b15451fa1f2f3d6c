"""What every part of a federator has in common: its settings, who it knows, its gate, its ways to others."""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from hosts.federation.audit import Audit, Clock
from hosts.federation.gate import Gate, Members
from hosts.federation.outbox import Letter, Outbox
from hosts.web.http1 import Response
from meclab.errors import PeerError
from meclab.federation.agreements import Agreements
from meclab.federation.denials import Denied
from meclab.federation.parties import Party, Settings, within
from meclab.messages import Body
from meclab.model import SECOND

NOTICE_NS = 60 * SECOND
"""How long a notification is tried."""
STATE_NS = 24 * 3600 * SECOND
"""How long something is tried without which two federators disagree."""


class Peer(Protocol):
    """The way to one party; `hosts.federation.client.PeerClient`, or another federator in the same process."""

    async def call(self, method: str, target: str, content: Body | dict[str, Any] | None = None) -> Response: ...

    async def call_unauthorised(self, method: str, target: str, content: Body) -> Response: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Means:
    """What a federator is given from outside."""

    clock: Clock
    """CLOCK_REALTIME in ns."""
    source: random.Random
    """Identifiers and jitter of retries."""
    secret: bytes
    """Signs tokens; never from a seeded source."""
    reach: Callable[[Party], Peer]
    audit: Audit


class Core:
    """The common part."""

    def __init__(self, settings: Settings, means: Means) -> None:
        self.settings = settings
        self.clock = means.clock
        self.audit = means.audit
        self.members = Members(settings)
        self.gate = Gate(settings, self.members, means.audit, means.clock, means.secret)
        self.agreements = Agreements(settings.name)
        self.answers: dict[str, Callable[[Response], None]] = {}
        """By the key of a letter: what to do with the answer."""
        self.outbox = Outbox(self._bring, means.clock, self._answered)
        self._source = means.source
        self._reach = means.reach
        self._peers: dict[str, Peer] = {}

    @property
    def is_broker(self) -> bool:
        return self.settings.role == "broker"

    def identifier(self) -> str:
        """A new UUID from the lab's random source (RFC 9562 section 5.4)."""
        return str(uuid.UUID(bytes=self._source.randbytes(16), version=4))

    def peer(self, name: str) -> Peer:
        """The way to a party. Raises `Denied`: unknown, revoked, or it serves nowhere."""
        party = self.members.admitted(name)
        if not party.url:
            raise Denied("unknown", "UNREACHABLE_PARTY", f"{name} serves nowhere")
        if name not in self._peers:
            self._peers[name] = self._reach(party)
        return self._peers[name]

    def admit(self, party: Party) -> None:
        """Makes a party known, or known to be elsewhere."""
        self.members.admit(party)
        if (before := self._peers.pop(party.name, None)) is not None:
            before.close()

    def tell(self, recipient: str, method: str, target: str, content: Body | None, key: str, for_ns: int) -> None:
        """Sends something when the recipient can be reached; see `Outbox`."""
        self.outbox.tell(Letter(recipient, method, target, content, key, self.clock() + for_ns))

    def callback(self, client: str, link: str) -> str:
        """Path and query of a link where a client wants to hear something. Raises `Denied` unless that is its own:
        nobody has a federator call others for it."""
        url = self.members.get(client).url
        if not within(link, url):
            raise Denied("forbidden", "FOREIGN_CALLBACK", "a callback must lead to the client's own address")
        return link[len(url) :] or "/"

    def unreached(self, name: str) -> bool:
        """Whether a party did not answer when it was tried last."""
        return self.outbox.trouble(name) is not None

    async def _bring(self, letter: Letter) -> Response:
        try:
            peer = self.peer(letter.recipient)
        except Denied as denial:
            raise PeerError(str(denial)) from denial
        if self.members.get(letter.recipient).role == "orchestrator":
            assert letter.content is not None, "notifications have content"
            return await peer.call_unauthorised(letter.method, letter.target, letter.content)
        return await peer.call(letter.method, letter.target, letter.content)

    def _answered(self, letter: Letter, response: Response) -> None:
        if response.status >= 400:
            self.audit.write(
                "REFUSED_BY_PARTY",
                response.body.decode(errors="replace")[:300],
                status=response.status,
                subject=letter.recipient,
                method=letter.method,
                path=letter.target,
            )
        then = self.answers.pop(f"{letter.recipient} {letter.key}", None)
        if then is not None:
            then(response)
