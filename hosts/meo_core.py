"""The orchestrator without its HTTP interface: takes events, has them decided, marks and sends decisions."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from hosts.audit import Audit, Entry
from hosts.courier import Courier
from hosts.orchestrator import AttachResult, Orchestrator
from meclab.messages import AttachEvent, LoadReport
from meclab.plan import Plan
from meclab.policy import Decision

log = logging.getLogger(__name__)
_REVIEW_S = 0.05
_LOG_LATER_S = 0.01
Mark = Callable[[Decision], None]


class Meo:
    """Takes events, has them decided, marks each decision's instant and hands it to the courier."""

    def __init__(self, plan: Plan, courier: Courier, mark: Mark, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.state = Orchestrator(plan)
        self.audit = Audit()
        self.courier = courier
        self._mark = mark
        self._clock_ns = clock_ns

    def attached(self, event: AttachEvent, heard_ns: int) -> AttachResult:
        """A device attached. Raises `UnknownName` and `Conflict`."""
        result = self.state.attach(event, self._clock_ns())
        if result.outcome == "decided":
            if result.decision is not None:
                self._mark(result.decision)
            self._send([self.audit.add(event.device, heard_ns, result.decision, event.ap, event.at_ns)])
        return result

    def loaded(self, report: LoadReport, heard_ns: int) -> tuple[Decision, ...]:
        """A host reported its load; the decisions that follow. Raises `UnknownName`."""
        return self._changed(self.state.load(report, self._clock_ns()), heard_ns)

    def review(self) -> tuple[Decision, ...]:
        """Asks the state what time alone has changed."""
        now_ns = self._clock_ns()
        return self._changed(self.state.review(now_ns), now_ns)

    async def watch(self) -> None:
        """Reviews until cancelled."""
        while True:
            await asyncio.sleep(_REVIEW_S)
            self.review()

    def _changed(self, decisions: Sequence[Decision], heard_ns: int) -> tuple[Decision, ...]:
        for decision in decisions:
            self._mark(decision)
        if decisions:
            self._send([self.audit.add(decision.device, heard_ns, decision) for decision in decisions])
        return tuple(decisions)

    def _send(self, entries: Sequence[Entry]) -> None:
        self.courier.take(entries)
        asyncio.get_running_loop().call_later(_LOG_LATER_S, _log, entries)


def _log(entries: Sequence[Entry]) -> None:
    """Later than the decision, which must not wait for a disk."""
    for entry in entries:
        if entry.decision is None:
            log.warning("%s at %s: no MEC host is alive", entry.device, entry.ap)
        else:
            decision = entry.decision
            log.info("%s: %s -> %s (%s)", decision.device, decision.previous, decision.host, decision.reason)
