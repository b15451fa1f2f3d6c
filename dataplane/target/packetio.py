"""Packets to and from controllers: the controller header in front of a frame, and P4Runtime's metadata.

A program emits its `packet_in` header before the frame that it sends to the CPU port, and extracts `packet_out` from
what comes in there.
"""

from typing import Any

from finsy.proto import p4i, p4r

from dataplane.target.bytestrings import Width, canonical, decode
from dataplane.target.refusal import invalid

SHORTEST_FRAME = 14
"""Bytes of an Ethernet header: the kernel takes no less."""
LONGEST_FRAME = 1 << 14


class PacketHeaders:
    """The controller headers of one program."""

    def __init__(self, info: p4i.P4Info) -> None:
        headers = {header.preamble.name: header for header in info.controller_packet_metadata}
        self._in = _Header(headers.get("packet_in"))
        self._out = _Header(headers.get("packet_out"))

    def packet_in(self, frame: bytes) -> p4r.PacketIn | None:
        """What a frame at the CPU port says; none where it is shorter than its header."""
        if len(frame) < self._in.size:
            return None
        return p4r.PacketIn(payload=frame[self._in.size :], metadata=self._in.split(frame[: self._in.size]))

    def packet_out(self, message: p4r.PacketOut) -> bytes:
        """The frame for the CPU port."""
        frame = self._out.join(message.metadata) + bytes(message.payload)
        if not SHORTEST_FRAME <= len(frame) <= LONGEST_FRAME:
            raise invalid(
                f"packet-out: found {len(frame)} bytes with its header; expected {SHORTEST_FRAME} to {LONGEST_FRAME}"
            )
        return frame


class _Header:
    def __init__(self, info: p4i.ControllerPacketMetadata | None) -> None:
        self._fields = [] if info is None else list(info.metadata)
        self._widths = {field.id: Width(field.bitwidth, f"packet-out.{field.name}") for field in self._fields}
        self._bits: int = sum(field.bitwidth for field in self._fields)
        self._padding = {
            field.id for field in self._fields if any(text.startswith("@padding") for text in field.annotations)
        }

    @property
    def size(self) -> int:
        """Bytes; headers end at a whole byte."""
        return self._bits >> 3

    def split(self, header: bytes) -> list[Any]:
        value = decode(header)
        left = self._bits
        metadata = []
        for field in self._fields:
            left -= field.bitwidth
            part = (value >> left) & ((1 << field.bitwidth) - 1)
            size = (field.bitwidth + 7) // 8
            metadata.append(p4r.PacketMetadata(metadata_id=field.id, value=canonical(part.to_bytes(size, "big"))))
        return metadata

    def join(self, metadata: Any) -> bytes:
        given: dict[int, int] = {}
        for each in metadata:
            width = self._widths.get(each.metadata_id)
            if width is None or each.metadata_id in given:
                names = ", ".join(f"{number} ({known.name})" for number, known in self._widths.items()) or "none"
                raise invalid(f"packet-out: found metadata {each.metadata_id}; expected each of {names} once")
            given[each.metadata_id] = decode(width.padded(each.value))
        value = 0
        for field in self._fields:
            if field.id not in given and field.id not in self._padding:
                raise invalid(f"packet-out: found no metadata {field.id} ({field.name}); expected it")
            value = value << field.bitwidth | given.get(field.id, 0)
        return value.to_bytes(self.size, "big")
