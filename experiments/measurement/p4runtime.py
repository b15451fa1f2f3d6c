"""P4Runtime connections split into messages, each with the class of the rules that it is about.

P4Runtime is gRPC: messages of Protocol Buffers in DATA frames of HTTP/2 (RFC 9113). Header fields need not be decoded:
which method a stream belongs to is told by the shape of its first message. A Write brings several updates, which may be
of different classes: each is a message of its own here, by the metadata of its table entry, and what is around them
counts as one more, of the class of the last.
"""

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from meclab.messages import RuleClass

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _CONTINUATION = 0, 1, 9
_END_STREAM, _PADDED = 0x1, 0x8
_FRAME_BYTES, _MESSAGE_BYTES = 9, 5
_CLASSES = {int(rule_class): rule_class.name.lower() for rule_class in RuleClass}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_UPDATES = {1: "INSERT", 2: "MODIFY", 3: "DELETE"}
_FIRST_SEGMENT = b"\x02"
"""Why a packet came: `Reason` of `dataplane/programs/headers.p4`, the second field of its packet-in header."""

Value = int | bytes


@dataclass(frozen=True)
class Message:
    """One message, or one update of a Write."""

    from_controller: bool
    end: int
    """Where it ends in its direction's stream."""
    size: int
    """Bytes, those of HTTP/2 around it included."""
    name: str
    rule_class: str
    """Empty where it carries none."""
    content: bytes


@dataclass
class _Call:
    """A stream of HTTP/2: one call of a method, in one direction."""

    waiting: bytearray = field(default_factory=bytearray)
    """Bytes of a message that has not come whole."""
    size: int = 0
    """Bytes of frames since the last message."""


def messages(towards: bytes, back: bytes) -> Iterator[Message]:
    """The messages of a connection, those of the controller first; a stream that is no HTTP/2 has none."""
    kinds: dict[int, tuple[str, str]] = {}
    yield from _requests(towards, kinds)
    yield from _replies(back, kinds)


def _requests(stream: bytes, kinds: dict[int, tuple[str, str]]) -> Iterator[Message]:
    for number, end, size, content, _ in _contents(stream.removeprefix(_PREFACE)):
        if content is None:
            continue
        end += len(_PREFACE)
        fields = list(_fields(content))
        kind = _method(fields)
        if kind == "WRITE":
            rule_class, taken = "", 0
            for update in _of(fields, 4):
                rule_class, taken = _class_of(update), taken + len(update)
                yield Message(True, end, len(update), _update_name(update), rule_class, update)
            yield Message(True, end, size - taken, "WRITE", rule_class, b"")
        else:
            rule_class = ""
            yield Message(True, end, size, kind, "", content)
        kinds.setdefault(number, (kind, rule_class))


def _replies(stream: bytes, kinds: dict[int, tuple[str, str]]) -> Iterator[Message]:
    sizes: Counter[int] = Counter()
    for number, end, size, content, is_last in _contents(stream):
        kind, rule_class = kinds.get(number, ("", ""))
        sizes[number] += size
        if kind in _STREAMED:
            if content is not None:
                name, rule_class = _notification(list(_fields(content)))
                yield Message(False, end, size, name, rule_class, content)
        elif kind and is_last:
            yield Message(False, end, sizes[number], f"{kind}_REPLY", rule_class, b"")


_STREAMED = ("ARBITRATION", "PACKET_OUT", "DIGEST_ACK", "STREAM")
_STREAM_REQUESTS = {1: "ARBITRATION", 2: "PACKET_OUT", 3: "DIGEST_ACK"}
_STREAM_REPLIES = {1: "ARBITRATION", 2: "PACKET_IN", 3: "DIGEST", 4: "IDLE_TIMEOUT", 6: "ERROR"}


def _method(fields: list[tuple[int, Value]]) -> str:
    """The method whose request has these fields (p4runtime.proto): requests but those of the stream begin with a
    device id."""
    if not fields:
        return "CAPABILITIES"
    number, first = fields[0]
    if isinstance(first, bytes):
        return _STREAM_REQUESTS.get(number, "STREAM")
    kinds = dict(fields[1:])
    if isinstance(kinds.get(5), bytes):
        return "SET_PIPELINE"
    if isinstance(kinds.get(4), bytes):
        return "WRITE"
    return "READ" if isinstance(kinds.get(2), bytes) else "GET_PIPELINE"


