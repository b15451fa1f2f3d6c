"""Maps in memory that behave as the kernel's: sizes are kept, hashes fill up, arrays are there from the start."""

import errno

from dataplane.compiler.layout import (
    CLONES,
    MAXIMUM_GROUP,
    MAXIMUM_MASKS,
    MAXIMUM_REPLICAS,
    METER_SIZE,
    MULTICAST,
)


class MemoryMap:
    """A hash, or with `array` an array of zeros; `writes` are all updates in their order."""

    def __init__(self, key_size, value_size, max_entries, array=False):
        self.key_size, self.value_size, self.max_entries = key_size, value_size, max_entries
        self.array = array
        self.content = {}
        self.watch = lambda: None

    def lookup(self, key):
        assert len(key) == self.key_size
        if self.array:
            return self.content.get(key, bytes(self.value_size))
        return self.content.get(key)

    def update(self, key, value):
        assert len(key) == self.key_size, (len(key), self.key_size)
        assert len(value) == self.value_size, (len(value), self.value_size)
        if self.array and int.from_bytes(key, "little") >= self.max_entries:
            raise OSError(errno.E2BIG, "no such index")
        if key not in self.content and len(self.content) >= self.max_entries:
            raise OSError(errno.E2BIG, "full")
        self.content[key] = value
        self.watch()

    def update_many(self, pairs):
        for key, value in pairs:
            self.update(key, value)

    def delete(self, key):
        assert not self.array
        there = self.content.pop(key, None) is not None
        self.watch()
        return there

    def items(self):
        yield from self.content.items()


def memory_maps(layout):
    """Maps for everything in a layout."""
    maps = {
        MULTICAST: MemoryMap(4, 4 + 8 * MAXIMUM_REPLICAS, 16),
        CLONES: MemoryMap(4, 8 + 8 * MAXIMUM_REPLICAS, 16),
    }
    for table in layout.tables:
        size = table.key_size + (0 if table.kind == "exact" else 4)
        value = table.record_size + (4 if table.masks else 0)
        maps[table.entries] = MemoryMap(size, value, table.size * (8 if table.masks else 1))
        record = max((place.offset + place.size for action in layout.actions for place in action.parameters), default=8)
        maps[table.default] = MemoryMap(4, (record + 7) // 8 * 8, 1, array=True)
        if table.masks:
            maps[table.masks] = MemoryMap(4, 8 + table.key_size, MAXIMUM_MASKS, array=True)
        for name, width in ((table.counter, 16), (table.meter, METER_SIZE), (table.last_hit, 8)):
            if name:
                maps[name] = MemoryMap(4, width, table.size, array=True)
    for profile in layout.profiles:
        maps[profile.members] = MemoryMap(4, profile.record_size, 64)
        maps[profile.groups] = MemoryMap(4, 4 + 4 * MAXIMUM_GROUP, 64)
    for each, width in (
        *((counter, 16) for counter in layout.counters),
        *((meter, METER_SIZE) for meter in layout.meters),
        *((register, register.value_size) for register in layout.registers),
    ):
        maps[each.map] = MemoryMap(4, width, each.size, array=True)
    return maps
