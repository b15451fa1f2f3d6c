"""HTTP/1.1 streams split into messages (RFC 9112), as far as the lab's own interfaces use it: bodies with a
Content-Length."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"(?i)\r\ncontent-length:[ \t]*(\d+)")
_LOCATION = re.compile(rb"(?i)\r\nlocation:[ \t]*([!-~]+)")
_START = re.compile(rb"(?:[A-Z]+ /[^\s\0]* HTTP/1\.1\r\n|HTTP/1\.1 \d{3} )")
_NOT_CAPTURED = b"\0"


@dataclass(frozen=True)
class Message:
    """One request or response of a stream."""

    begin: int
    end: int
    start_line: str
    body: bytes
    """Zeros where it was not captured."""
    location: str = ""
    """Of what a request has made, or where a redirect leads."""

    @property
    def target(self) -> str:
        """`POST /v1/x` of a request, `200` of a response."""
        words = self.start_line.split(" ")
        return words[1] if self.start_line.startswith("HTTP/") and len(words) > 1 else " ".join(words[:2])


def messages(stream: bytes) -> Iterator[Message]:
    """The whole messages of one direction; one whose head was not captured whole ends where the next begins."""
    offset = 0
    while (head_end := stream.find(_END_OF_HEAD, offset)) >= 0:
        head = stream[offset:head_end]
        start_line = head.split(b"\r\n", 1)[0].decode("ascii", errors="replace")
        body_at = head_end + len(_END_OF_HEAD)
        if _NOT_CAPTURED in head:
            following = _START.search(stream, stream.index(_NOT_CAPTURED, offset))
            body_at = end = following.start() if following else len(stream)
        else:
            length = _LENGTH.search(head)
            end = body_at + (int(length.group(1)) if length else 0)
        if end > len(stream):
            return
        location = _LOCATION.search(head)
        yield Message(offset, end, start_line, stream[body_at:end], location.group(1).decode() if location else "")
        offset = end
