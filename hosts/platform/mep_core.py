"""A MEC platform without its HTTP interface: the rules of its host's application, and who must hear of a change.

DNS rules go to the DNS server, one update for one configuration: all of its rules, those of other hosts too, since
old off and new on are one step there. Where that is the authoritative server, which all platforms tell, an application
has the rules that name its own host; where it is the host's own resolver, those of its own instance. Traffic rules
become breakouts at the controller.

A platform that has restarted is told by its manager what it was configured with (`register`). What its application had
switched since is then as the DNS server has it for DNS rules, and as configured for traffic rules.
"""

import asyncio
import logging
import uuid
from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from hosts.platform import traffic
from hosts.platform.lines import Answer, Line, text
from hosts.platform.rulebook import Held, Rulebook
from hosts.web.http1 import Response
from hosts.web.problems import Refusal
from meclab.errors import PeerError
from meclab.messages import BreakoutIntent, DnsRule, DnsUpdate, DnsUpdated, Transaction
from meclab.plan import Plan
from meclab.platforms import InstanceConfiguration, Registered, Registration, TrafficRule, app_instance

log = logging.getLogger(__name__)
HOLD_S = 1.0
"""Longest wait for DNS server and controller before a request is answered: it goes on without them."""


class Platform:
    """The platform of one host."""

    def __init__(
        self,
        plan: Plan,
        host: str,
        dns: Line[DnsUpdate] | None,
        controller: Line[Transaction],
        manager: Line[Registration] | None = None,
    ) -> None:
        """`dns` is none where the method has no DNS server, `manager` where nobody is to know that it has started."""
        self.host = host
        self.instance = app_instance(host)
        self.dns_rules = Rulebook(DnsRule)
        self.traffic_rules = Rulebook(TrafficRule, traffic.planned(plan, host))
        self.dns = dns
        self.controller = controller
        self.manager = manager
        self._plan = plan
        node = plan.node(host)
        self._addresses = {node.ipv4, node.ipv6}
        self._has_resolver = host in plan.runs("ldns")
        self._breakouts = self._wanted()

    async def register(self) -> None:
        """Tells the manager of this start; after a restart the controller is told all breakouts that are to be."""
        if self.manager is None:
            return
        response = await self.manager.put(Registration(host=self.host, start=uuid.uuid4().hex))
        if response.status < 300 and Registered.model_validate_json(response.body).again and self._breakouts:
            answer = self.controller.put(Transaction(breakout=tuple(self._breakouts)))
            _logged(answer, f"restarted: {len(self._breakouts)} breakouts told again")

    def configure(self, configurations: Sequence[InstanceConfiguration]) -> list[Answer]:
        """Takes configurations, in order; the answers that they wait for. Raises `Refusal` and takes none."""
        for configuration in configurations:
            self._check(configuration)
        answers = []
        for configuration in configurations:
            is_own = configuration.instance == self.instance
            if is_own or not self._has_resolver:
                answers += self._name(configuration)
            if is_own:
                self.traffic_rules.configure(configuration.update, configuration.appTrafficRule)
                answers += self._steer()
        return answers

    def _name(self, configuration: InstanceConfiguration) -> list[Answer]:
        """Tells the DNS server a configuration's rules."""
        rules = configuration.appDNSRule
        own = [rule for rule in rules if self._has_resolver or rule.ipAddress in self._addresses]
        self.dns_rules.configure(configuration.update, own)
        if not rules or self.dns is None:
            return []
        update = DnsUpdate(update=configuration.update, source=self.host, rules=rules)
        answer = _logged(self.dns.put(update), f"update {update.update}, {len(rules)} DNS rules")
        answer.add_done_callback(self._named)
        return [answer]

    def _named(self, answer: Answer) -> None:
        """The DNS server has an update, and may know of a later change: of before a restart of this platform."""
        if answer.cancelled() or answer.result().status >= 300:
            return
        try:
            newer = DnsUpdated.model_validate_json(answer.result().body).newer
        except ValidationError as error:
            log.error("an answer of the DNS server that is none: %s", error)
            return
        for known in newer:
            self.dns_rules.adopt(known.rules[0], known.update, known.change)

    async def switch_dns(self, identifier: str, body: bytes, if_match: str | None) -> Held[DnsRule]:
        """The application's PUT of a DNS rule; raises `Refusal`."""
        before, after = self.dns_rules.switch(identifier, body, if_match)
        if after is not before and self.dns is not None:
            update = DnsUpdate(update=after.update, change=after.change, source=self.host, rules=(after.rule,))
            answer = _logged(self.dns.put(update), f"update {after.update}.{after.change}, DNS rule {identifier}")
            if (refusal := await refused([answer])) is not None:
                self.dns_rules.undo(before, after)
                raise Refusal(403, f"the DNS server refuses: {refusal}")
        return after

    async def switch_traffic(self, identifier: str, body: bytes, if_match: str | None) -> Held[TrafficRule]:
        """The application's PUT of a traffic rule; raises `Refusal`."""
        before, after = self.traffic_rules.switch(identifier, body, if_match)
        if after is not before and (refusal := await refused(self._steer())) is not None:
            self.traffic_rules.undo(before, after)
            self._breakouts = self._wanted()
            raise Refusal(403, f"the controller refuses: {refusal}")
        return after

    def _check(self, configuration: InstanceConfiguration) -> None:
        if configuration.instance != self.instance:
            return
        for rule in configuration.appTrafficRule:
            try:
                traffic.intents(self._plan, self.host, rule)
            except PeerError as error:
                raise Refusal(422, f"{rule.trafficRuleId}: {error}") from error

    def _steer(self) -> list[Answer]:
        """Tells the controller what has changed in the breakouts that the rules stand for."""
        before, self._breakouts = self._breakouts, self._wanted()
        added, removed = self._breakouts - before, before - self._breakouts
        if not added and not removed:
            return []
        answer = self.controller.put(Transaction(breakout=tuple(added), remove_breakout=tuple(removed)))
        return [_logged(answer, f"{len(added)} breakouts more, {len(removed)} less")]

    def _wanted(self) -> frozenset[BreakoutIntent]:
        return traffic.wanted(self._plan, self.host, (held.rule for held in self.traffic_rules.listed()))


def _logged(answer: Answer, what: str) -> Answer:
    """An answer, written down when it has come."""
    answer.add_done_callback(lambda done: None if done.cancelled() else log.info("%s: %d", what, done.result().status))
    return answer


async def refused(answers: Iterable[Answer]) -> str | None:
    """The first refusal among answers, waiting for them no longer than `HOLD_S`; none as well where they are late."""
    waiting = list(answers)
    if waiting:
        await asyncio.wait(waiting, timeout=HOLD_S)
    for answer in waiting:
        if answer.done() and is_refusal(answer.result()):
            return text(answer.result())
    return None


def is_refusal(response: Response) -> bool:
    """Whether an answer says no. What is not there and was to be taken away (404) is what was wanted."""
    return response.status >= 300 and response.status != 404


def outdates(newer: DnsUpdate, older: DnsUpdate) -> bool:
    """Whether an update need not be sent because a newer one has a word for each of its rules."""
    named = {rule.dnsRuleId for rule in newer.rules}
    return newer.order >= older.order and all(rule.dnsRuleId in named for rule in older.rules)
