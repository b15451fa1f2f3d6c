"""Ternary tables: masks in order, entries found at every moment while masks move, ranges as prefixes."""

import random

import handmade
import pytest
from finsy.proto import p4r
from hypothesis import given
from hypothesis import strategies as st
from memory_maps import MemoryMap
from rig import DELETE, INSERT, MODIFY, Rig

from dataplane.target.masks import NO_MASK, Masks
from dataplane.target.ranges import prefixes
from dataplane.target.refusal import Code, Refusal

MAC = b"\x0a\x00\x00\x00\x00\x01"


@pytest.fixture
def rig():
    return Rig()


def rule(rig, match=(), priority=10, port=1):
    action = rig.action("ipv4_forward", MAC, bytes([port]))
    return rig.entry("acl", match, action, priority=priority)


def lookup(rig, source=0, destination=0, tos=0, port=0):
    """The port to which the program would send, by the rules of `compiler.layout`; none for a miss."""
    place = rig.place("acl")
    key = source.to_bytes(4, "big") + destination.to_bytes(4, "big") + bytes([tos]) + port.to_bytes(2, "big")
    masks, entries = rig.maps[place.masks], rig.maps[place.entries]
    best, found = 0, None
    for index in range(masks.max_entries):
        slot = masks.lookup(index.to_bytes(4, "little"))
        priority, number, mask = int.from_bytes(slot[:4], "little"), slot[4:8], slot[8:]
        if priority == 0 or priority <= best:
            break
        entry = entries.lookup(number + bytes(a & b for a, b in zip(key, mask, strict=True)))
        if entry is not None and int.from_bytes(entry[:4], "little") > best:
            best, found = int.from_bytes(entry[:4], "little"), entry[4:][16]
    return found


def test_the_best_priority_wins_whatever_its_mask(rig):
    rig.write(INSERT, rule(rig, [(1, "ternary", b"\x0a\0\0\0", b"\xff\0\0\0")], 10, port=1))
    rig.write(INSERT, rule(rig, [(2, "lpm", b"\x0b\0\0\0", 8)], 30, port=2))
    rig.write(INSERT, rule(rig, [], 1, port=3))
    assert lookup(rig, source=0x0A000001, destination=0x0B000001) == 2
    assert lookup(rig, source=0x0A000001) == 1
    assert lookup(rig) == 3
    rig.write(INSERT, rule(rig, [(1, "ternary", b"\x0a\0\0\x01", b"\xff\0\0\xff")], 40, port=4))
    assert lookup(rig, source=0x0A000001, destination=0x0B000001) == 4


def test_of_entries_that_differ_in_priority_alone_the_better_one_wins_until_it_goes(rig):
    match = [(4, "optional", b"\x05")]
    for priority in (10, 30, 20):
        rig.write(INSERT, rule(rig, match, priority, port=priority))
    assert lookup(rig, port=5) == 30
    rig.write(DELETE, rule(rig, match, 30))
    assert lookup(rig, port=5) == 20
    rig.write(MODIFY, rule(rig, match, 10, port=11))
    assert lookup(rig, port=5) == 20
    rig.write(DELETE, rule(rig, match, 20))
    assert lookup(rig, port=5) == 11
    rig.write(DELETE, rule(rig, match, 10))
    assert lookup(rig, port=5) is None


def test_a_range_matches_its_ends_and_nothing_beyond(rig):
    rig.write(INSERT, rule(rig, [(3, "range", b"\x03", b"\x49")], 5))
    assert [tos for tos in range(256) if lookup(rig, tos=tos)] == list(range(0x03, 0x4A))
    assert len(rig.read(rig.entry("acl"))) == 1, "one entry, however many rows it takes"
    rig.write(DELETE, rule(rig, [(3, "range", b"\x03", b"\x49")], 5))
    assert not rig.maps[rig.place("acl").entries].content


def test_too_many_masks_are_refused_and_leave_no_trace(rig):
    masks = [mask.to_bytes(4, "big") for mask in range(1, 256)]
    wide = Rig(handmade.program(tables=(handmade.lpm, wide_acl())))
    for mask in masks:
        wide.write(INSERT, rule(wide, [(1, "ternary", b"\0", mask)]))
    before = dict(wide.maps[wide.place("acl").entries].content)
    with pytest.raises(Refusal, match="acl: found 255 distinct masks and 1 more; expected at most 255") as found:
        wide.write(INSERT, rule(wide, [(1, "ternary", b"\0", b"\x01\x00")]))
    assert found.value.code == Code.RESOURCE_EXHAUSTED
    assert wide.maps[wide.place("acl").entries].content == before
    wide.write(DELETE, rule(wide, [(1, "ternary", b"\0", masks[7])]))
    wide.write(INSERT, rule(wide, [(1, "ternary", b"\0", b"\x01\x00")]))


