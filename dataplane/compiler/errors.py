"""Errors of the compiler: each says where in the P4 source."""

from dataclasses import dataclass

from meclab.errors import LabError


@dataclass(frozen=True, order=True)
class Position:
    """A place in a source file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


NOWHERE = Position("", 0, 0)
"""Of what the compiler makes itself."""


class CompileError(LabError):
    """A program that is not valid P4, or not for this target; the message starts with its place."""

    def __init__(self, position: Position, message: str) -> None:
        super().__init__(f"{position}: {message}")
        self.position = position
        self.message = message


class UnsupportedError(CompileError):
    """Valid P4 that this target cannot run."""

    def __init__(self, position: Position, construct: str) -> None:
        super().__init__(position, f"construct {construct} is not supported")
