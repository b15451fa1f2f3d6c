"""A range of numbers as prefixes, for tables that match values under masks."""

from collections.abc import Iterator
from itertools import product


def prefixes(low: int, high: int, width: int) -> Iterator[tuple[int, int]]:
    """The fewest (value, mask) that together match low to high, both included: at most 2 * width - 2."""
    while low <= high:
        # The largest block that starts at low: as many trailing zeros as low has, and no longer than what is left.
        bits = min((low & -low).bit_length() - 1 if low else width, (high - low + 1).bit_length() - 1)
        yield low, ((1 << width) - 1) ^ ((1 << bits) - 1)
        low += 1 << bits


def combinations(choices: list[list[tuple[bytes, bytes]]]) -> Iterator[tuple[bytes, bytes]]:
    """Every way to take one (value, mask) for each key field, joined into values and masks of whole keys."""
    for chosen in product(*choices):
        yield b"".join(value for value, _ in chosen), b"".join(mask for _, mask in chosen)
