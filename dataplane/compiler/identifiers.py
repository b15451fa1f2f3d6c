"""Numbers and short names of a program's objects, as P4Runtime has them.

An id is 8 bits of kind and 24 of the name's hash (P4Runtime section "ID Allocation for P4Info Objects"); hash and order
are p4c's, so that controllers with ids written into them work.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum

from dataplane.compiler.errors import NOWHERE, CompileError, Position
from dataplane.compiler.lowered import Annotations


class Kind(IntEnum):
    """The first 8 bits of an id (`P4Ids.Prefix`)."""

    ACTION = 0x01
    TABLE = 0x02
    CONTROLLER_HEADER = 0x04
    ACTION_PROFILE = 0x11
    COUNTER = 0x12
    DIRECT_COUNTER = 0x13
    METER = 0x14
    DIRECT_METER = 0x15
    REGISTER = 0x16
    DIGEST = 0x17


HASH_MASK = 0xFFFFFF


def name_hash(name: str) -> int:
    """Jenkins' one-at-a-time hash, 32 bits."""
    value = 0
    for byte in name.encode():
        value = (value + byte) & 0xFFFFFFFF
        value = (value + (value << 10)) & 0xFFFFFFFF
        value ^= value >> 6
    value = (value + (value << 3)) & 0xFFFFFFFF
    value ^= value >> 11
    return (value + (value << 15)) & 0xFFFFFFFF


def wanted_id(annotations: Annotations, position: Position = NOWHERE) -> int | None:
    """The number in `@id(...)`, none without one."""
    if "id" not in annotations:
        return None
    text = annotations["id"].strip()
    try:
        value = int(text, 0)
    except ValueError:
        raise CompileError(position, f"found @id({text}); expected a number, as in @id(7)") from None
    if not 0 < value <= 0xFFFFFFFF:
        raise CompileError(position, f"found @id({text}); expected a number from 1 to 4294967295")
    return value


def number_objects(kind: Kind, objects: Mapping[str, tuple[Annotations, Position]]) -> dict[str, int]:
    """Ids of the objects of one kind by name: `@id` first, then by hash in order of names, the next free one where two
    hashes meet."""
    ids: dict[str, int] = {}
    taken: dict[int, str] = {}
    for name, (annotations, position) in objects.items():
        wanted = wanted_id(annotations, position)
        if wanted is None:
            continue
        if wanted >> 24 not in (0, kind):
            raise CompileError(position, f"@id({wanted:#x}) of {name} is of another kind; expected {kind:#04x} on top")
        wanted |= kind << 24
        if wanted in taken:
            raise CompileError(
                position, f"@id({wanted:#x}) of {name} is that of {taken[wanted]}, too; expected two ids"
            )
        ids[name], taken[wanted] = wanted, name
    for name in sorted(set(objects) - set(ids), key=str.encode):
        value = name_hash(name)
        while (identifier := kind << 24 | value & HASH_MASK) in taken:
            value += 1
        ids[name], taken[identifier] = identifier, name
    return ids


def number_members(members: Sequence[tuple[Annotations, Position]]) -> list[int]:
    """Ids of match fields, action parameters or packet metadata: `@id`, the others counted from 1 in their order."""
    wanted = [wanted_id(annotations, position) for annotations, position in members]
    for index, identifier in enumerate(wanted):
        if identifier is not None and identifier in wanted[:index]:
            raise CompileError(members[index][1], f"@id({identifier}) is there twice; expected another number")
    taken = {identifier for identifier in wanted if identifier is not None}
    ids = []
    following = 1
    for identifier in wanted:
        if identifier is None:
            while following in taken:
                following += 1
            identifier = following
            taken.add(identifier)
        else:
            following += 1
        ids.append(identifier)
    return ids


def aliases(names: Iterable[str]) -> dict[str, str]:
    """Each name's shortest end that no other name of the program has: `ipv4_lpm` for `MyIngress.ipv4_lpm`."""
    ends: dict[str, int] = {}
    names = list(dict.fromkeys(names))
    for name in names:
        for end in _ends(name):
            ends[end] = ends.get(end, 0) + 1
    return {name: next((end for end in _ends(name) if ends[end] < 2), name) for name in names}


def _ends(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[index:]) for index in range(len(parts) - 1, -1, -1)]
