"""Reading and writing bits of headers as they are on the wire, by as few loads and stores as it takes.

A load may reach beyond a header, as far as 7 bytes: into what lies behind it in the state. A store that does so writes
back what was there.
"""

from collections.abc import Iterator

from dataplane.compiler.emitter.numbers import literal

LOADS = (8, 16, 32, 64)


def reading(base: str, offset: int, bits: int) -> str:
    """C expression of `bits` bits at bit `offset` of the bytes at `base`, the first bit on the wire the highest."""
    if bits > 64:
        return f"U128({reading(base, offset, bits - 64)}, {reading(base, offset + bits - 64, 64)})"
    place, shift = offset // 8, offset % 8
    span = shift + bits
    if span > 64:
        high = bits - 32
        return f"(({reading(base, offset, high)} << 32) | {reading(base, offset + high, 32)})"
    load = next(load for load in LOADS if span <= load)
    text = f"load{load}({at(base, place)})"
    if load > span:
        text = f"({text} >> {load - span})"
    return f"({text} & {literal(-1, bits)})" if shift else text


def writing(base: str, offset: int, bits: int, value: str) -> Iterator[str]:
    """C statements that set these bits; `value` is the name of a variable, its upper bits zero."""
    if bits > 64:
        yield from writing(base, offset, bits - 64, f"((u64)({value} >> 64))")
        yield from writing(base, offset + bits - 64, 64, f"((u64){value})")
        return
    place, shift = offset // 8, offset % 8
    if shift == 0 and bits % 8 == 0:
        yield from _whole(base, place, bits, value)
        return
    span = shift + bits
    if span > 64:
        yield from writing(base, offset, bits - 32, f"({value} >> 32)")
        yield from writing(base, offset + bits - 32, 32, f"({value} & 0xffffffffull)")
        return
    load = next(load for load in LOADS if span <= load)
    keep = ((1 << load) - 1) ^ (((1 << bits) - 1) << (load - span))
    target = at(base, place)
    moved = f"((u64){value} << {load - span})" if load > span else f"(u64){value}"
    yield f"store{load}({target}, (load{load}({target}) & {literal(keep, load)}) | {moved});"


def _whole(base: str, place: int, bits: int, value: str) -> Iterator[str]:
    for size in reversed(LOADS):
        while bits >= size:
            bits -= size
            yield f"store{size}({at(base, place)}, {f'(u64){value} >> {bits}' if bits else value});"
            place += size // 8


def at(base: str, place: int) -> str:
    return f"{base} + {place}" if place else base
