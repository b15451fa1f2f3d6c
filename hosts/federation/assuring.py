"""The broker probes what its members advertise (assurance); what it finds `meclab.federation.assurance` judges."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from hosts.federation import client
from hosts.federation.client import FAILURES
from hosts.federation.core import Core
from hosts.federation.directory import RESOURCE, Directory
from meclab.federation.assurance import Assurance, Outcome, Probe
from meclab.federation.denials import Denied
from meclab.federation.systems import Registered, SystemInfo
from meclab.model import SECOND

log = logging.getLogger(__name__)
Prober = Callable[[Registered], Awaitable[tuple[Outcome, str]]]
"""Looks at a system; the outcome, and what it has seen. Raises nothing."""


class Assuring:
    """Probes every system of every member, round after round."""

    def __init__(self, core: Core, directory: Directory, prober: Prober | None = None) -> None:
        self.assurance = Assurance()
        self._core = core
        self._directory = directory
        self._prober = prober or self._ask_member

    async def run(self) -> None:
        """Probes until cancelled."""
        while True:
            await self.probe_all()
            await asyncio.sleep(self._core.settings.probe_interval_ns / SECOND)

    async def probe_all(self) -> None:
        """One round: every system at once."""
        known = {str(known.info.systemId): known for known in self._directory.systems.listed()}
        for gone in set(self.assurance.records) - set(known):
            self.assurance.forget(gone)
        await asyncio.gather(*(self._probe(identifier, entry) for identifier, entry in known.items()))

    async def _probe(self, identifier: str, known: Registered) -> None:
        agreement = self._core.agreements.offered_to(known.owner)
        if agreement is None or agreement.status(self._core.clock()) != "AVAILABLE":
            return
        self.assurance.watch(identifier, known.owner, agreement.terms.availability)
        began_ns = self._core.clock()
        outcome, detail = await self._prober(known)
        verdict = self.assurance.take(identifier, Probe(outcome, began_ns, self._core.clock() - began_ns, detail))
        if verdict != "none":
            log.warning("%s of %s: %s: %s", identifier, known.owner, verdict, detail or outcome)
            self._directory.withdraw(identifier, verdict == "withdraw")

    async def _ask_member(self, known: Registered) -> tuple[Outcome, str]:
        """Asks a member for the system that it advertises."""
        target = f"{RESOURCE}/{known.info.systemId}"
        try:
            response = await self._core.peer(known.owner).call("GET", target)
            if response.status != 200:
                return ("unreachable" if response.status >= 500 else "contradicts"), f"{response.status}"
            found = SystemInfo.model_validate(client.read(response))
        except (*FAILURES, Denied, ValueError) as error:
            return "unreachable", f"{type(error).__name__}: {error}"
        if found != known.info:
            return "contradicts", f"it is {found.systemName} of {found.systemProvider}"
        return "good", ""
