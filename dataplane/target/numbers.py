"""Numbers that are handed out and given back."""

from collections import deque


class Numbers:
    """`count` numbers from `first` on; what was given back longest ago is taken again first."""

    def __init__(self, first: int, count: int) -> None:
        self._following = first
        self._end = first + count
        self._free: deque[int] = deque()

    def take(self) -> int | None:
        """A number that nobody has; none where all are taken."""
        if self._following < self._end:
            self._following += 1
            return self._following - 1
        return self._free.popleft() if self._free else None

    def give_back(self, number: int) -> None:
        self._free.append(number)
