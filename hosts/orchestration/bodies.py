"""What the orchestrator's interface answers with."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from meclab.policy import Trigger


class Answer(BaseModel):
    """An answer's body."""

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
