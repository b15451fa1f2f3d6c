"""Routing's own messages: BGP streams split (RFC 4271 section 4.1), BFD packets named (RFC 5880 section 4.1)."""

from collections.abc import Iterator
from dataclasses import dataclass

_MARKER = b"\xff" * 16
_HEADER_BYTES = 19
_TYPES = {1: "OPEN", 2: "UPDATE", 3: "NOTIFICATION", 4: "KEEPALIVE", 5: "ROUTE-REFRESH"}
_STATES = ("AdminDown", "Down", "Init", "Up")


@dataclass(frozen=True)
class Message:
    """One BGP message of a stream."""

    begin: int
    end: int
    name: str


def messages(stream: bytes) -> Iterator[Message]:
    """The whole messages of one direction; what lies between them, as at a hole in the capture, is passed over."""
    offset = stream.find(_MARKER)
    while offset >= 0 and offset + _HEADER_BYTES <= len(stream):
        length = int.from_bytes(stream[offset + 16 : offset + 18])
        kind = stream[offset + 18]
        if length < _HEADER_BYTES:
            offset = stream.find(_MARKER, offset + 1)
            continue
        if offset + length > len(stream):
            return
        yield Message(offset, offset + length, _TYPES.get(kind, f"TYPE-{kind}"))
        offset = stream.find(_MARKER, offset + length)


def bfd(payload: bytes) -> str:
    """`BFD Up`: a control packet by the state that its sender is in."""
    return f"BFD {_STATES[payload[1] >> 6]}" if len(payload) > 1 else "BFD"
