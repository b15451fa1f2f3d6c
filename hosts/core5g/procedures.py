"""The session function's procedures (TS 23.548 clauses 6.2.3.2 and 6.2.3.3), one at a time for each session.

| occasion | order |
|---|---|
| start | DNS context at the EASDF |
| a response is held back | uplink classifier and local anchor inserted; then context updated and response released |
| relocation | stale breakouts removed, context updated, the new answer at the name server; then the device told |

A device is told only where its host changes. With breakout from the start (`pre-established`) nothing is held back and
nothing is inserted: every edge has its hosts' breakouts for everybody.
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Literal, Protocol

from hosts.core5g import patches, sessions
from hosts.core5g.deployment import Deployment
from hosts.core5g.neasdf import DnsContextEventReport, Network
from hosts.core5g.sessions import Session
from hosts.core5g.templates import Address
from meclab.errors import PeerError
from meclab.messages import BreakoutIntent, Relocation

log = logging.getLogger(__name__)


class Neasdf(Protocol):
    """`hosts.core5g.neasdf_client.NeasdfClient`."""

    async def create(self, content: dict[str, Any]) -> str: ...

    async def update(self, target: str, items: list[dict[str, Any]], whole: dict[str, Any]) -> str: ...


class Breakouts(Protocol):
    """`hosts.core5g.userplane.UserPlane`."""

    async def change(self, add: frozenset[BreakoutIntent], remove: frozenset[BreakoutIntent]) -> bool: ...


class Telling(Protocol):
    """`hosts.core5g.indications.Indications`."""

    def tell(self, device: str, old: tuple[Network, ...]) -> object: ...


class Confirms(Protocol):
    """`hosts.core5g.confirming.Confirming`."""

    async def confirmed(self, subnet: Network, host: Sequence[Address]) -> bool: ...


class Unknown(PeerError):
    """A message names something that the plan does not have."""


class SessionFunction:
    """Every device's session."""

    def __init__(
        self,
        deployment: Deployment,
        neasdf: Neasdf,
        breakouts: Breakouts,
        telling: Telling,
        confirming: Confirms,
        callback: str,
        patience_s: float,
    ) -> None:
        """`callback` is the URI that devices' names follow in `notifyUri`; `patience_s` how long a step waits for the
        controller before the next is taken."""
        self.deployment = deployment
        self.sessions = sessions.initial(deployment)
        self._neasdf = neasdf
        self._breakouts = breakouts
        self._telling = telling
        self._confirming = confirming
        self._callback = callback
        self._patience_s = patience_s
        self._under_way: set[asyncio.Task[None]] = set()

    async def establish(self) -> None:
        """Gives every session that uses the EASDF its DNS context."""
        using = [session for session in self.sessions.values() if not session.bypasses_easdf]
        await asyncio.gather(*(self._established(session) for session in using))
        log.info("%d sessions, %d with a DNS context", len(self.sessions), len(using))

    async def _established(self, session: Session) -> None:
        async with session.lock:
            await self._update(session)

    def relocate(self, relocation: Relocation) -> Literal["accepted", "outdated"]:
        """Starts to carry out a relocation. Raises `Unknown`."""
        session = self.session(relocation.device)
        _require("access point", relocation.ap, self.deployment.access_points)
        _require("MEC host", relocation.host, self.deployment.hosts)
        if relocation.update <= session.update:
            return "outdated"
        self._start(self._relocated(session, relocation))
        return "accepted"

    def respond(self, device: str, reports: Sequence[DnsContextEventReport]) -> None:
        """Starts to deal with what the EASDF reports of a device. Raises `Unknown`."""
        session = self.session(device)
        session.reports += reports
        self._start(self._reported(session))

    def session(self, device: str) -> Session:
        """Raises `Unknown`."""
        _require("device", device, self.sessions)
        return self.sessions[device]

    async def settled(self) -> None:
        """Returns when nothing is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _start(self, procedure: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(procedure)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _relocated(self, session: Session, relocation: Relocation) -> None:
        async with session.lock:
            if relocation.update <= session.update:
                return
            old, device = session.host, session.name
            session.update, session.ap, session.host = relocation.update, relocation.ap, relocation.host
            stale = session.breakouts - self.deployment.breakouts(device, session.ap, session.host)
            session.breakouts -= stale
            if session.bypasses_easdf:
                await self._move(frozenset(), stale)
                return
            answered = self._answered(session) if old != session.host else _nothing()
            _, updated, _ = await asyncio.gather(self._move(frozenset(), stale), self._update(session), answered)
            log.info("%s at %s uses %s, before %s", device, session.ap, session.host, old)
            if updated and old != session.host:
                self._telling.tell(device, self.deployment.prefixes(old))

    async def _reported(self, session: Session) -> None:
        """Deals with the reports that wait, those that come meanwhile and need nothing more included."""
        async with session.lock:
            reports, session.reports = session.reports, []
            new = frozenset[BreakoutIntent]().union(*(self._missing(session, report) for report in reports))
            if new and await self._move(new, frozenset()):
                session.breakouts |= new
                log.info("%s at %s breaks out to %s", session.name, session.ap, _words(new))
            late = [report for report in session.reports if not self._missing(session, report)]
            session.reports = [report for report in session.reports if report not in late]
            await self._update(session, [one.dnsMsgId for one in (*reports, *late) if one.dnsMsgId is not None])

    def _missing(self, session: Session, report: DnsContextEventReport) -> frozenset[BreakoutIntent]:
        """The breakouts that the hosts in a response would need."""
        response = report.dnsRspReport
        if response is None or not self.deployment.dynamic:
            return frozenset()
        found: list[Address] = [*(response.easIpv4Addresses or ()), *(response.easIpv6Addresses or ())]
        hosts = {host for address in found if (host := self.deployment.host_at(address)) is not None}
        needed = (self.deployment.breakouts(session.name, session.ap, host) for host in hosts)
        return frozenset[BreakoutIntent]().union(*needed) - session.breakouts

    async def _move(self, add: frozenset[BreakoutIntent], remove: frozenset[BreakoutIntent]) -> bool:
        """Whether what is to be added is there, or will be: the controller is not waited for without end."""
        if not add and not remove:
            return True
        change = asyncio.get_running_loop().create_task(self._breakouts.change(add, remove))
        self._under_way.add(change)  # type: ignore[arg-type]
        change.add_done_callback(self._under_way.discard)
        done, _ = await asyncio.wait([change], timeout=self._patience_s)
        if not done:
            log.error("the controller is silent: %d breakouts come later", len(add) + len(remove))
        return not done or change.result()

    async def _update(self, session: Session, messages: Iterable[str] = ()) -> bool:
        """Brings a session's context to the EASDF, and has it release messages; whether the EASDF took it."""
        held = sessions.releases(messages)
        rules = sessions.rules(self.deployment, session)
        items = [*sessions.readdressed(session), *patches.difference(session.rules, rules | held, "dnsRules")]
        whole = sessions.context(session, rules | held, f"{self._callback}/{session.name}")
        try:
            if session.context is None:
                session.context = await self._neasdf.create(whole)
            elif items:
                session.context = await self._neasdf.update(session.context, items, whole)
        except PeerError as error:
            log.error("the EASDF refuses the context of %s: %s", session.name, error)
            return False
        session.rules, session.addresses = rules, session.device.addresses(session.ap)
        return True

    async def _answered(self, session: Session) -> None:
        subnet = self.deployment.subnet(session.device, session.ap)
        if not await self._confirming.confirmed(subnet, self.deployment.addresses(session.host)):
            log.warning("%s in %s is not answered %s", session.name, subnet, session.host)


async def _nothing() -> None:
    return


def _words(breakouts: Iterable[BreakoutIntent]) -> str:
    return ", ".join(sorted(str(one.prefix) for one in breakouts))


def _require(what: str, name: str, valid: Sequence[str] | set[str] | dict[str, Any]) -> None:
    if name not in valid:
        raise Unknown(f"{what} {name}; expected one of {', '.join(sorted(valid))}")
