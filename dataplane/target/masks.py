"""The list of masks that a ternary lookup goes through, best first, changed under traffic.

A lookup reads slot after slot upwards while the switch writes. An entry that is there must be found at every moment, so
a mask moves upwards, away from the reader, and is in two slots while it moves. One that gets better is put in further
down, and its old slot stays until no lookup is running that may have passed the new one's place before. A mask without
entries leaves a tombstone, `NO_MASK`, which the next insertion below it takes up. Only where the list is full and all
tombstones are below does something move down, each step after the lookups that began before it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from dataplane.target.maps import Map, number
from dataplane.target.numbers import Numbers
from dataplane.target.refusal import exhausted

MOST_STALE = 128
"""Slots that wait to be buried; each costs a lookup, and whoever empties them waits for the kernel."""
NO_MASK = 0xFFFFFFFF
"""Number of a slot whose mask has no entries: nothing is found under it, and the lookup goes on."""


@dataclass(frozen=True)
class Slot:
    """One slot; no entry under its mask has a better priority than `best`."""

    best: int
    number: int
    mask: bytes
    stale: int | None = None
    """The generation in which its mask was put in further down as well."""

    def value(self, size: int) -> bytes:
        return (number(self.best) + number(self.number) + self.mask).ljust(size, b"\0")


class Masks:
    """The masks of one table, each with a number of its own."""

    def __init__(self, table: str, slots: Map, settle: Callable[[], None]) -> None:
        """`settle` returns when no lookup that began before the call is running."""
        self._table = table
        self._map = slots
        self._settle = settle
        self._slots: list[Slot] = []
        self._mask_size = slots.value_size - 8
        self._generation = 0
        self._numbers: dict[bytes, int] = {}
        self._users: dict[bytes, int] = {}
        # One slot more than masks: room for one that moves.
        self._most = slots.max_entries - 1
        self._free = Numbers(0, self._most)

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, mask: bytes) -> int | None:
        return self._numbers.get(mask)

    def reserve(self, masks: set[bytes]) -> None:
        """Refuses where so many new masks have no room."""
        new = masks - set(self._numbers)
        if len(self._numbers) + len(new) > self._most:
            raise exhausted(
                f"{self._table}: found {len(self._numbers)} distinct masks and {len(new)} more; "
                f"expected at most {self._most}"
            )

    def add(self, mask: bytes) -> int:
        """One more entry has this mask; its number. It is looked up once `raise_to` has been called."""
        if mask not in self._numbers:
            taken = self._free.take()
            assert taken is not None, "reserve() comes first"
            self._numbers[mask] = taken
        self._users[mask] = self._users.get(mask, 0) + 1
        return self._numbers[mask]

    def raise_to(self, mask: bytes, priority: int) -> None:
        """Makes sure that lookups come to this mask before they settle for less than `priority`."""
        identifier = self._numbers[mask]
        place = next((index for index, slot in enumerate(self._slots) if slot.number == identifier), None)
        if place is not None and self._slots[place].best >= priority:
            return
        raised = Slot(priority, identifier, mask)
        if place is not None and (place == 0 or self._slots[place - 1].best >= priority):
            self._write([(place, raised)])
            return
        if self.stale >= MOST_STALE:
            self.settle_and_clear()
        self._insert(raised)
        copies = [index for index, slot in enumerate(self._slots) if slot.number == identifier]
        for index in copies[1:]:
            self._slots[index] = replace(self._slots[index], stale=self._generation)

    @property
    def stale(self) -> int:
        """Slots that wait to be buried."""
        return sum(slot.stale is not None for slot in self._slots)

    def mark(self) -> int:
        """The generation of slots that may be buried when every lookup has ended that runs now."""
        self._generation += 1
        return self._generation - 1

    def clear(self, generation: int) -> None:
        """Buries stale slots of a generation that was marked, and of those before it."""
        self._bury(
            index for index, slot in enumerate(self._slots) if slot.stale is not None and slot.stale <= generation
        )

    def settle_and_clear(self) -> None:
        """Buries all stale slots, after the lookups that may need them."""
        generation = self.mark()
        self._settle()
        self.clear(generation)

    def remove(self, mask: bytes) -> None:
        """One entry less has this mask; call it after the entry has gone."""
        self._users[mask] -= 1
        if self._users[mask]:
            return
        identifier = self._numbers.pop(mask)
        del self._users[mask]
        self._bury([index for index, slot in enumerate(self._slots) if slot.number == identifier])
        self._free.give_back(identifier)

    def _insert(self, new: Slot) -> None:
        place = next((index for index, slot in enumerate(self._slots) if slot.best < new.best), len(self._slots))
        holes = [index for index, slot in enumerate(self._slots) if slot.number == NO_MASK]
        above = next((index for index in holes if index >= place), len(self._slots))
        if above < self._map.max_entries:
            self._push_up(new, place, above)
        elif holes:
            self._push_down(new, holes[-1], place)
        else:
            self.settle_and_clear()
            self._insert(new)

    def _push_up(self, new: Slot, place: int, hole: int) -> None:
        if hole == len(self._slots):
            self._slots.append(new)
        moved = [(index, self._slots[index - 1]) for index in range(hole, place, -1)]
        self._write([*moved, (place, new)])

    def _push_down(self, new: Slot, hole: int, place: int) -> None:
        for index in range(hole, place - 1):
            self._write([(index, self._slots[index + 1])])
            self._settle()
        self._write([(place - 1, new)])

    def _bury(self, places: Iterable[int]) -> None:
        graves = {index: Slot(self._slots[index].best, NO_MASK, bytes(self._mask_size)) for index in places}
        self._write(list(graves.items()))
        end = len(self._slots)
        while end and self._slots[end - 1].number == NO_MASK:
            end -= 1
        # The end is told by a priority of 0.
        self._write([(index, Slot(0, NO_MASK, bytes(self._mask_size))) for index in range(end, len(self._slots))])
        del self._slots[end:]

    def _write(self, slots: list[tuple[int, Slot]]) -> None:
        """Writes slots one after the other, in this order."""
        self._map.update_many((number(index), slot.value(self._map.value_size)) for index, slot in slots)
        for index, slot in slots:
            self._slots[index] = slot
