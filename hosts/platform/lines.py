"""One recipient's line: what it is to be told goes in order on one kept connection, again until it answers.

A recipient that cannot be reached or fails (5xx) is tried again; a refusal (4xx) is an answer. Of several things
refused together each is sent alone, so that a bad one does not cost the others theirs.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from hosts.web.http1 import Response
from meclab.errors import PeerError

log = logging.getLogger(__name__)
_FIRST_BACKOFF_S = 0.005
_LONGEST_BACKOFF_S = 0.5
T = TypeVar("T")
Answer = asyncio.Future[Response]


class Recipient(Protocol):
    """What a line needs of `hosts.web.client.Client`."""

    async def send(self, method: str, target: str, body: bytes | None = None) -> Response: ...


@dataclass(eq=False)
class _Waiting(Generic[T]):
    item: T
    answers: list[Answer]


class Line(Generic[T]):
    """Delivers items to one recipient by POST."""

    def __init__(
        self,
        name: str,
        recipient: Recipient,
        target: str,
        pack: Callable[[Sequence[T]], bytes],
        most: int = 1,
        outdates: Callable[[T, T], bool] = lambda newer, older: False,
    ) -> None:
        """`pack` makes the body for up to `most` items; one that a newer one `outdates` is left out if it waits."""
        self.name = name
        self._recipient = recipient
        self._target = target
        self._pack = pack
        self._most = most
        self._outdates = outdates
        self._waiting: list[_Waiting[T]] = []
        self._alone = 0
        self._wake = asyncio.Event()
        self._delivered = 0
        self._refused = 0
        self.trouble: str | None = None
        """Why the recipient has not answered; none if it has."""

    def put(self, item: T) -> Answer:
        """Sends it when its turn comes. The future is the recipient's answer, to the item or to a newer one that has
        taken its place."""
        answer: Answer = asyncio.get_running_loop().create_future()
        entry = _Waiting(item, [answer])
        kept = []
        for older in self._waiting:
            if self._outdates(item, older.item):
                entry.answers += older.answers
            else:
                kept.append(older)
        self._waiting = [*kept, entry]
        self._wake.set()
        return answer

    def health(self) -> dict[str, object]:
        """State of the line, as a JSON object."""
        return {
            "waiting": len(self._waiting),
            "delivered": self._delivered,
            "refused": self._refused,
            "trouble": self.trouble,
        }

    async def run(self) -> None:
        """Delivers until cancelled."""
        backoff_s = _FIRST_BACKOFF_S
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                if await self._deliver(self._waiting[: 1 if self._alone else self._most]):
                    backoff_s = _FIRST_BACKOFF_S
                else:
                    await asyncio.sleep(backoff_s)
                    backoff_s = min(2 * backoff_s, _LONGEST_BACKOFF_S)

    async def _deliver(self, batch: list[_Waiting[T]]) -> bool:
        """Whether the recipient has answered."""
        response = await self._attempt(self._pack([entry.item for entry in batch]))
        if response is None:
            return False
        refused = response.status >= 300
        if refused and len(batch) > 1:
            self._alone = len(batch)
            return True
        self._alone = max(0, self._alone - 1)
        self._waiting = [entry for entry in self._waiting if entry not in batch]
        self._refused += refused
        self._delivered += 0 if refused else len(batch)
        if refused:
            log.error("%s refuses: %s", self.name, text(response))
        for answer in (answer for entry in batch for answer in entry.answers):
            if not answer.done():
                answer.set_result(response)
        return True

    async def _attempt(self, body: bytes) -> Response | None:
        try:
            response = await self._recipient.send("POST", self._target, body)
            trouble = text(response) if response.status >= 500 else None
        except (OSError, TimeoutError, PeerError) as error:
            trouble = f"{type(error).__name__}: {error}"
        if trouble != self.trouble:
            log.log(logging.ERROR if trouble else logging.INFO, "%s: %s", self.name, trouble or "answers again")
            self.trouble = trouble
        return None if trouble else response


def text(response: Response) -> str:
    """A response in a line of a log."""
    return f"{response.status} {response.body.decode(errors='replace')}"
