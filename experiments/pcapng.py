"""Capture files as arrays: a reader of pcapng fast enough to analyse a run in a second.

Only the walk from block to block is a loop; times, lengths and frames are gathered by numpy. What dumpcap
and mergecap write is read: one section, little-endian, enhanced packet blocks (draft-ietf-opsawg-pcapng).
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meclab.errors import PeerError

Integers = NDArray[np.int64]
Bytes = NDArray[np.uint8]

_SECTION, _INTERFACE, _STATISTICS, _PACKET, _SECRETS = 0x0A0D0D0A, 1, 5, 6, 10
_TLS_KEY_LOG = 0x544C534B
_MAGIC = 0x1A2B3C4D
_IF_NAME, _IF_RESOLUTION, _STATISTICS_DROPPED = 2, 9, 5
_NANO, _MICRO = 9, 6
_PADDING = 64
"""Zero bytes after the file's content, so that a header cut short reads as zeros and not beyond the end."""


@dataclass(frozen=True)
class Capture:
    """The packets of one file, in its order; arrays have one element per packet."""

    data: Bytes
    """The file's content; `start` points into it."""
    interfaces: tuple[str, ...]
    time_ns: Integers
    interface: Integers
    """Index into `interfaces`."""
    start: Integers
    captured: Integers
    """Bytes of the frame in the file; `length` were on the wire."""
    length: Integers
    dropped: int | None
    """Packets lost between the interfaces and the file; none where the file ends before it says so."""

    def __len__(self) -> int:
        return len(self.time_ns)

    def frame(self, index: int) -> bytes:
        begin = int(self.start[index])
        return self.data[begin : begin + int(self.captured[index])].tobytes()


@dataclass
class _Blocks:
    """Where things are in a file."""

    names: list[str]
    resolutions: list[int]
    packets: list[int]
    """Offsets of the packet blocks."""
    dropped: int | None = None
    whole_bytes: int = 0
    """Where the last whole block ends."""


def whole_bytes(path: Path) -> int:
    """Length of a file up to its last whole block; raises `PeerError` for other formats."""
    return _walk(path.read_bytes(), path).whole_bytes


def read(path: Path) -> Capture:
    """The packets of a file; a last block cut short is left out. Raises `PeerError` for other formats."""
    content = path.read_bytes()
    blocks = _walk(content, path)
    data = np.frombuffer(content + bytes(_PADDING), dtype=np.uint8)
    offsets = np.array(blocks.packets, dtype=np.int64)
    fields = _little_endian(data, offsets + 8, 5)
    interface = fields[:, 0]
    scale = np.array([1 if digits == _NANO else 1000 for digits in blocks.resolutions] or [1], dtype=np.int64)
    return Capture(
        data=data,
        interfaces=tuple(blocks.names),
        time_ns=((fields[:, 1] << 32) | fields[:, 2]) * scale[interface],
        interface=interface,
        start=offsets + 28,
        captured=fields[:, 3],
        length=fields[:, 4],
        dropped=blocks.dropped,
    )


def written(frames: Iterable[tuple[int, int, bytes]], key_log: bytes = b"") -> bytes:
    """A file of one Ethernet interface with these frames, each (time in ns, length on the wire, what was captured),
    and TLS keys to read them with."""
    section = _block(_SECTION, struct.pack("<IHHq", _MAGIC, 1, 0, -1))
    options = struct.pack("<HHB3xHH", _IF_RESOLUTION, 1, _NANO, 0, 0)
    blocks = [section, *([_secrets(key_log)] if key_log else [])]
    blocks.append(_block(_INTERFACE, struct.pack("<HHI", 1, 0, 0) + options))
    for time_ns, length, frame in frames:
        head = struct.pack("<IIIII", 0, time_ns >> 32, time_ns & 0xFFFFFFFF, len(frame), length)
        blocks.append(_block(_PACKET, head + frame + bytes(-len(frame) % 4)))
    return b"".join(blocks)


def add_secrets(path: Path, key_log: bytes) -> bool:
    """Puts TLS keys into a capture, before its packets, so that Wireshark reads it without being told; whether it had
    none yet. Raises `PeerError` for other formats and `OSError`.

    Unlike `editcap --inject-secrets` it keeps what the file says of frames lost.
    """
    content = path.read_bytes()
    offset = 0
    while offset + 12 <= len(content):
        kind, length = struct.unpack_from("<II", content, offset)
        if kind == _SECRETS:
            return False
        if kind == _PACKET or length < 12:
            break
        offset += length
    _walk(content[:offset], path)
    scratch = path.with_suffix(".part")
    scratch.write_bytes(content[:offset] + _secrets(key_log) + content[offset:])
    scratch.replace(path)
    return True


def _secrets(key_log: bytes) -> bytes:
    """A decryption secrets block (draft-ietf-opsawg-pcapng section 4.7)."""
    padded = key_log + bytes(-len(key_log) % 4)
    return _block(_SECRETS, struct.pack("<II", _TLS_KEY_LOG, len(key_log)) + padded)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _little_endian(data: Bytes, offsets: Integers, words: int) -> Integers:
    """`words` 32-bit numbers at each offset, as rows."""
    index = offsets[:, None] + np.arange(4 * words)
    return np.ascontiguousarray(data[index]).view("<u4").astype(np.int64).reshape(len(offsets), words)


def _walk(content: bytes, path: Path) -> _Blocks:
    blocks = _Blocks([], [], [])
    head = struct.Struct("<II").unpack_from
    offset, end, append = 0, len(content), blocks.packets.append
    while offset + 12 <= end:
        kind, length = head(content, offset)
        if offset == 0 and (kind != _SECTION or head(content, 8)[0] != _MAGIC):
            raise PeerError(f"{path}: not a little-endian pcapng file")
        if length < 12 or length % 4:
            raise PeerError(f"{path}: a block of {length} bytes at {offset}")
        if offset + length > end:
            break
        if kind == _PACKET:
            append(offset)
        elif kind == _INTERFACE:
            _note_interface(blocks, _options(content, offset + 16, offset + length - 4), path)
        elif kind == _STATISTICS:
            options = _options(content, offset + 20, offset + length - 4)
            blocks.dropped = (blocks.dropped or 0) + int.from_bytes(options.get(_STATISTICS_DROPPED, b""), "little")
        elif kind == _SECTION and offset:
            raise PeerError(f"{path}: more than one section")
        offset += length
        blocks.whole_bytes = offset
    if not content:
        raise PeerError(f"{path}: an empty file")
    return blocks


def _note_interface(blocks: _Blocks, options: dict[int, bytes], path: Path) -> None:
    resolution = options.get(_IF_RESOLUTION, bytes([_MICRO]))[0]
    if resolution not in (_NANO, _MICRO):
        raise PeerError(f"{path}: time resolution {resolution:#x}, neither nano- nor microseconds")
    blocks.names.append(options.get(_IF_NAME, b"").decode())
    blocks.resolutions.append(resolution)


def _options(content: bytes, offset: int, end: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while offset + 4 <= end:
        code, length = struct.unpack_from("<HH", content, offset)
        if code == 0:
            break
        found[code] = content[offset + 4 : offset + 4 + length]
        offset += 4 + (length + 3) // 4 * 4
    return found
