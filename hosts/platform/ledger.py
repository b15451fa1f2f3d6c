"""What one platform has been configured with, kept by its manager: what it is told again when it has restarted."""

from typing import Generic, TypeVar

from meclab.messages import DnsRule
from meclab.platforms import InstanceConfiguration, TrafficRule

R = TypeVar("R", DnsRule, TrafficRule)
Origin = tuple[int, str]
"""The update that brought a rule, and the application instance that it configured."""


class Ledger:
    """The newest of each rule, with where it came from."""

    def __init__(self) -> None:
        self._dns: _Newest[DnsRule] = _Newest()
        self._traffic: _Newest[TrafficRule] = _Newest()

    def enter(self, configuration: InstanceConfiguration) -> None:
        """The platform has taken a configuration; in whatever order they come."""
        origin = configuration.update, configuration.instance
        for name in configuration.appDNSRule:
            self._dns.enter(name.dnsRuleId, origin, name)
        for traffic in configuration.appTrafficRule:
            self._traffic.enter(traffic.trafficRuleId, origin, traffic)

    def configurations(self) -> list[InstanceConfiguration]:
        """The same again, oldest first, without the rules that newer ones have replaced."""
        names, traffic = self._dns.by_origin(), self._traffic.by_origin()
        return [
            InstanceConfiguration(
                instance=origin[1],
                update=origin[0],
                appDNSRule=tuple(names.get(origin, ())),
                appTrafficRule=tuple(traffic.get(origin, ())),
            )
            for origin in sorted({*names, *traffic})
        ]


class _Newest(Generic[R]):
    """Rules of one kind. Identifiers are an instance's own."""

    def __init__(self) -> None:
        self._rules: dict[tuple[str, str], tuple[Origin, R]] = {}

    def enter(self, identifier: str, origin: Origin, rule: R) -> None:
        key = origin[1], identifier
        if key not in self._rules or self._rules[key][0] < origin:
            self._rules[key] = origin, rule

    def by_origin(self) -> dict[Origin, list[R]]:
        found: dict[Origin, list[R]] = {}
        for origin, rule in self._rules.values():
            found.setdefault(origin, []).append(rule)
        return found
