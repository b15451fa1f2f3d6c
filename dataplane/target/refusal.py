"""What the switch answers to a request that it cannot serve."""

from enum import IntEnum

from meclab.errors import PeerError


class Code(IntEnum):
    """Canonical codes (google.rpc.Code), those that P4Runtime asks for."""

    OK = 0
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13


class Refusal(PeerError):
    """A request that is refused: the code, and where, what was found, what was expected."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> Refusal:
    return Refusal(Code.INVALID_ARGUMENT, message)


def missing(message: str) -> Refusal:
    return Refusal(Code.NOT_FOUND, message)


def present(message: str) -> Refusal:
    return Refusal(Code.ALREADY_EXISTS, message)


def denied(message: str) -> Refusal:
    return Refusal(Code.PERMISSION_DENIED, message)


def exhausted(message: str) -> Refusal:
    return Refusal(Code.RESOURCE_EXHAUSTED, message)


def unimplemented(message: str) -> Refusal:
    return Refusal(Code.UNIMPLEMENTED, message)


def precondition(message: str) -> Refusal:
    return Refusal(Code.FAILED_PRECONDITION, message)
