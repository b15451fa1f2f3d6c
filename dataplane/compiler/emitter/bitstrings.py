"""Data of several fields as one string of bits: for checksums, hashes, digests."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dataplane.compiler.emitter.bytefields import writing
from dataplane.compiler.emitter.numbers import bits_of, computing
from dataplane.compiler.emitter.places import header_size
from dataplane.compiler.emitter.statements import Lines, Statements
from dataplane.compiler.layout import KeyField
from dataplane.compiler.lowered import (
    Bits,
    Boolean,
    Constant,
    Element,
    Expression,
    Header,
    Member,
    Place,
    Read,
    Stack,
    width,
)


@dataclass(frozen=True)
class Piece:
    """A number, boolean or whole header; `offset` in bits from the start of the string."""

    value: Expression
    offset: int

    @property
    def bits(self) -> int:
        return width(self.value.type)


def pieces(data: Sequence[Expression]) -> list[Piece]:
    """Numbers and headers, one after the other; structs and stacks are taken apart."""
    result, offset = [], 0
    for value in data:
        for part in _flat(value):
            result.append(Piece(part, offset))
            offset += width(part.type)
    return result


def total(data: Sequence[Expression]) -> int:
    """Bits of all."""
    return sum(width(value.type) for value in data)


def packing(statements: Statements, data: Sequence[Expression], base: str) -> Lines:
    """C that writes data as bytes at `base`; the last byte is filled with zeros."""
    last_byte = total(data) // 8
    filled = total(data) % 8 == 0
    for piece in pieces(data):
        if not filled and piece.offset + piece.bits > 8 * last_byte:
            yield f"({base})[{last_byte}] = 0;"
            filled = True
        if isinstance(piece.value.type, Header):
            yield from _header(statements, piece, base)
        else:
            name = statements.temporary()
            yield "{"
            yield f"\t{computing(piece.bits)} {name} = {statements.expressions.text(piece.value)};"
            for line in writing(base, piece.offset, piece.bits, name):
                yield f"\t{line}"
            yield "}"


def _header(statements: Statements, piece: Piece, base: str) -> Lines:
    assert isinstance(piece.value, Read) and isinstance(piece.value.type, Header)
    if piece.offset % 8 == 0 and not isinstance(piece.value.place, Element):
        found = statements.places.locate(piece.value.place)
        size = header_size(piece.value.type)
        yield f"copy({base} + {piece.offset // 8}, {found.data}.words, {size});"
        return
    yield from packing_fields(statements, piece, base)


def packing_fields(statements: Statements, piece: Piece, base: str) -> Lines:
    """A header field by field."""
    assert isinstance(piece.value, Read) and isinstance(piece.value.type, Header)
    offset = piece.offset
    for field in piece.value.type.fields:
        kind = field.type
        assert isinstance(kind, Bits | Boolean)
        name = statements.temporary()
        value = Read(Member(piece.value.place, field.name, kind), kind)
        yield "{"
        yield f"\t{computing(bits_of(kind))} {name} = {statements.expressions.text(value)};"
        for line in writing(base, offset, bits_of(kind), name):
            yield f"\t{line}"
        yield "}"
        offset += bits_of(kind)


def packing_member(statements: Statements, data: Expression, places: Sequence[KeyField], base: str) -> Lines:
    """C that writes each number of the data into whole bytes of its own, right-aligned."""
    numbers = [part for piece in pieces([data]) for part in _numbers(piece.value)]
    for value, place in zip(numbers, places, strict=True):
        yield from filling(statements, value, place, base)


def filling(statements: Statements, value: Expression, place: KeyField, base: str) -> Lines:
    """One number into whole bytes, big-endian and right-aligned."""
    name = statements.temporary()
    yield "{"
    yield f"\t{computing(8 * place.size)} {name} = {statements.expressions.text(value)};"
    for line in writing(base, 8 * place.offset, 8 * place.size, name):
        yield f"\t{line}"
    yield "}"


def _numbers(value: Expression) -> Iterator[Expression]:
    if isinstance(value.type, Header):
        assert isinstance(value, Read)
        for part in _members(value.place):
            yield Read(part, part.type)
    else:
        yield value


def _flat(value: Expression) -> Iterator[Expression]:
    kind = value.type
    if isinstance(kind, Bits | Boolean | Header):
        yield value
        return
    assert isinstance(value, Read), value
    for part in _members(value.place):
        yield from _flat(Read(part, part.type))


def _members(place: Place) -> Iterator[Place]:
    kind = place.type
    if isinstance(kind, Stack):
        for index in range(kind.size):
            yield Element(place, Constant(index, Bits(32)), kind.element)
    else:
        assert not isinstance(kind, Bits | Boolean)
        for field in kind.fields:
            yield Member(place, field.name, field.type)
