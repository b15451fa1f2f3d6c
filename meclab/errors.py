"""The lab's errors, one class for each party that can be at fault."""

from collections.abc import Sequence
from dataclasses import dataclass


class LabError(Exception):
    """Root of every error that the lab raises on purpose; `exit_status` is the command's."""

    exit_status = 1


class SetupError(LabError):
    """The machine lacks something: says what, and the command that brings it."""

    exit_status = 3


class InputError(LabError):
    """The user named something that is not there or cannot be; says what there is."""

    exit_status = 2


class PeerError(LabError):
    """A bad packet or a bad answer from another process."""


class RunError(LabError):
    """Something the run depends on died or did not get ready; carries its last log lines."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in the user's file."""

    where: tuple[str | int, ...]
    """Path of keys and list indices from the top of the file."""
    found: str
    expected: str

    @property
    def path(self) -> str:
        """`events[2].handover.to`, as shown to the user."""
        text = ""
        for step in self.where:
            text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
        return text or "(top of the file)"

    def __str__(self) -> str:
        return f"{self.path}: found {self.found}; expected {self.expected}"


class ScenarioError(LabError):
    """The user's file is wrong; carries every problem found, not only the first."""

    exit_status = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))
