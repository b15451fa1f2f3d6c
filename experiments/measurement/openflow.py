"""OpenFlow 1.3 streams split into messages, each with the class of the rule that it is about."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from meclab.messages import RuleClass

_NAMES = {
    0: "HELLO",
    1: "ERROR",
    2: "ECHO_REQUEST",
    3: "ECHO_REPLY",
    5: "FEATURES_REQUEST",
    6: "FEATURES_REPLY",
    7: "GET_CONFIG_REQUEST",
    8: "GET_CONFIG_REPLY",
    9: "SET_CONFIG",
    10: "PACKET_IN",
    11: "FLOW_REMOVED",
    12: "PORT_STATUS",
    13: "PACKET_OUT",
    14: "FLOW_MOD",
    15: "GROUP_MOD",
    16: "PORT_MOD",
    17: "TABLE_MOD",
    18: "MULTIPART_REQUEST",
    19: "MULTIPART_REPLY",
    20: "BARRIER_REQUEST",
    21: "BARRIER_REPLY",
    29: "METER_MOD",
}
"""`enum ofp_type`, OpenFlow 1.3.5 section 7.1."""
_COOKIE_AT = {10: 16, 11: 8, 14: 8}
"""Where the cookie is in PACKET_IN, FLOW_REMOVED and FLOW_MOD (sections 7.4.1, 7.4.2, 7.3.4.1)."""
_CLASS_IN_XID = {1, 13, 15, 20, 21, 29}
"""Messages without a cookie whose transaction id the lab's controller marks; others have ids of the library's own."""
_HEADER = struct.Struct("!BBHI")
_CLASSES = {int(rule_class): rule_class.name.lower() for rule_class in RuleClass}


@dataclass(frozen=True)
class Message:
    """One message of a stream."""

    begin: int
    end: int
    """Its bytes in the stream."""
    name: str
    rule_class: str
    """Empty where it carries none."""


def messages(stream: bytes) -> Iterator[Message]:
    """The whole messages of one direction; a stream that is no OpenFlow ends at the first bad header."""
    offset = 0
    while offset + _HEADER.size <= len(stream):
        version, kind, length, xid = _HEADER.unpack_from(stream, offset)
        if not 1 <= version <= 6 or length < _HEADER.size or offset + length > len(stream):
            return
        mark = xid >> 24 if kind in _CLASS_IN_XID else 0
        if (cookie_at := _COOKIE_AT.get(kind)) is not None and cookie_at < length:
            mark = stream[offset + cookie_at]
        yield Message(offset, offset + length, _NAMES.get(kind, f"TYPE_{kind}"), _CLASSES.get(mark, ""))
        offset += length
