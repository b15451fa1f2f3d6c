"""Errors of the compiler: each says where in the P4 source."""

from collections.abc import Sequence
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

    exit_status = 2

    def __init__(self, position: Position, message: str) -> None:
        super().__init__(f"{position}: {message}")
        self.position = position
        self.message = message


class UnsupportedError(CompileError):
    """Valid P4 that this target cannot run."""

    def __init__(self, position: Position, construct: str) -> None:
        super().__init__(position, f"construct {construct} is not supported")


def together(errors: Sequence[CompileError]) -> CompileError:
    """One error for all that a program has, a line each, in order of their places.

    It is an `UnsupportedError` where the program is valid P4 otherwise.
    """
    first, *others = sorted({str(error): error for error in errors}.values(), key=lambda error: error.position)
    if not others:
        return first
    kind = UnsupportedError if all(isinstance(error, UnsupportedError) for error in errors) else CompileError
    whole = kind.__new__(kind)
    CompileError.__init__(whole, first.position, "\n".join([first.message, *map(str, others)]))
    return whole
