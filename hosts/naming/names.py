"""Domain names as tuples of labels in lower case: the form in which zones and rules are looked up."""

import re

Name = tuple[bytes, ...]
"""Labels from the left, lower case, without the root's empty one; `()` is the root."""
LARGEST_LABEL = 63
LARGEST_NAME = 255
"""Octets on the wire, lengths and root included (RFC 1035 section 2.3.4)."""
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


def parse_name(text: str) -> Name:
    """The name that a person or a rule writes, the final dot optional; raises `ValueError`.

    Letters, digits, hyphens and underscores only: an internationalised name is to be written as its A-label.
    """
    lower = text.lower().removesuffix(".")
    labels = lower.split(".") if lower else []
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise ValueError(f"{text!r} is no domain name: label {label!r}")
    name = tuple(label.encode("ascii") for label in labels)
    if len(wire(name)) > LARGEST_NAME:
        raise ValueError(f"{text!r} is no domain name: longer than {LARGEST_NAME} octets")
    return name


def wire(name: Name) -> bytes:
    """A name as on the wire, without compression."""
    return b"".join(bytes((len(label),)) + label for label in name) + b"\0"


def text(name: Name) -> str:
    """A name as a person reads it, with the final dot."""
    return b".".join(name).decode("ascii", "backslashreplace") + "."


def is_within(name: Name, origin: Name) -> bool:
    """Whether a name is the origin or below it."""
    return not origin or name[-len(origin) :] == origin


def upwards(name: Name, origin: Name) -> tuple[Name, ...]:
    """A name and the names above it, up to the origin: all of them exist if it does (RFC 8020)."""
    return tuple(name[start:] for start in range(len(name) - len(origin) + 1))
