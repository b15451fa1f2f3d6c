"""The platform manager (MEPM) without its HTTP interface: checks configurations and passes them on to platforms."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from hosts.platform import traffic
from hosts.platform.ledger import Ledger
from hosts.platform.lines import Answer, Line
from hosts.web.problems import Refusal
from meclab.check import nearest
from meclab.errors import PeerError
from meclab.messages import DnsRule
from meclab.model import MILLISECOND
from meclab.plan import Plan
from meclab.platforms import InstanceConfiguration, PlatformConfiguration, Registration, app_instance

log = logging.getLogger(__name__)
_KEPT = 10_000
HOLD_S = 1.0
"""Longest wait for a platform that is told everything again, before its registration is answered."""
OperationState = Literal["PROCESSING", "COMPLETED", "FAILED"]


@dataclass
class Operation:
    """An operation occurrence (GS MEC 010-2 clause 6.2.2.13): one configuration on its way. Times in ns."""

    identifier: str
    instance: str
    update: int
    started_ns: int
    entered_ns: int
    state: OperationState = "PROCESSING"


@dataclass(frozen=True)
class _Start:
    """One start of a platform's process."""

    identifier: str
    again: bool
    """Whether there was one before."""
    answers: list[Answer]
    """The platform's, to what it is told again."""


