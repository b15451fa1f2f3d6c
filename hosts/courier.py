"""Carries decisions to the controller: one transaction at a time, what waits meanwhile goes together in the next.

One connection with one transaction on it keeps the order of a device's decisions. A controller that cannot be
reached or fails (5xx) is tried again until it answers; newer decisions join the retry. A transaction that the
controller refuses (4xx) is sent again device by device, so that one bad entry does not cost the others theirs;
what is still refused then is logged and kept in the audit log.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from pydantic import ValidationError

from hosts.audit import Entry
from hosts.http1 import Response
from meclab import steering
from meclab.errors import PeerError
from meclab.messages import Transaction, TransactionResult
from meclab.methods import Method

log = logging.getLogger(__name__)
_FIRST_BACKOFF_S = 0.005
_LONGEST_BACKOFF_S = 0.25


class Sender(Protocol):
    """What the courier needs of `hosts.client.Client`."""

    @property
    def connected(self) -> bool: ...

    async def send(self, method: str, target: str, body: bytes | None = None) -> Response: ...


class Courier:
    """Delivers the entries of the audit log."""

    def __init__(self, method: Method, controller: Sender, clock_ns: Callable[[], int]) -> None:
        self._method = method
        self._controller = controller
        self._clock_ns = clock_ns
        self._waiting: list[Entry] = []
        self._in_flight = 0
        self._wake = asyncio.Event()
        self._error: str | None = None
        self._refused = 0

    def take(self, entries: Sequence[Entry]) -> None:
        """Sends these as soon as the line is free; what the method does not carry to the network stays here."""
        for entry in entries:
            if combined(self._method, [entry]) is None:
                entry.fate = "nothing to tell"
            else:
                self._waiting.append(entry)
                self._wake.set()

    def health(self) -> dict[str, object]:
        """State of the line to the controller, as a JSON object; `error` is the present trouble."""
        return {
            "connected": self._controller.connected,
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

    def _taken(self) -> list[Entry]:
        batch, self._waiting = self._waiting, []
        return batch

    async def _deliver(self, batch: list[Entry], alone: bool = False) -> None:
        """Until the controller has answered; newer entries join a retry unless the batch is to go `alone`."""
        backoff_s = _FIRST_BACKOFF_S
        while True:
            response = await self._attempt(batch)
            if response is None:
                await asyncio.sleep(backoff_s)
                backoff_s = min(2 * backoff_s, _LONGEST_BACKOFF_S)
                batch += [] if alone else self._taken()
                continue
            if response.status < 300:
                self._confirm(batch, response)
            elif len(devices := dict.fromkeys(entry.device for entry in batch)) > 1:
                for device in devices:
                    await self._deliver([entry for entry in batch if entry.device == device], alone=True)
            else:
                self._refuse(batch, response)
            return

    async def _attempt(self, batch: list[Entry]) -> Response | None:
        """The controller's answer, none where it must be asked again."""
        transaction = combined(self._method, batch)
        assert transaction is not None, "`take` keeps out what says nothing"
        self._in_flight = len(batch)
        try:
            response = await self._controller.send("POST", "/v1/transactions", transaction.model_dump_json().encode())
            error = _text(response) if response.status >= 500 else None
        except (OSError, TimeoutError, PeerError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        self._in_flight = 0
        if error != self._error:
            log.log(logging.ERROR if error else logging.INFO, "controller: %s", error or "answers again")
            self._error = error
        if error is None:
            return response
        for entry in batch:
            entry.detail = f"trying again: {error}"
        return None

    def _confirm(self, batch: list[Entry], response: Response) -> None:
        told_ns = self._clock_ns()
        result = _result(response)
        last = {entry.device: entry for entry in batch if entry.decision is not None}
        for entry in batch:
            newer = last.get(entry.device, entry)
            overtaken = entry.decision and newer.decision and entry.decision.host != newer.decision.host
            entry.fate = "superseded" if overtaken else "told"
            entry.told_ns = told_ns
            entry.transaction = result.number if result else None
            entry.detail = f"not reached: {', '.join(result.unreached)}" if result and result.unreached else ""
            if entry.detail:
                log.warning("decision %d, %s", entry.number, entry.detail)

    def _refuse(self, batch: list[Entry], response: Response) -> None:
        for entry in batch:
            entry.fate = "refused"
            entry.detail = _text(response)
            self._refused += 1
            log.error("decision %d for %s refused: %s", entry.number, entry.device, entry.detail)


def combined(method: Method, batch: Sequence[Entry]) -> Transaction | None:
    """One transaction for a batch; a device's last word counts."""
    attach = {entry.device: entry.ap for entry in batch if entry.ap is not None}
    return steering.transaction(method, attach, tuple(entry.decision for entry in batch if entry.decision is not None))


def _result(response: Response) -> TransactionResult | None:
    try:
        return TransactionResult.model_validate_json(response.body)
    except ValidationError:
        return None


def _text(response: Response) -> str:
    return f"{response.status} {response.body.decode(errors='replace')}"