def _notification(fields: list[tuple[int, Value]]) -> tuple[str, str]:
    """Name and class of what a switch tells by itself."""
    number, body = fields[0] if fields else (0, b"")
    name = _STREAM_REPLIES.get(number, "STREAM")
    if name == "PACKET_IN" and isinstance(body, bytes):
        reasons = [dict(_fields(metadata)) for metadata in _of(list(_fields(body)), 2)]
        pinned = any(reason.get(1) == 2 and reason.get(2) == _FIRST_SEGMENT for reason in reasons)
        return name, _CLASSES[RuleClass.PIN] if pinned else ""
    return name, _CLASSES[RuleClass.PIN] if name == "IDLE_TIMEOUT" else ""


def _class_of(update: bytes) -> str:
    """The class of the rule that an update is about: the metadata of its table entry."""
    for entity in _of(list(_fields(update)), 2):
        for entry in _of(list(_fields(entity)), 2):
            metadata = dict(_fields(entry)).get(11)
            if isinstance(metadata, bytes) and metadata:
                return _CLASSES.get(metadata[0], "")
    return ""


def _update_name(update: bytes) -> str:
    kind = dict(_fields(update)).get(1)
    return _UPDATES.get(kind, "UPDATE") if isinstance(kind, int) else "UPDATE"


def _contents(stream: bytes) -> Iterator[tuple[int, int, int, bytes | None, bool]]:
    """Number of the stream, where it ends, bytes since the message before, the message, and whether it is the last.

    A stream's end without a message in it has none."""
    calls: dict[int, _Call] = {}
    offset = 0
    while offset + _FRAME_BYTES <= len(stream):
        length, kind, flags = int.from_bytes(stream[offset : offset + 3]), stream[offset + 3], stream[offset + 4]
        number = int.from_bytes(stream[offset + 5 : offset + 9]) & 0x7FFFFFFF
        end = offset + _FRAME_BYTES + length
        if end > len(stream):
            return
        if kind in (_DATA, _HEADERS, _CONTINUATION):
            call = calls.setdefault(number, _Call())
            call.size += end - offset
            is_last = kind != _CONTINUATION and bool(flags & _END_STREAM)
            if kind == _DATA:
                call.waiting += _unpadded(stream[offset + _FRAME_BYTES : end], flags)
            for content in _whole(call.waiting):
                yield number, end, call.size, content, is_last
                call.size, is_last = 0, False
            if is_last:
                yield number, end, call.size, None, True
        offset = end


def _unpadded(payload: bytes, flags: int) -> bytes:
    """RFC 9113 section 6.1."""
    return payload[1 : len(payload) - payload[0]] if flags & _PADDED and payload else payload


def _whole(waiting: bytearray) -> Iterator[bytes]:
    """The messages that have come whole, taken off: a byte for compression, their length, and they themselves."""
    while len(waiting) >= _MESSAGE_BYTES:
        (length,) = struct.unpack_from("!I", waiting, 1)
        if len(waiting) < _MESSAGE_BYTES + length:
            return
        yield bytes(waiting[_MESSAGE_BYTES : _MESSAGE_BYTES + length])
        del waiting[: _MESSAGE_BYTES + length]


def _of(fields: list[tuple[int, Value]], number: int) -> list[bytes]:
    """The messages in a repeated field."""
    return [value for found, value in fields if found == number and isinstance(value, bytes)]


def _fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """Number and value of each field of a message of Protocol Buffers; ends at what is none."""
    offset = 0
    while offset < len(message):
        tag, offset = _varint(message, offset)
        kind = tag & 7
        if kind == _VARINT:
            value, offset = _varint(message, offset)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            length, offset = _varint(message, offset)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            return
        if offset + length > len(message):
            return
        yield tag >> 3, message[offset : offset + length]
        offset += length


def _varint(message: bytes, offset: int) -> tuple[int, int]:
    value = shift = 0
    while offset < len(message):
        byte = message[offset]
        value |= (byte & 0x7F) << shift
        shift, offset = shift + 7, offset + 1
        if byte < 0x80:
            break
    return value, offset
