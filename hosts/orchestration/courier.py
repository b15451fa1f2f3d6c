"""Carries decisions to one recipient: one batch at a time, what waits meanwhile goes together in the next.

One connection with one batch on it keeps the order of a device's decisions. A recipient that cannot be reached or fails
(5xx) is tried again until it answers; newer decisions join the retry. What the recipient refuses (4xx) is sent again
device by device, so that one bad entry does not cost the others theirs; what is still refused then is logged and kept
in the audit log. No courier waits for another.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ValidationError

from hosts.orchestration.audit import Entry, Fate
from hosts.web.http1 import Response
from meclab import facts
from meclab.errors import PeerError
from meclab.facts import Fact, Parcel
from meclab.messages import TransactionResult
from meclab.recipients import Recipient
from meclab.steering import Steering

log = logging.getLogger(__name__)
_FIRST_BACKOFF_S = 0.005
_LONGEST_BACKOFF_S = 0.25


class Sender(Protocol):
    """What the courier needs of `hosts.web.client.Client`."""

    @property
    def connected(self) -> bool: ...

    def send_all(
        self, method: str, requests: Sequence[tuple[str, bytes | None]]
    ) -> Coroutine[Any, Any, list[Response]]: ...


@dataclass(frozen=True)
class Errand:
    """A fact on its way, for an entry of the audit log."""

    entry: Entry
    fact: Fact

    def settle(self, end: Fate, at_ns: int | None = None, detail: str = "") -> None:
        """It has ended so."""
        self.entry.deliveries[self.fact.recipient].settle(end, at_ns, detail)

    def waits_for(self, what: str) -> None:
        self.entry.deliveries[self.fact.recipient].detail = what


Refusal = tuple[Response, list[Errand]]


class Courier:
    """Delivers to one recipient."""

    def __init__(self, recipient: Recipient, steering: Steering, sender: Sender, clock_ns: Callable[[], int]) -> None:
        self.recipient = recipient
        self._steering = steering
        self._sender = sender
        self._clock_ns = clock_ns
        self._waiting: list[Errand] = []
        self._in_flight = 0
        self._wake = asyncio.Event()
        self._nudge = asyncio.Event()
        self._sending: asyncio.Task[list[Response]] | None = None
        self._error: str | None = None
        self._refused = 0

    def take(self, errands: Iterable[Errand]) -> None:
        """Sends these as soon as the line is free."""
        self._waiting += errands
        self._wake.set()

    def hurry(self) -> None:
        """The recipient is known to be back: what it did not answer is sent again at once."""
        if self._error is not None:
            self._nudge.set()
            if self._sending is not None:
                self._sending.cancel()

    def health(self) -> dict[str, object]:
        """State of the line, as a JSON object; `error` is the present trouble."""
        return {
            "connected": self._sender.connected,
            "waiting": len(self._waiting),
            "in_flight": self._in_flight,
            "refused": self._refused,
            "error": self._error,
        }

    async def run(self) -> None:
        """Delivers until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._deliver(self._taken())

    def _taken(self) -> list[Errand]:
        batch, self._waiting = self._waiting, []
        return batch

    async def _deliver(self, batch: list[Errand], alone: bool = False) -> None:
        """Until everything is settled; newer errands join a retry unless the batch is to go `alone`."""
        backoff_s = _FIRST_BACKOFF_S
        while batch:
            batch, refused, error = await self._attempt(batch, alone)
            await self._deal_with(refused)
            if error:
                backoff_s = await self._paused(backoff_s)
                batch += [] if alone else self._taken()

    async def _paused(self, backoff_s: float) -> float:
        """Waits before the next attempt; how long to wait after that."""
        try:
            async with asyncio.timeout(backoff_s):
                await self._nudge.wait()
        except TimeoutError:
            return min(2 * backoff_s, _LONGEST_BACKOFF_S)
        self._nudge.clear()
        return _FIRST_BACKOFF_S

    async def _attempt(self, batch: list[Errand], alone: bool) -> tuple[list[Errand], list[Refusal], bool]:
        """Errands that are still open, those that were refused, and whether there was trouble."""
        parcels = self._packed(batch, alone)
        self._in_flight = len(batch)
        responses, error = await self._send(parcels)
        self._in_flight = 0
        refused: list[Refusal] = []
        for parcel, response in zip(parcels, responses, strict=False):
            keys = {fact.key for fact in parcel.facts}
            settled = [errand for errand in batch if errand.fact.key in keys]
            batch = [errand for errand in batch if errand.fact.key not in keys]
            if response.status < 300:
                self._confirm(settled, response)
            else:
                refused.append((response, settled))
        self._note(batch, error)
        return batch, refused, error is not None

    def _packed(self, batch: Sequence[Errand], alone: bool) -> tuple[Parcel, ...]:
        """What is new; to a recipient that keeps only what it is told and may have started again, everything."""
        told: tuple[Fact, ...] = ()
        if self.recipient.kind == "serving" and not self._sender.connected and not alone:
            told = self._steering.known(self.recipient.name)
        newest = facts.latest((*told, *(errand.fact for errand in batch)))
        return facts.pack(self._steering.plan, self.recipient.kind, newest, self._steering.number)

    async def _send(self, parcels: Sequence[Parcel]) -> tuple[list[Response], str | None]:
        """The answers up to the first that is none, and what the trouble is."""
        requests = [(parcel.target, parcel.body) for parcel in parcels]
        self._sending = asyncio.get_running_loop().create_task(self._sender.send_all("POST", requests))
        try:
            responses = await self._sending
        except (OSError, TimeoutError, PeerError) as failure:
            return [], f"{type(failure).__name__}: {failure}"
        except asyncio.CancelledError:
            if not self._nudge.is_set():
                raise
            return [], self._error
        finally:
            self._sending = None
        for number, response in enumerate(responses):
            if response.status >= 500:
                return responses[:number], _text(response)
        return responses, None

    def _note(self, batch: Iterable[Errand], error: str | None) -> None:
        if error != self._error:
            level = logging.ERROR if error else logging.INFO
            log.log(level, "%s: %s", self.recipient.name, error or "answers again")
            self._error = error
        for errand in batch if error else ():
            errand.waits_for(f"trying again: {error}")

    async def _deal_with(self, refused: Iterable[Refusal]) -> None:
        for response, errands in refused:
            subjects = dict.fromkeys(errand.fact.subject for errand in errands)
            if len(subjects) < 2:
                self._refuse(errands, response)
                continue
            for subject in subjects:
                await self._deliver([errand for errand in errands if errand.fact.subject == subject], alone=True)

    def _confirm(self, errands: Iterable[Errand], response: Response) -> None:
        told_ns = self._clock_ns()
        errands = list(errands)
        newest = {errand.fact.key: errand.fact for errand in errands}
        result = _result(response) if self.recipient.kind == "controller" else None
        unreached = f"not reached: {', '.join(result.unreached)}" if result and result.unreached else ""
        for errand in errands:
            errand.settle("told" if newest[errand.fact.key] == errand.fact else "superseded", told_ns, unreached)
            errand.entry.transaction = result.number if result else errand.entry.transaction
        for number in dict.fromkeys(errand.entry.number for errand in errands if unreached):
            log.warning("decision %d, %s", number, unreached)

    def _refuse(self, errands: Iterable[Errand], response: Response) -> None:
        errands = list(errands)
        self._steering.refused(errand.fact for errand in errands)
        for errand in errands:
            errand.settle("refused", detail=_text(response))
        for entry in {errand.entry.number: errand.entry for errand in errands}.values():
            self._refused += 1
            log.error("decision %d for %s refused: %s", entry.number, entry.subject, entry.detail)


def _result(response: Response) -> TransactionResult | None:
    try:
        return TransactionResult.model_validate_json(response.body)
    except ValidationError:
        return None


def _text(response: Response) -> str:
    return f"{response.status} {response.body.decode(errors='replace')}"
