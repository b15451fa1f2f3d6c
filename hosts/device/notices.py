"""What the network tells the device over the air: which notices are new, and how they are acknowledged.

Notices come in UDP datagrams that can be lost, repeated and overtaken; a sender counts what it tells a device, and
sends again until it is acknowledged.
"""

from typing import Any

from pydantic import TypeAdapter, ValidationError

from meclab.errors import PeerError
from meclab.messages import Notice, NoticeAck, RediscoveryNotice, ResolverNotice

_ADAPTER: TypeAdapter[Any] = TypeAdapter(Notice)
_REMEMBERED = 1_024
"""Sequence numbers of one sender that a repetition is recognised by."""


def acknowledgement(device: str, sequence: int) -> bytes:
    """The datagram that answers a notice."""
    return NoticeAck(device=device, sequence=sequence).model_dump_json().encode()


def read(payload: bytes) -> ResolverNotice | RediscoveryNotice:
    """The notice in a datagram; raises `PeerError` for anything else."""
    try:
        notice = _ADAPTER.validate_json(payload)
    except ValidationError as error:
        raise PeerError(f"not a notice: {payload[:60]!r}: {error.errors()[0]['msg']}") from error
    if isinstance(notice, NoticeAck):
        raise PeerError("an acknowledgement; a device expects notices")
    found: ResolverNotice | RediscoveryNotice = notice
    return found


class Sender:
    """What one sender has told so far."""

    def __init__(self) -> None:
        self._seen: dict[int, None] = {}
        self._last_resolver = -1

    def is_news(self, notice: ResolverNotice | RediscoveryNotice) -> bool:
        """Whether a notice is to be carried out: none twice, and no resolver that a later one has replaced."""
        if notice.sequence in self._seen:
            return False
        self._seen[notice.sequence] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        if isinstance(notice, ResolverNotice):
            if notice.sequence < self._last_resolver:
                return False
            self._last_resolver = notice.sequence
        return True
