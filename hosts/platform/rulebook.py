"""The rules of one application at its platform: configured from above, switched on and off by the application.

Every rule has an order: the update that brought it, and how often the application has changed it since. A newer order
replaces an older one, so it does not matter in which order updates arrive. The entity tag is the order (RFC 9110
section 8.8.3).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from hosts.web import serving
from hosts.web.problems import Refusal
from meclab.messages import DnsRule
from meclab.platforms import TrafficRule

R = TypeVar("R", DnsRule, TrafficRule)


@dataclass(frozen=True)
class Held(Generic[R]):
    """A rule as it is now."""

    rule: R
    update: int
    change: int = 0

    @property
    def order(self) -> tuple[int, int]:
        return self.update, self.change

    @property
    def etag(self) -> str:
        return f'"{self.update}.{self.change}"'


class Rulebook(Generic[R]):
    """The rules by their identifiers."""

    def __init__(self, kind: type[R], rules: Iterable[R] = ()) -> None:
        """`rules` hold from the start, and give way to any update."""
        self._kind: type[R] = kind
        self._held: dict[str, Held[R]] = {_identifier(rule): Held(rule, 0) for rule in rules}

    def listed(self) -> list[Held[R]]:
        """Every rule, by identifier."""
        return [held for _, held in sorted(self._held.items())]

    def get(self, identifier: str) -> Held[R]:
        """One rule; raises `Refusal`."""
        if identifier not in self._held:
            known = ", ".join(sorted(self._held)) or "there is none yet"
            raise Refusal(404, f"no rule {identifier!r}; there are {known}")
        return self._held[identifier]

    def configure(self, update: int, rules: Iterable[R]) -> list[Held[R]]:
        """Takes the rules of an update; those that were news. Of what is as new or newer nothing changes."""
        news = []
        for rule in rules:
            known = self._held.get(_identifier(rule))
            if known is None or known.update < update:
                news.append(Held(rule, update))
        self._held.update({_identifier(held.rule): held for held in news})
        return news

    def adopt(self, rule: R, update: int, change: int) -> None:
        """Takes what somebody else knows better of a rule that is here: the application's change, after a restart."""
        known = self._held.get(_identifier(rule))
        if known is not None and known.order < (update, change):
            self._held[_identifier(rule)] = Held(rule, update, change)

    def switch(self, identifier: str, body: bytes, if_match: str | None) -> tuple[Held[R], Held[R]]:
        """The application's PUT: the rule before and after it, the same where its state does not change.

        The body is the whole rule or `state` alone; it changes nothing else. Raises `Refusal`: 404, 412, 400 for what
        is no rule, 403 for another change.
        """
        before = self.get(identifier)
        if not _matches(if_match, before.etag):
            raise Refusal(412, f"If-Match {if_match}; the rule is at {before.etag}")
        rule = self._read(before.rule, body)
        if rule == before.rule:
            return before, before
        after = Held(rule, before.update, before.change + 1)
        self._held[identifier] = after
        return before, after

    def undo(self, before: Held[R], after: Held[R]) -> None:
        """Takes a change back, unless a newer one has come."""
        if self._held.get(_identifier(after.rule)) is after:
            self._held[_identifier(after.rule)] = before

    def _read(self, rule: R, body: bytes) -> R:
        """The rule with the state that a body gives it."""
        stated = rule.model_dump(mode="json", exclude_none=True)
        given = _object(body)
        if "state" not in given:
            raise Refusal(400, "state: missing; it is what can be changed")
        try:
            wanted = self._kind.model_validate_json(json.dumps({**stated, **given}), strict=True)
        except ValidationError as error:
            raise Refusal(400, "; ".join(serving.complaints(error))) from error
        allowed = rule.model_copy(update={"state": wanted.state})
        if wanted != allowed:
            fields = [name for name in self._kind.model_fields if getattr(wanted, name) != getattr(allowed, name)]
            raise Refusal(403, f"{', '.join(fields)}: not to be changed; only state is")
        return allowed


def _identifier(rule: DnsRule | TrafficRule) -> str:
    return rule.dnsRuleId if isinstance(rule, DnsRule) else rule.trafficRuleId


def _object(body: bytes) -> dict[str, Any]:
    """A JSON object's members without nulls; raises `Refusal`."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"not JSON: {error}") from error
    if not isinstance(content, dict):
        raise Refusal(400, f"{type(content).__name__}; expected an object")
    return {name: value for name, value in content.items() if value is not None}


def _matches(if_match: str | None, etag: str) -> bool:
    """RFC 9110 section 13.1.1; no entity tag here is weak."""
    return if_match is None or if_match.strip() == "*" or etag in (tag.strip() for tag in if_match.split(","))
