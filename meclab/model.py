"""What every part of a scenario file is made of: its base model, names, and units of time."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

NAME_PATTERN = r"^[a-z][a-z0-9]{0,8}$"
"""Node names: at most 9 characters, so that `NODE-eth10` fits Linux's 15 for an interface."""

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Family = Literal["ipv4", "ipv6"]
MILLISECOND = 1_000_000
SECOND = 1_000_000_000


class Model(BaseModel):
    """A part of the file: unknown keys are errors, values cannot change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)