class Manager:
    """Every platform's manager."""

    def __init__(
        self,
        plan: Plan,
        platforms: Mapping[str, Line[InstanceConfiguration]],
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`platforms` are the lines to them, by their hosts' names."""
        self.platforms = platforms
        self._plan = plan
        self._clock_ns = clock_ns
        self._hosts = {app_instance(node.name): node.name for node in plan.mec_hosts}
        self._at: dict[IPv4Address | IPv6Address | None, str] = {
            address: node.name for node in plan.by_role("mec", "cloud") for address in (node.ipv4, node.ipv6)
        }
        self._ledgers = {name: Ledger() for name in platforms}
        self._starts: dict[str, _Start] = {}
        """By host, the start of its platform that has registered last."""
        self._operations: dict[str, Operation] = {}
        self._order: deque[str] = deque()
        self._number = 0

    def configure(self, instance: str, configuration: PlatformConfiguration) -> Operation:
        """Passes a configuration on. Raises `Refusal`: 404 for an unknown instance, 400 for rules that cannot be."""
        host = self.host_of(instance)
        if problems := [*self._dns_problems(configuration), *self._traffic_problems(host, configuration)]:
            raise Refusal(400, "; ".join(problems))
        passed = InstanceConfiguration(instance=instance, **dict(configuration))
        answers = [self._pass_on(name, passed) for name in sorted(self._concerned(host, configuration))]
        now_ns = self._clock_ns()
        self._number += 1
        operation = Operation(f"op-{self._number}", instance, configuration.update, now_ns, now_ns)
        self._keep(operation)
        watch = _Watch(operation, answers, self._clock_ns)
        for answer in answers:
            answer.add_done_callback(watch.answered)
        return operation

    async def register(self, registration: Registration) -> bool:
        """A platform has started. One that has restarted has forgotten what it was configured with, and is told it
        again, each update by its own number; whether it is one. Raises `Refusal`: 404 for an unknown host, 503 while
        the platform has not taken everything."""
        host = registration.host
        if host not in self.platforms:
            raise Refusal(404, f"no MEC host {host!r}; expected {nearest(host, self.platforms)}")
        start = self._starts.get(host)
        if start is None or start.identifier != registration.start:
            again = [self.platforms[host].put(known) for known in self._ledgers[host].configurations()]
            start = self._starts[host] = _Start(registration.start, start is not None, again)
            if start.again:
                log.warning("the platform of %s has restarted; %d configurations are told again", host, len(again))
        if start.answers:
            await asyncio.wait(start.answers, timeout=HOLD_S)
        if not all(answer.done() for answer in start.answers):
            raise Refusal(503, f"not told everything within {HOLD_S:g} s", {"Retry-After": "1"})
        return start.again

    def _pass_on(self, host: str, configuration: InstanceConfiguration) -> Answer:
        """Tells a platform a configuration, and remembers it when it is taken."""

        def answered(answer: Answer) -> None:
            if not answer.cancelled() and answer.result().status < 300:
                self._ledgers[host].enter(configuration)

        answer = self.platforms[host].put(configuration)
        answer.add_done_callback(answered)
        return answer

    def host_of(self, instance: str) -> str:
        """The host of an application instance; raises `Refusal`."""
        if instance not in self._hosts:
            raise Refusal(404, f"no application instance {instance!r}; expected {nearest(instance, self._hosts)}")
        return self._hosts[instance]

    def operation(self, identifier: str) -> Operation:
        """One of the last operations; raises `Refusal`."""
        if identifier not in self._operations:
            raise Refusal(404, f"no operation {identifier!r}, or one too long ago; the last is op-{self._number}")
        return self._operations[identifier]

    def _keep(self, operation: Operation) -> None:
        self._operations[operation.identifier] = operation
        self._order.append(operation.identifier)
        if len(self._order) > _KEPT:
            del self._operations[self._order.popleft()]

    def _concerned(self, host: str, configuration: PlatformConfiguration) -> set[str]:
        """The hosts whose platforms are told: the instance's, and those that a DNS rule names. A host's own resolver
        (`edge-dns`) is its platform's alone."""
        if self._plan.runs("ldns"):
            return {host}
        named = {self._at[rule.ipAddress] for rule in configuration.appDNSRule}
        return {host} | (named & self.platforms.keys())

    def _dns_problems(self, configuration: PlatformConfiguration) -> list[str]:
        rules = configuration.appDNSRule
        if rules and not (self._plan.runs("adns") or self._plan.runs("ldns")):
            return [f"appDNSRule: the method {self._plan.method.label} has no DNS server"]
        found = [f"{rule.dnsRuleId}: {problem}" for rule in rules for problem in self._dns_rule_problems(rule)]
        if len({rule.dnsRuleId for rule in rules}) < len(rules):
            found.append("appDNSRule: the same dnsRuleId twice")
        return found

    def _dns_rule_problems(self, rule: DnsRule) -> list[str]:
        found = []
        zone = self._plan.dns.zone.rstrip(".")
        name = rule.domainName.rstrip(".").lower()
        if name != zone and not name.endswith("." + zone):
            found.append(f"domainName {rule.domainName!r}; expected {self._plan.dns.name} or another name in {zone}.")
        if rule.ipAddress not in self._at:
            known = ", ".join(
                str(address) for address in self._at if address and address.version == rule.ipAddress.version
            )
            found.append(f"ipAddress {rule.ipAddress} is no host's; expected one of {known}")
        return found

    def _traffic_problems(self, host: str, configuration: PlatformConfiguration) -> list[str]:
        found = []
        for rule in configuration.appTrafficRule:
            try:
                traffic.intents(self._plan, host, rule)
            except PeerError as error:
                found.append(f"{rule.trafficRuleId}: {error}")
        if len({rule.trafficRuleId for rule in configuration.appTrafficRule}) < len(configuration.appTrafficRule):
            found.append("appTrafficRule: the same trafficRuleId twice")
        return found


def outdates(newer: InstanceConfiguration, older: InstanceConfiguration) -> bool:
    """Whether a configuration need not be passed on because a newer one has a word for each of its rules."""
    if newer.instance != older.instance or newer.update < older.update:
        return False
    names = {rule.dnsRuleId for rule in newer.appDNSRule}
    traffic_names = {rule.trafficRuleId for rule in newer.appTrafficRule}
    return all(rule.dnsRuleId in names for rule in older.appDNSRule) and all(
        rule.trafficRuleId in traffic_names for rule in older.appTrafficRule
    )


class _Watch:
    """Ends an operation when every platform has answered."""

    def __init__(self, operation: Operation, answers: list[Answer], clock_ns: Callable[[], int]) -> None:
        self._operation = operation
        self._answers = answers
        self._clock_ns = clock_ns

    def answered(self, _: Answer) -> None:
        if not all(answer.done() for answer in self._answers):
            return
        failed = any(answer.cancelled() or answer.result().status >= 300 for answer in self._answers)
        self._operation.state = "FAILED" if failed else "COMPLETED"
        self._operation.entered_ns = self._clock_ns()
        took_ms = (self._operation.entered_ns - self._operation.started_ns) / MILLISECOND
        done = self._operation
        log.info("update %d for %s: %s after %.1f ms", done.update, done.instance, done.state, took_ms)