def wide_acl():
    keys = [
        (*handmade.SOURCE, handmade.MatchKind.TERNARY),
        (*handmade.DESTINATION, handmade.MatchKind.LPM),
        (*handmade.TOS, handmade.MatchKind.RANGE),
        (*handmade.PORT, handmade.MatchKind.OPTIONAL),
    ]
    return handmade.table("MyIngress.acl", keys, size=4096)


def test_a_full_map_takes_an_entry_wholly_or_not_at_all(rig):
    rig.maps[rig.place("acl").entries].max_entries = 3
    rig.write(INSERT, rule(rig, [(4, "optional", b"\x01")]))
    before = dict(rig.maps[rig.place("acl").entries].content)
    with pytest.raises(Refusal, match="found its map full at 3 rows") as found:
        rig.write(INSERT, rule(rig, [(3, "range", b"\x01", b"\x06")]))
    assert found.value.code == Code.RESOURCE_EXHAUSTED
    assert rig.maps[rig.place("acl").entries].content == before and len(rig.read(rig.entry("acl"))) == 1
    rig.write(INSERT, rule(rig, [(4, "optional", b"\x02")]))


@given(st.data())
def test_prefixes_of_a_range_cover_it_exactly_once(data):
    width = data.draw(st.integers(1, 9))
    low = data.draw(st.integers(0, (1 << width) - 1))
    high = data.draw(st.integers(low, (1 << width) - 1))
    pairs = list(prefixes(low, high, width))
    covered = [value for value in range(1 << width) for want, mask in pairs if value & mask == want]
    assert covered == list(range(low, high + 1))
    assert len(pairs) <= max(1, 2 * width - 2)


# masks that move while a lookup reads them


class Reader:
    """A lookup that goes through the slots one by one, and between two of them lets the switch write."""

    def __init__(self, slots):
        self.slots = slots
        self.place = 0
        self.seen = set()
        self.ended = False

    def step(self):
        slot = self.slots.lookup(self.place.to_bytes(4, "little"))
        if self.place == self.slots.max_entries - 1 or not int.from_bytes(slot[:4], "little"):
            self.ended = True
        self.seen.add(int.from_bytes(slot[4:8], "little"))
        self.place += 1


@pytest.mark.parametrize("seed", range(40))
def test_a_lookup_meets_every_mask_that_was_there_before_it_and_after(seed):
    chance = random.Random(seed)
    slots = MemoryMap(4, 12, 9, array=True)
    readers = []

    def settle():
        """Every lookup that has begun ends before the switch goes on."""
        for reader in readers:
            while not reader.ended:
                reader.step()

    masks = Masks("t", slots, settle)
    used, removed = {}, set()

    def write_between():
        for reader in readers:
            if not reader.ended and chance.random() < 0.5:
                reader.step()

    slots.watch = write_between
    for _ in range(60):
        readers[:] = [Reader(slots) for _ in range(3)]
        there = {masks.number(mask) for mask in used}
        removed.clear()
        if used and chance.random() < 0.4:
            mask = chance.choice(sorted(used))
            removed.add(masks.number(mask))
            masks.remove(mask)
            del used[mask]
        elif used and chance.random() < 0.4:
            mask = chance.choice(sorted(used))
            masks.raise_to(mask, chance.randint(1, 100))
        elif chance.random() < 0.2:
            generation = masks.mark()
            if used:
                masks.raise_to(chance.choice(sorted(used)), chance.randint(1, 100))
            settle()
            masks.clear(generation)
        elif len(used) < 8:
            mask = bytes([0, 0, 0, chance.randint(1, 250)])
            if mask not in used:
                masks.reserve({mask})
                masks.add(mask)
                used[mask] = True
                masks.raise_to(mask, chance.randint(1, 100))
        settle()
        for reader in readers:
            assert there - removed <= reader.seen
    content = [slots.lookup(index.to_bytes(4, "little")) for index in range(9)]
    priorities = [int.from_bytes(slot[:4], "little") for slot in content]
    assert priorities == sorted(priorities, reverse=True), "best first, zeros at the end"
    live = [int.from_bytes(slot[4:8], "little") for slot in content if any(slot[:4])]
    assert set(live) - {NO_MASK} == {masks.number(mask) for mask in used}


def test_masks_that_no_entry_has_any_more_make_room(rig):
    for turn in range(3):
        for number in range(1, 61):
            match = [(1, "ternary", b"\0", bytes([turn + 1, number]))]
            rig.write(INSERT, rule(rig, match, priority=number))
        for number in range(1, 61):
            match = [(1, "ternary", b"\0", bytes([turn + 1, number]))]
            rig.write(DELETE, rule(rig, match, priority=number))
    assert not any(any(slot[:4]) for slot in rig.maps[rig.place("acl").masks].content.values())
    assert rig.read(p4r.TableEntry(table_id=rig.tables["acl"].preamble.id)) == []
