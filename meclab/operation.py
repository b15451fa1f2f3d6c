"""What an operator may change while the orchestrator runs: bodies of its interface."""

from typing import Any, Literal

from pydantic import field_validator

from meclab.messages import Body
from meclab.model import Name
from meclab.quantity import Duration, Fraction
from meclab.scenario import Policy


class PolicyChange(Body):
    """The orchestrator's policy (`meclab.scenario.Policy`), whole or in part: what is left out stays as it is."""

    kind: Literal["nearest", "least-loaded"] = "nearest"
    hysteresis: Duration = 0
    load_margin: Fraction = 0.0
    load_limit: Fraction = 0.0
    dwell: Duration = 0
    delay: Duration = 0

    @field_validator("hysteresis", "dwell", "delay", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        """JSON does not tell 3.0 from 3."""
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def applied(self, policy: Policy) -> Policy:
        """The policy with what was given."""
        return policy.model_copy(update={key: getattr(self, key) for key in self.model_fields_set})


class PinTo(Body):
    """The MEC host that a device is pinned to."""

    host: Name
