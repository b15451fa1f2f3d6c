"""Numbers in C: their types, their literals."""

from dataplane.compiler.layouts import integer_size
from dataplane.compiler.lowered import Bits, Boolean


def storage(bits: int) -> str:
    """The C type that keeps a number of so many bits."""
    return f"u{8 * integer_size(bits)}"


def computing(bits: int) -> str:
    """The C type to compute with: no promotion to `int`, whose overflow is undefined."""
    return "u32" if bits <= 32 else "u64" if bits <= 64 else "u128"


def bits_of(kind: Bits | Boolean) -> int:
    return kind.width if isinstance(kind, Bits) else 1


def literal(value: int, bits: int) -> str:
    """A number as a C constant, its upper bits cut; negative ones in two's complement."""
    value &= (1 << bits) - 1
    if bits > 64:
        return f"U128({value >> 64:#x}ull, {value & (1 << 64) - 1:#x}ull)"
    text = str(value) if value < 10 else f"{value:#x}"
    return f"{text}ull" if bits > 32 else f"{text}u"


def masked(text: str, bits: int) -> str:
    """The lower bits of a C expression of the type to compute with."""
    if bits in (32, 64, 128):
        return f"({computing(bits)})({text})"
    return f"(({text}) & {literal(-1, bits)})"


def widened(text: str, bits: int) -> str:
    """A kept `int<N>` as a signed C number."""
    return f"signed{64 if bits <= 64 else 128}({text}, {bits})"
