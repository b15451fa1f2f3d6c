"""Uplink classifiers and local anchors: which device breaks out where to which prefix, told to the controller.

MODEL: an insertion (TS 23.502 clause 4.3.5.4) is one transaction at the controller's northbound interface, in place of
PFCP sessions with two user plane functions.

What is wanted and what the controller has are compared, and the difference goes in one transaction at a time: what is
wanted meanwhile goes together in the next. A controller that cannot be reached or fails (5xx) is asked until it
answers. A difference that it refuses (4xx) goes piece by piece; what is refused then is given up and logged.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Protocol

from hosts.web.http1 import Response
from meclab.errors import PeerError
from meclab.messages import BreakoutIntent, Transaction

log = logging.getLogger(__name__)
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 0.005, 0.25
_Waiting = tuple[frozenset[BreakoutIntent], "asyncio.Future[bool]"]


class Sender(Protocol):
    """What is needed of `hosts.web.client.Client`."""

    async def send(self, method: str, target: str, body: bytes | None = None) -> Response: ...


class UserPlane:
    """Every device's own breakouts."""

    def __init__(self, controller: Sender) -> None:
        self.present: frozenset[BreakoutIntent] = frozenset()
        """What the controller has."""
        self.error: str | None = None
        """The present trouble."""
        self.refused = 0
        self._controller = controller
        self._wanted: set[BreakoutIntent] = set()
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()

    async def change(self, add: Iterable[BreakoutIntent] = (), remove: Iterable[BreakoutIntent] = ()) -> bool:
        """Returns when the switches have what is wanted; false if the controller refuses what is to be added."""
        added = frozenset(add)
        self._wanted = (self._wanted - frozenset(remove)) | added
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((added, done))
        self._wake.set()
        return await done

    async def run(self) -> None:
        """Brings what is wanted to the controller until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting, self._waiting = self._waiting, []
            await self._bring()
            for added, done in waiting:
                if not done.done():
                    done.set_result(added <= self._wanted | self.present)

    async def _bring(self) -> None:
        backoff_s = _FIRST_BACKOFF_S
        while (wanted := frozenset(self._wanted)) != self.present:
            add, remove = wanted - self.present, self.present - wanted
            response = await self._attempt(add, remove)
            if response is None:
                await asyncio.sleep(backoff_s)
                backoff_s = min(2 * backoff_s, _LONGEST_BACKOFF_S)
            elif response.status < 300:
                self.present = wanted
            elif len(add) + len(remove) > 1:
                for one in add:
                    await self._alone(one, frozenset({one}), frozenset())
                for one in remove:
                    await self._alone(one, frozenset(), frozenset({one}))
            else:
                self._refuse(next(iter(add | remove)), response)

    async def _alone(
        self, one: BreakoutIntent, add: frozenset[BreakoutIntent], remove: frozenset[BreakoutIntent]
    ) -> None:
        """Tries one piece once; trouble leaves it for the next comparison."""
        response = await self._attempt(add, remove)
        if response is not None and response.status < 300:
            self.present = (self.present | add) - remove
        elif response is not None:
            self._refuse(one, response)

    async def _attempt(self, add: Iterable[BreakoutIntent], remove: Iterable[BreakoutIntent]) -> Response | None:
        """The controller's answer, none where it must be asked again."""
        body = Transaction(breakout=tuple(add), remove_breakout=tuple(remove))
        error: str | None = None
        response: Response | None = None
        try:
            response = await self._controller.send("POST", "/v1/transactions", body.model_dump_json().encode())
            if response.status >= 500:
                error, response = f"{response.status} {response.body.decode(errors='replace')}", None
        except (OSError, TimeoutError, PeerError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        if error != self.error:
            log.log(logging.ERROR if error else logging.INFO, "controller: %s", error or "answers again")
            self.error = error
        return response

    def _refuse(self, one: BreakoutIntent, response: Response) -> None:
        """Neither wanted nor there: the controller knows no such thing, or will not have it."""
        self._wanted.discard(one)
        self.present -= {one}
        self.refused += 1
        words = response.body.decode(errors="replace")
        log.error("%s for %s at %s: %d %s", one.prefix, one.device, one.edge, response.status, words)
