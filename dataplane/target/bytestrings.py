"""Numbers as P4Runtime carries them (section "Bytestrings"): big-endian, shortest form, any length accepted."""

from dataclasses import dataclass

from dataplane.target.refusal import invalid


@dataclass(frozen=True)
class Width:
    """A number of so many bits, and how to speak of it."""

    bits: int
    name: str

    @property
    def size(self) -> int:
        """Bytes that hold it."""
        return (self.bits + 7) // 8

    def padded(self, value: bytes) -> bytes:
        """The number in exactly `size` bytes; refuses none and what is too large."""
        size = (self.bits + 7) // 8
        if len(value) != size:
            if not value:
                raise invalid(f"{self.name}: found an empty value; expected a number of {self.bits} bits")
            value = value.lstrip(b"\0").rjust(size, b"\0")
        if len(value) > size or (self.bits & 7 and value[0] >> (self.bits & 7)):
            raise invalid(f"{self.name}: found {hexadecimal(value)}; expected a number of {self.bits} bits")
        return value


def canonical(value: bytes) -> bytes:
    """Without leading zeros; zero is one byte."""
    return value.lstrip(b"\0") or b"\0"


def encode(value: int) -> bytes:
    """A number in its canonical form."""
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")


def decode(value: bytes) -> int:
    return int.from_bytes(value, "big")


def hexadecimal(value: bytes) -> str:
    return f"0x{value.hex() or '0'}"
