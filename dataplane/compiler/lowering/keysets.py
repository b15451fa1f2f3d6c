"""Sets of values: in cases of a select and in entries of tables (P4_16 sections 8.14 and 13.6)."""

from dataplane.compiler import syntax
from dataplane.compiler.errors import CompileError, UnsupportedError
from dataplane.compiler.lowered import Bits, KeyValue, MatchKind
from dataplane.compiler.lowering import types
from dataplane.compiler.lowering.bodies import Body
from dataplane.compiler.lowering.statements import number_of_bits
from dataplane.compiler.lowering.types import Type
from dataplane.compiler.lowering.values import constant


def keyset(body: Body, node: syntax.Expression, type_: Type) -> KeyValue | None:
    """The values that one key is compared with; none for all."""
    ones = (1 << number_of_bits(type_)) - 1
    match node:
        case syntax.Default():
            return None
        case syntax.Mask(value=value, mask=mask):
            bits = _fixed(body, mask, type_, ones)
            return KeyValue(_fixed(body, value, type_, ones) & bits, bits)
        case syntax.Range(low=low, high=high):
            first, last = _fixed(body, low, type_, ones), _fixed(body, high, type_, ones)
            if first > last and types.number(type_) == Bits(number_of_bits(type_), signed=True):
                raise UnsupportedError(node.position, "range that begins below zero")
            if first > last:
                raise CompileError(node.position, f"found range {first} .. {last}; expected the lower bound first")
            return KeyValue(first, ones, last)
        case _:
            return KeyValue(_fixed(body, node, type_, ones), ones)


def _fixed(body: Body, node: syntax.Expression, type_: Type, ones: int) -> int:
    known = constant(body.value(node, types.decayed(type_)))
    if known is None:
        raise CompileError(node.position, "found a value computed at run time; expected a constant")
    return known.value & ones


def entry_key(body: Body, node: syntax.Expression, type_: Type, kind: MatchKind) -> KeyValue:
    """What an entry wants of a key, in the form that its match kind has."""
    width = number_of_bits(type_)
    ones = (1 << width) - 1
    found = keyset(body, node, type_)
    if found is None:
        if kind is MatchKind.EXACT:
            raise CompileError(node.position, "found _ for an exact key; expected a value")
        return KeyValue(0, ones, ones) if kind is MatchKind.RANGE else KeyValue(0, 0)
    if kind is MatchKind.RANGE:
        if found.mask != ones:
            raise CompileError(node.position, "found &&& for a range key; expected a value or a range ..")
        return found if found.high is not None else KeyValue(found.value, ones, found.value)
    if found.high is not None:
        raise CompileError(node.position, f"found a range for a key of kind {kind}; expected a value")
    if found.mask == ones or kind is MatchKind.TERNARY:
        return found
    if kind is MatchKind.LPM:
        if (found.mask | (found.mask - 1)) != ones and found.mask:
            raise CompileError(node.position, f"found mask {found.mask:#x} for an lpm key; expected leading ones")
        return found
    raise CompileError(node.position, f"found &&& for a key of kind {kind}; expected a value")
