"""Messages that are held back: each until it is released, or until its time is over."""

import asyncio
from itertools import count

from hosts.core5g.handling import Handling, Release


class Holding:
    """The messages that are held back now."""

    def __init__(self, timeout_s: float) -> None:
        """`timeout_s` is the longest time that one is held."""
        self.released = 0
        self.overdue = 0
        """Messages that nobody released in time."""
        self._timeout_s = timeout_s
        self._held: dict[str, asyncio.Future[Handling | None]] = {}
        self._numbers = count(1)

    def __len__(self) -> int:
        return len(self._held)

    def hold(self) -> str:
        """Holds a message from now on; its `dnsMsgId`."""
        message, loop = str(next(self._numbers)), asyncio.get_running_loop()
        self._held[message] = loop.create_future()
        loop.call_later(self._timeout_s, self.let_go, message)
        return message

    def release(self, release: Release) -> bool:
        """Lets a message go; whether it was held."""
        held = self._held.pop(release.message, None)
        if held is None:
            return False
        self.released += 1
        held.set_result(release.handling)
        return True

    def let_go(self, message: str) -> None:
        """Lets a message go that nobody has released, if it is still held."""
        if (held := self._held.pop(message, None)) is not None:
            self.overdue += 1
            held.set_result(None)

    def fate(self, message: str) -> "asyncio.Future[Handling | None]":
        """What is to become of a message that was held this moment; None where nobody released it."""
        return self._held[message]
