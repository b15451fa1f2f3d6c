"""The orchestrator without its HTTP interface: takes events, has them decided, marks and sends decisions."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from hosts.orchestration.audit import Audit, Entry
from hosts.orchestration.orchestrator import Orchestrator
from hosts.orchestration.standings import AttachResult
from meclab.facts import Fact
from meclab.messages import AttachEvent, LoadReport, Preparation
from meclab.model import MILLISECOND, SECOND
from meclab.plan import Plan
from meclab.policy import Decision, Trigger
from meclab.scenario import Policy
from meclab.steering import Steering

log = logging.getLogger(__name__)
_REVIEW_S = 0.05
_LOG_LATER_S = 0.01
_LONGEST_SLEEP_S = 60.0
Mark = Callable[[Decision], None]


class Messenger(Protocol):
    """What the orchestrator needs of `hosts.orchestration.messengers.Messengers`."""

    def tell(self, entry: Entry, facts: Sequence[Fact]) -> None: ...

    def hurry(self, host: str) -> None: ...

    def health(self) -> dict[str, object]: ...


class Meo:
    """Takes events, has them decided, marks each decision's instant and hands it to the messengers."""

    def __init__(
        self, steering: Steering, messengers: Messenger, mark: Mark, clock_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.plan: Plan = steering.plan
        self.state = Orchestrator(steering.plan)
        self.audit = Audit()
        self.messengers = messengers
        self._steering = steering
        self._mark = mark
        self._clock_ns = clock_ns
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Tells what holds before any device is there."""
        now_ns = self._clock_ns()
        self._changed(self.state.start(now_ns), now_ns)

    def attached(self, event: AttachEvent, heard_ns: int) -> AttachResult:
        """A device attached. Raises `UnknownName` and `Conflict`."""
        result = self.state.attach(event, self._clock_ns())
        if result.outcome not in ("decided", "delayed"):
            return result
        where = event.ap, event.at_ns
        if result.decision is not None:
            self._mark(result.decision)
            entry = self.audit.decided(result.decision, heard_ns, *where)
        else:
            entry = self.audit.undecided(event.device, "attach", self._why_not(result), heard_ns, *where)
        facts = self._steering.attached(event.device, event.ap, event.sequence)
        self._send(entry, (*facts, *self._facts(entry)))
        self._wake()
        return result

    def prepared(self, event: Preparation, heard_ns: int) -> AttachResult:
        """A device is about to move. Raises `UnknownName` and `Conflict`."""
        result = self.state.prepare(event, self._clock_ns())
        if result.outcome == "decided" and result.decision is not None:
            self._changed([result.decision], heard_ns)
        elif result.outcome in ("decided", "delayed"):
            self._send(self.audit.undecided(event.device, "prepare", self._why_not(result), heard_ns), ())
        self._wake()
        return result

    def loaded(self, report: LoadReport, heard_ns: int) -> tuple[Decision, ...]:
        """A host reported its load; the decisions that follow. Raises `UnknownName`."""
        known = self.state.hosts.get(report.host)
        is_back = known is not None and not known.state.alive
        lost = self._steering.lost(report.host) if is_back else ()
        decisions = self._changed(self.state.load(report, self._clock_ns()), heard_ns, "restore")
        if facts := self._steering.again(lost):
            reason = f"{report.host} is back: what its resolver is to know is told again"
            self._send(self.audit.undecided(None, "restore", reason, heard_ns), facts)
        if is_back:
            self.messengers.hurry(report.host)
        self._wake()
        return decisions

    def pinned(self, device: str, host: str | None, heard_ns: int) -> tuple[Decision, ...]:
        """The operator pinned a device, or ended its pin; the decisions that follow. Raises `UnknownName`."""
        decisions = self._changed(self.state.pin(device, host, self._clock_ns()), heard_ns)
        self._wake()
        return decisions

    def ruled(self, policy: Policy, heard_ns: int) -> tuple[Decision, ...]:
        """The operator changed the policy; the decisions that follow."""
        decisions = self._changed(self.state.change_policy(policy, self._clock_ns()), heard_ns)
        self._wake()
        return decisions

    def review(self) -> tuple[Decision, ...]:
        """Asks the state what time alone has changed."""
        now_ns = self._clock_ns()
        return self._changed(self.state.review(now_ns), now_ns)

    async def watch(self) -> None:
        """Reviews until cancelled."""
        self.start()
        while True:
            await asyncio.sleep(_REVIEW_S)
            self.review()

    def _wake(self) -> None:
        """Reviews when the next delayed decision is due, and not only at the next round."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (due_ns := self.state.due_ns) is not None:
            left_s = max(0, due_ns - self._clock_ns()) / SECOND
            self._timer = asyncio.get_running_loop().call_later(min(left_s, _LONGEST_SLEEP_S), self._due)

    def _due(self) -> None:
        self._timer = None
        self.review()
        self._wake()

    def _why_not(self, result: AttachResult) -> str:
        delay_ms = self.state.policy.delay / MILLISECOND
        return f"is decided {delay_ms:g} ms later" if result.outcome == "delayed" else "no MEC host is alive"

    def _changed(
        self, decisions: Sequence[Decision], heard_ns: int, lives: Trigger = "failure"
    ) -> tuple[Decision, ...]:
        """Marks and tells decisions, and with them what hosts that fell silent or spoke again mean for resolvers
        (`lives` says which): for a device without a decision in an entry of its own."""
        for decision in decisions:
            if not decision.of_location:
                self._mark(decision)
        self._steering.learn(decisions)
        handed = self._steering.alive(self.state.living)
        for decision in decisions:
            entry = self.audit.decided(decision, decision.heard_ns or heard_ns)
            self._send(entry, (*self._facts(entry), *handed.pop(decision.device, ())))
        for device, facts in handed.items():
            reason = f"is handed the resolver nearest to it whose host is alive, after a {lives}"
            self._send(self.audit.undecided(device, lives, reason, heard_ns), facts)
        return tuple(decision for decision in decisions if not decision.of_location)

    def _facts(self, entry: Entry) -> tuple[Fact, ...]:
        """What the method has to tell of an entry's decision; the entry says what it cannot carry."""
        decision = entry.decision
        if decision is None:
            return ()
        if decision.of_location:
            return self._steering.located(decision)
        facts = self._steering.decided(decision)
        entry.note = self._steering.shortfall(decision.device)
        return facts

    def _send(self, entry: Entry, facts: Sequence[Fact]) -> None:
        self.messengers.tell(entry, facts)
        asyncio.get_running_loop().call_later(_LOG_LATER_S, _log, entry)


def _log(entry: Entry) -> None:
    """Later than the decision, which must not wait for a disk."""
    decision = entry.decision
    if decision is None:
        log.warning("%s at %s: %s", entry.subject or "nobody", entry.ap or "no access point", entry.reason)
    else:
        log.info("%s: %s -> %s (%s)", decision.device, decision.previous, decision.host, decision.reason)
