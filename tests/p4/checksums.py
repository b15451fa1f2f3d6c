"""The hash algorithms of v1model over bytes, plainly written: what compiled programs are compared with."""

import zlib

from dataplane.compiler.lowered import Algorithm


def csum16(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(int.from_bytes(data[index : index + 2]) for index in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def xor16(data: bytes) -> int:
    """All 16-bit words, XORed."""
    if len(data) % 2:
        data += b"\0"
    result = 0
    for index in range(0, len(data), 2):
        result ^= int.from_bytes(data[index : index + 2])
    return result


def crc16(data: bytes) -> int:
    """CRC-16/ARC: polynomial 0x8005 reflected, starts from 0."""
    result = 0
    for byte in data:
        result ^= byte
        for _ in range(8):
            result = (result >> 1) ^ (0xA001 if result & 1 else 0)
    return result


def identity(data: bytes) -> int:
    """The first eight bytes as a number."""
    return int.from_bytes(data[:8])


ALGORITHMS = {
    Algorithm.CRC32: zlib.crc32,
    Algorithm.CRC16: crc16,
    Algorithm.CSUM16: csum16,
    Algorithm.XOR16: xor16,
    Algorithm.IDENTITY: identity,
}
