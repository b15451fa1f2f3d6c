"""The headers of a capture's frames as arrays: Ethernet, IPv4 or IPv6, UDP or TCP."""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

import numpy as np
from numpy.typing import NDArray

from experiments.pcapng import Bytes, Capture, Integers

UDP, TCP = 17, 6
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
_ETHERNET = 14
_IPV4, _IPV6 = 0x0800, 0x86DD


@dataclass(frozen=True)
class Frames:
    """One element per frame; zeros where a frame has no such header. MODEL: no IP fragments or extension headers, which
    nothing in the lab sends."""

    family: Integers
    """4, 6 or 0."""
    protocol: Integers
    source_port: Integers
    destination_port: Integers
    payload: Integers
    """Where the payload of UDP or TCP starts in the capture's data."""
    payload_bytes: Integers
    """Its length on the wire, which may be more than was captured."""


def decode(capture: Capture) -> Frames:
    """The headers of every frame; one cut short before its end reads as zeros from there."""
    data, start = capture.data, capture.start
    ether_type = _big_endian_16(data, start + 12)
    four = (ether_type == _IPV4) & (capture.captured >= _ETHERNET + 20)
    six = (ether_type == _IPV6) & (capture.captured >= _ETHERNET + 40)
    version_bytes = np.where(four, (_byte(data, start + 14) & 15) * 4, 40)
    total = np.where(four, _big_endian_16(data, start + 16), _big_endian_16(data, start + 18) + 40)
    protocol = np.where(four, _byte(data, start + 23), np.where(six, _byte(data, start + 20), 0))
    transport = start + _ETHERNET + version_bytes
    has_ports = (four | six) & np.isin(protocol, (UDP, TCP)) & (capture.captured >= _ETHERNET + version_bytes + 8)
    header = np.where(protocol == UDP, 8, (_byte(data, transport + 12) >> 4) * 4)
    return Frames(
        family=np.where(four, 4, np.where(six, 6, 0)),
        protocol=np.where(has_ports, protocol, 0),
        source_port=np.where(has_ports, _big_endian_16(data, transport), 0),
        destination_port=np.where(has_ports, _big_endian_16(data, transport + 2), 0),
        payload=transport + header,
        payload_bytes=np.where(has_ports, np.maximum(0, total - version_bytes - header), 0),
    )


def matching(frames: Frames, protocol: int, port: int) -> Integers:
    """Indices of the frames of a protocol from or to a port."""
    either = (frames.source_port == port) | (frames.destination_port == port)
    return np.flatnonzero((frames.protocol == protocol) & either)


def gather(data: Bytes, offsets: Integers, width: int) -> Bytes:
    """`width` bytes from each offset, as rows; beyond the end of the data the rows hold its last bytes."""
    return np.asarray(data[np.minimum(offsets[:, None] + np.arange(width), len(data) - 1)])


def available(capture: Capture, frames: Frames, index: int) -> bytes:
    """The payload of one frame, as far as it was captured."""
    begin = int(frames.payload[index])
    captured_end = int(capture.start[index] + capture.captured[index])
    return capture.data[begin : min(begin + int(frames.payload_bytes[index]), captured_end)].tobytes()


def ends(frame: bytes, family: int) -> tuple[str, str]:
    """Source and destination address of a frame with IPv4 or IPv6."""
    source, width = (26, 4) if family == 4 else (22, 16)
    return _address(frame[source : source + width]), _address(frame[source + width : source + 2 * width])


@lru_cache
def _address(packed: bytes) -> str:
    return str(ip_address(packed))


def _byte(data: Bytes, offsets: Integers) -> Integers:
    return _clipped(data, offsets).astype(np.int64)


def _big_endian_16(data: Bytes, offsets: Integers) -> Integers:
    return (_byte(data, offsets) << 8) | _byte(data, offsets + 1)


def _clipped(data: Bytes, offsets: Integers) -> NDArray[np.uint8]:
    return data[np.minimum(offsets, len(data) - 1)]
