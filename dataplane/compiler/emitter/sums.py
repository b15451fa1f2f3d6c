"""Checksums and hashes of data as C."""

from collections.abc import Iterator, Sequence

from dataplane.compiler.emitter.bitstrings import Piece, packing, pieces, total
from dataplane.compiler.emitter.bytefields import reading
from dataplane.compiler.emitter.places import field_bits
from dataplane.compiler.emitter.statements import Lines, Statements
from dataplane.compiler.errors import Position, UnsupportedError
from dataplane.compiler.lowered import Algorithm, Constant, Element, Expression, Header, Member, Place, Read

CUSTOM = {Algorithm.CRC16_CUSTOM, Algorithm.CRC32_CUSTOM}


class Summing:
    """Algorithms over data; `scratch` is the largest number of bytes that any needed."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self.scratch = 8
        self.algorithms: set[Algorithm] = set()

    def compute(
        self, name: str, algorithm: Algorithm, data: Sequence[Expression], position: Position, payload: bool = False
    ) -> Lines:
        """C that declares `u64 name` with the result; `payload` adds what follows the parsed headers."""
        if algorithm in CUSTOM:
            raise UnsupportedError(position, f"HashAlgorithm.{algorithm.name.lower()} (no parameters can be set)")
        if payload and (algorithm is not Algorithm.CSUM16 or total(data) % 8):
            raise UnsupportedError(
                position, f"{algorithm.name.lower()} with payload behind {total(data)} bits (csum16 behind whole bytes)"
            )
        self.algorithms.add(algorithm)
        if algorithm is Algorithm.CSUM16:
            yield from self._ones_complement(name, data, payload)
        elif algorithm is Algorithm.RANDOM:
            yield f"u64 {name} = bpf_get_prandom_u32();"
        else:
            size = (total(data) + 7) // 8
            self.scratch = max(self.scratch, size)
            yield from packing(self._statements, data, "s->scratch")
            yield f"u64 {name} = {algorithm.name.lower()}(s->scratch, {size});"

    def _ones_complement(self, name: str, data: Sequence[Expression], payload: bool) -> Lines:
        yield f"u64 {name} = 0;"
        for term in self._terms(data):
            yield f"{name} += {term};"
        if payload:
            total_ = "payload_sum(s, skb)"
            yield f"{name} += {f'swapped({total_})' if total(data) // 8 % 2 else total_};"
        yield f"{name} = ~fold({name}) & 0xffff;"

    def _terms(self, data: Sequence[Expression]) -> Iterator[str]:
        """Numbers that are, folded, the sum of the data's 16-bit words."""
        run: list[Piece] = []
        for piece in pieces(data):
            if run and not _continues(run[-1], piece):
                yield from self._run(run)
                run = []
            run.append(piece)
        if run:
            yield from self._run(run)

    def _run(self, run: list[Piece]) -> Iterator[str]:
        """Fields that lie one after the other in a header are read together."""
        first = _header_field(run[0])
        if first is None:
            yield self._term(self._statements.expressions.text(run[0].value), run[0].bits, run[0].offset)
            return
        place, start = first
        base = f"(u8 *){self._statements.places.locate(place).data}.words"
        offset, left = run[0].offset, sum(piece.bits for piece in run)
        while left:
            bits = 64 if left >= 64 and offset % 16 == 0 and start % 8 == 0 else min(left, 32)
            yield self._term(reading(base, start, bits), bits, offset)
            start, offset, left = start + bits, offset + bits, left - bits

    def _term(self, value: str, bits: int, offset: int) -> str:
        shift = -(offset + bits) % 16
        if bits > 64:
            value = f"(fold32((u64)({value} >> 64)) + fold32((u64){value}))"
        elif bits > 48:
            value = f"fold32({value})"
        return f"((u64){value} << {shift})" if shift else f"(u64){value}"


def _header_field(piece: Piece) -> tuple[Place, int] | None:
    """Header and bit offset of a piece that is (a field of) a header at a fixed place."""
    if not isinstance(piece.value, Read):
        return None
    place = piece.value.place
    if isinstance(place.type, Header):
        return (place, 0) if _fixed(place) else None
    if isinstance(place, Member) and isinstance(place.base.type, Header) and _fixed(place.base):
        return place.base, field_bits(place.base.type, place.name)[0]
    return None


def _fixed(place: Place) -> bool:
    match place:
        case Element(base, index):
            return isinstance(index, Constant) and _fixed(base)
        case Member(base):
            return _fixed(base)
        case _:
            return True


def _continues(before: Piece, piece: Piece) -> bool:
    one, other = _header_field(before), _header_field(piece)
    return one is not None and other is not None and one[0] == other[0] and one[1] + before.bits == other[1]
