"""A federation manager (MEFM) or a broker (MEFB), without its HTTP interface."""

import asyncio
import logging
from typing import Any

from hosts.federation import client
from hosts.federation.assuring import Assuring, Prober
from hosts.federation.client import FAILURES
from hosts.federation.core import Core, Means
from hosts.federation.directory import Directory
from hosts.federation.offering import Offering, moment
from hosts.federation.using import Using
from hosts.web.problems import Refusal
from meclab.federation.denials import Denied
from meclab.federation.parties import Settings
from meclab.model import SECOND

log = logging.getLogger(__name__)


class Federator:
    """Its parts, and what concerns several of them."""

    def __init__(self, settings: Settings, means: Means, prober: Prober | None = None) -> None:
        self.core = Core(settings, means)
        self.directory = Directory(self.core)
        self.using = Using(self.core, self.directory)
        self.offering = Offering(self.core, self._began, self._ended)
        self.assuring = Assuring(self.core, self.directory, prober)
        self._tasks: set[asyncio.Task[None]] = set()

    async def form(self, partner: str) -> dict[str, Any]:
        """A directed federation with a partner. Raises `Denied`, `Refusal`."""
        self.core.members.get(partner)
        await self.using.form(partner)
        return self.listed()

    async def suspend(self, partner: str, locked: bool) -> None:
        """Suspends or resumes both directions. Raises `Denied`, `Refusal`."""
        used, offered = self.core.agreements.used_from(partner), self.core.agreements.offered_to(partner)
        self._require(partner)
        if offered is not None:
            self.offering.suspend(offered, locked)
        if used is not None:
            await self.using.suspend(used, locked)

    async def renew(self, partner: str) -> None:
        """Another term for what is used of a partner. Raises `Denied`, `Refusal`."""
        used = self.core.agreements.used_from(partner)
        if used is None:
            raise Denied("unknown", "UNKNOWN_FEDERATION", f"nothing of {partner} is used")
        await self.using.renew(used)

    def end(self, partner: str) -> None:
        """Ends both directions. Raises `Denied`."""
        used, offered = self.core.agreements.used_from(partner), self.core.agreements.offered_to(partner)
        self._require(partner)
        if offered is not None:
            self.offering.terminate(offered)
        if used is not None:
            self.using.end(used)

    def revoke(self, name: str) -> None:
        """Refuses a party from now on: its tokens and certificate are void here, its agreements are ended, and what
        was on its way to it is dropped. Raises `Denied`."""
        self.core.members.get(name)
        if name in self.core.members.revoked:
            return
        self.core.members.revoked[name] = self.core.clock()
        self.core.audit.write("REVOKED", "from now on its requests are refused", subject=name)
        self.core.outbox.drop(name)
        self.offering.forget_party(name)
        self.using.forget(name)
        self.directory.forget_party(name)

    async def follow_revocations(self) -> None:
        """Asks brokers for revocations until cancelled, twice in `Settings.revocation_ns`."""
        while True:
            for party in self.core.members.of_role("broker"):
                if self.core.agreements.used_from(party.name) is not None:
                    await self._ask_revocations(party.name)
            await asyncio.sleep(self.core.settings.revocation_ns / 2 / SECOND)

    def listed(self) -> dict[str, Any]:
        """Agreements and relationships, as a JSON object."""
        now_ns = self.core.clock()
        agreements = self.core.agreements.listed()
        others = {known.partner for known in agreements} | {known.originating for known in agreements}
        others.discard(self.core.settings.name)
        return {
            "federations": [
                {
                    "federationContextId": known.context,
                    "originating": known.originating,
                    "partner": known.partner,
                    "federationStatus": known.status(now_ns),
                    "reachable": not self.core.unreached(
                        known.partner if known.originating == self.core.settings.name else known.originating
                    ),
                    "expiryDate": moment(known.expires_ns).isoformat(),
                    "zones": sorted(known.zones),
                }
                for known in agreements
            ],
            "relationships": {name: self.core.agreements.relationship(name, now_ns) for name in sorted(others)},
        }

    def health(self) -> dict[str, Any]:
        """As a JSON object."""
        lines = self.core.outbox.health()
        trouble = any(line["trouble"] or line["given_up"] for line in lines.values())
        return {
            "status": "degraded" if trouble else "ok",
            "name": self.core.settings.name,
            "role": self.core.settings.role,
            "requests": self.core.gate.served,
            "lines": lines,
        }

    def assured(self) -> dict[str, Any]:
        """What the broker has found, as a JSON object."""
        assurance = self.assuring.assurance
        return {
            "systems": {name: record.listed() for name, record in assurance.records.items()},
            "breaches": [vars(breach) for breach in assurance.breaches],
        }

    def _require(self, partner: str) -> None:
        self.core.members.get(partner)
        if self.core.agreements.used_from(partner) is None and self.core.agreements.offered_to(partner) is None:
            raise Denied("unknown", "UNKNOWN_FEDERATION", f"there is no federation with {partner}")

    def _began(self, partner: str) -> None:
        if partner in self.core.settings.reciprocate and self.core.agreements.used_from(partner) is None:
            task = asyncio.create_task(self._reciprocate(partner))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _ended(self, partner: str) -> None:
        self.directory.forget_party(partner)

    async def _reciprocate(self, partner: str) -> None:
        try:
            await self.using.form(partner)
        except (Denied, Refusal) as error:
            log.error("no federation in the other direction with %s: %s", partner, error)

    async def _ask_revocations(self, broker: str) -> None:
        try:
            response = await self.core.peer(broker).call("GET", "/v1/revocations")
            revoked = client.read(response)["revoked"] if response.status == 200 else ()
        except (*FAILURES, Denied, KeyError, TypeError) as error:
            log.error("%s does not say who is revoked: %s: %s", broker, type(error).__name__, error)
            return
        for name in revoked:
            if name not in self.core.members.revoked and self._is_known(name):
                self.revoke(name)

    def _is_known(self, name: str) -> bool:
        try:
            self.core.members.get(name)
        except Denied:
            return False
        return True
