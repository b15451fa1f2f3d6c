"""What the switch needs of BPF maps: those of a loaded program, or of memory in tests."""

from collections.abc import Iterable, Iterator
from typing import Protocol


class Map(Protocol):
    """A map with keys and values of fixed size. Arrays have keys of 4 bytes (little-endian), and every key is there."""

    @property
    def key_size(self) -> int: ...

    @property
    def value_size(self) -> int: ...

    @property
    def max_entries(self) -> int: ...

    def lookup(self, key: bytes) -> bytes | None:
        """The value, none where the key is not there."""

    def update(self, key: bytes, value: bytes) -> None:
        """Sets a value; `OSError` with the kernel's number (`E2BIG`, `ENOSPC`: full)."""

    def delete(self, key: bytes) -> bool:
        """Whether the key was there."""

    def update_many(self, pairs: Iterable[tuple[bytes, bytes]]) -> None: ...

    def items(self) -> Iterator[tuple[bytes, bytes]]: ...


class Maps(Protocol):
    """The maps of one program, by name."""

    def __getitem__(self, name: str) -> Map: ...

    def __contains__(self, name: object) -> bool: ...


def number(value: int) -> bytes:
    """A `u32`: the key of an array."""
    return value.to_bytes(4, "little")
