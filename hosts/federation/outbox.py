"""What a federator tells others by itself: to each recipient in order, again until it answers.

A recipient that cannot be reached or fails (5xx) is tried again, with growing pauses, until the message's time is over;
a refusal (4xx) is an answer. A newer message takes the place of a waiting one with the same key, so that a partition
leaves no pile behind: what arrives after it is how things are then.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from hosts.federation.audit import Clock
from hosts.federation.client import FAILURES
from hosts.web.http1 import Response
from meclab.messages import Body

log = logging.getLogger(__name__)
_FIRST_BACKOFF_S = 0.05
_LONGEST_BACKOFF_S = 1.0
_MOST_WAITING = 1000


@dataclass(frozen=True)
class Letter:
    """One message to one party."""

    recipient: str
    method: str
    target: str
    content: Body | None
    key: str
    """What it is about."""
    until_ns: int
    """When it is given up."""


class Post(Protocol):
    """How letters are brought; raises as `PeerClient.call`."""

    async def __call__(self, letter: Letter) -> Response: ...


@dataclass
class _Line:
    waiting: dict[str, Letter] = field(default_factory=dict)
    """By key, in order."""
    task: asyncio.Task[None] | None = None
    trouble: str | None = None
    delivered: int = 0
    refused: int = 0
    given_up: int = 0


class Outbox:
    """A line to each recipient."""

    def __init__(self, post: Post, clock: Clock, answered: Callable[[Letter, Response], None]) -> None:
        """`answered` hears of every answer."""
        self._post = post
        self._clock = clock
        self._answered = answered
        self._lines: dict[str, _Line] = {}

    def tell(self, letter: Letter) -> None:
        """Sends it when its turn comes."""
        line = self._lines.setdefault(letter.recipient, _Line())
        line.waiting.pop(letter.key, None)
        line.waiting[letter.key] = letter
        if len(line.waiting) > _MOST_WAITING:
            line.waiting.pop(next(iter(line.waiting)))
            line.given_up += 1
        if line.task is None or line.task.done():
            line.task = asyncio.create_task(self._run(line))

    def drop(self, recipient: str) -> None:
        """Tells this party nothing more of what waits."""
        line = self._lines.get(recipient)
        if line is not None:
            line.waiting.clear()

    def trouble(self, recipient: str) -> str | None:
        """Why a recipient does not answer; none if it does."""
        line = self._lines.get(recipient)
        return None if line is None else line.trouble

    def health(self) -> dict[str, dict[str, object]]:
        """Every line, as a JSON object."""
        return {
            name: {
                "waiting": len(line.waiting),
                "delivered": line.delivered,
                "refused": line.refused,
                "given_up": line.given_up,
                "trouble": line.trouble,
            }
            for name, line in self._lines.items()
        }

    async def _run(self, line: _Line) -> None:
        backoff_s = _FIRST_BACKOFF_S
        while line.waiting:
            letter = next(iter(line.waiting.values()))
            if self._clock() >= letter.until_ns:
                self._drop(line, letter)
                line.given_up += 1
                log.error("%s: given up: %s", letter.recipient, letter.key)
                continue
            response = await self._attempt(line, letter)
            if response is None:
                await asyncio.sleep(backoff_s)
                backoff_s = min(2 * backoff_s, _LONGEST_BACKOFF_S)
                continue
            backoff_s = _FIRST_BACKOFF_S
            self._drop(line, letter)
            refused = response.status >= 400
            line.refused += refused
            line.delivered += not refused
            self._answered(letter, response)

    async def _attempt(self, line: _Line, letter: Letter) -> Response | None:
        """The answer, if there is one."""
        response = None
        try:
            response = await self._post(letter)
            trouble = f"{response.status}" if response.status >= 500 else None
        except FAILURES as error:
            trouble = f"{type(error).__name__}: {error}"
        if trouble != line.trouble:
            log.log(logging.ERROR if trouble else logging.INFO, "%s: %s", letter.recipient, trouble or "answers again")
            line.trouble = trouble
        return None if trouble else response

    def _drop(self, line: _Line, letter: Letter) -> None:
        """Takes it off the line, unless a newer one has taken its place."""
        if line.waiting.get(letter.key) is letter:
            del line.waiting[letter.key]
