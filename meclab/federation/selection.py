"""Step 3 of system discovery: an orchestrator selects among the systems that were found."""

from dataclasses import dataclass
from typing import Literal

from meclab.federation.systems import SystemInfo
from meclab.messages import Body


class SelectionPolicy(Body):
    """Which system to take. Members of the federation go before those that are only available to form one."""

    prefer: tuple[str, ...] = ()
    """Providers, best first; others come after them, by name."""
    avoid: tuple[str, ...] = ()
    """Providers that are never taken."""
    form: bool = True
    """Whether a system may be taken that no federation exists with yet."""


@dataclass(frozen=True)
class Candidate:
    info: SystemInfo
    standing: Literal["member", "available"]


@dataclass(frozen=True)
class Selection:
    candidate: Candidate | None
    reason: str


def select(candidates: list[Candidate], policy: SelectionPolicy) -> Selection:
    """The first by policy, with the reason; the order of the candidates does not matter."""
    allowed = [
        candidate
        for candidate in candidates
        if candidate.info.systemProvider not in policy.avoid and (policy.form or candidate.standing == "member")
    ]
    if not allowed:
        return Selection(None, f"none of {len(candidates)} systems is allowed by the policy")
    chosen = min(allowed, key=lambda candidate: _rank(candidate, policy))
    preferred = chosen.info.systemProvider in policy.prefer
    why = "a preferred provider" if preferred else "the first by provider and name"
    return Selection(
        chosen,
        f"{chosen.standing} of the federation, {why}, of {len(allowed)} allowed"
        if chosen.standing == "member"
        else f"available to form a federation, {why}, of {len(allowed)} allowed",
    )


def _rank(candidate: Candidate, policy: SelectionPolicy) -> tuple[bool, int, str, str, str]:
    info = candidate.info
    order = policy.prefer.index(info.systemProvider) if info.systemProvider in policy.prefer else len(policy.prefer)
    return candidate.standing != "member", order, info.systemProvider, info.systemName, info.systemId or ""
