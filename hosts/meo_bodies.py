"""Bodies of the orchestrator's interface that nobody but its clients and `hosts.meo_api` reads."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from meclab.messages import Body
from meclab.model import Name
from meclab.policy import Trigger
from meclab.quantity import Duration, Fraction
from meclab.scenario import Policy

CHANGEABLE = ("kind", "hysteresis", "load_margin", "load_limit", "dwell", "delay")
"""Keys of `Policy` that may change while the orchestrator runs; pins have requests of their own."""


class PolicyChange(Body):
    """A policy, whole or in part: what is left out stays as it is."""

    kind: Literal["nearest", "least-loaded"] = "nearest"
    hysteresis: Duration = 0
    load_margin: Fraction = 0.0
    load_limit: Fraction = 0.0
    dwell: Duration = 0
    delay: Duration = 0

    def applied(self, policy: Policy) -> Policy:
        """The policy with what was given."""
        return policy.model_copy(update={key: getattr(self, key) for key in self.model_fields_set})


class PinBody(Body):
    """The MEC host that a device is pinned to."""

    host: Name


class Answer(BaseModel):
    """What the interface answers with."""

    model_config = ConfigDict(frozen=True)


class Refusal(Answer):
    """Why a request was refused: a sentence, or for a body one for each thing that is wrong with it."""

    error: str | list[str]


class Decided(Answer):
    """What an attach, or its announcement, led to."""

    outcome: Literal["decided", "delayed", "repeated", "outdated"]
    host: str | None
    """None where no host is alive, or the decision is still to come."""
    reason: str


class Changed(Answer):
    """Devices whose host changed; those that `Policy.delay` holds up are in the audit log later."""

    changed: list[str]


class PolicyNow(Answer):
    """The policy in force."""

    kind: str
    hysteresis: str = Field(examples=["2ms"])
    load_margin: float
    load_limit: float
    dwell: str
    delay: str


class PolicyAnswer(Changed):
    """The policy in force, and who had to move for it."""

    policy: PolicyNow


class Pins(Answer):
    """Device to MEC host."""

    pins: dict[str, str]


class DeliveryListed(Answer):
    """What became of a decision with one recipient."""

    fate: str
    told_ns: int | None
    detail: str


class EntryListed(Answer):
    """One line of the audit log; times are CLOCK_REALTIME in ns."""

    number: int
    device: str | None
    location: str | None
    """Access point, where the decision holds for whoever is there."""
    ap: str | None
    host: str | None
    from_host: str | None
    trigger: Trigger
    reason: str
    attached_ns: int | None
    heard_ns: int
    decided_ns: int | None
    told_ns: int | None
    fate: str
    transaction: int | None
    detail: str
    recipients: dict[str, DeliveryListed]


class Decisions(Answer):
    """The audit log."""

    decisions: list[EntryListed]
