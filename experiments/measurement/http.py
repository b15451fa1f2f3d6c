"""HTTP/1.1 streams split into messages (RFC 9112), as far as the lab's own interfaces use it: bodies with a
Content-Length."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"(?i)\r\ncontent-length:[ \t]*(\d+)")


@dataclass(frozen=True)
class Message:
    """One request or response of a stream."""

    begin: int
    end: int
    start_line: str
    body: bytes


def messages(stream: bytes) -> Iterator[Message]:
    """The whole messages of one direction."""
    offset = 0
    while (head_end := stream.find(_END_OF_HEAD, offset)) >= 0:
        head = stream[offset:head_end]
        body_at = head_end + len(_END_OF_HEAD)
        length = _LENGTH.search(head)
        end = body_at + (int(length.group(1)) if length else 0)
        if end > len(stream):
            return
        start_line = head.split(b"\r\n", 1)[0].decode("ascii", errors="replace")
        yield Message(offset, end, start_line, stream[body_at:end])
        offset = end
