"""Tables of cyclic redundancy checks, as C."""

from collections.abc import Iterator, Set

from dataplane.compiler.lowered import Algorithm

POLYNOMIALS = {Algorithm.CRC16: (0xA001, 16), Algorithm.CRC32: (0xEDB88320, 32)}
"""Reflected, and their widths: CRC-16/ARC and CRC-32/ISO-HDLC, which v1model's algorithms are."""


def crc_table(polynomial: int) -> list[int]:
    """What each byte adds, of a reflected polynomial."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (polynomial if byte & 1 else 0)
        table.append(byte)
    return table


def tables_of(algorithms: Set[Algorithm]) -> Iterator[str]:
    """Definitions of the tables that these algorithms need."""
    for algorithm, (polynomial, bits) in POLYNOMIALS.items():
        if algorithm in algorithms:
            values = ", ".join(f"{value:#x}" for value in crc_table(polynomial))
            name = algorithm.name.lower()
            yield f"#define USES_{algorithm.name}"
            yield f"static const u{bits} {name}_table[256] = {{{values}}};"
