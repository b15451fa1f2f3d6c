"""Which types stand for which others: implicit casts, casts, and the choice of type arguments."""

from collections.abc import Mapping

from dataplane.compiler.lowered import Bits, Boolean
from dataplane.compiler.lowering.types import (
    INTEGER,
    Block,
    Extern,
    Header,
    Integer,
    NewType,
    Record,
    SerializableEnum,
    Struct,
    Tuple,
    Type,
    TypeVariable,
)


def widens(source: Type, target: Type) -> bool:
    """Whether a value is taken for one of another type without a cast (P4_16 section 8.11.2)."""
    if source == target:
        return True
    match source, target:
        case Integer(), Bits():
            return True
        case Integer(), SerializableEnum():
            return False
        case SerializableEnum(underlying=underlying), _:
            return underlying == target
        case Tuple(elements), Tuple(wanted):
            return len(elements) == len(wanted) and all(map(widens, elements, wanted))
        case Tuple(elements), Struct(members=members) | Header(members=members):
            return len(elements) == len(members) and all(
                widens(element, member.type) for element, member in zip(elements, members.values(), strict=True)
            )
        case Record(fields), Struct(members=members) | Header(members=members):
            return {name for name, _ in fields} == set(members) and all(
                widens(type_, members[name].type) for name, type_ in fields
            )
        case _:
            return False


def casts(source: Type, target: Type) -> bool:
    """Whether `(target) value` is allowed (P4_16 section 8.11.1)."""
    if widens(source, target):
        return True
    match source, target:
        case (Bits(1, False), Boolean()) | (Boolean(), Bits(1, False)):
            return True
        case Integer(), Boolean():
            return True
        case Bits(width, signed), Bits(other, other_signed):
            return width == other or signed == other_signed
        case NewType(underlying=underlying), _:
            return underlying == target or casts(underlying, target)
        case _, NewType(underlying=underlying):
            return source == underlying or casts(source, underlying)
        case SerializableEnum(underlying=underlying), _:
            return casts(underlying, target)
        case ((Bits() | Integer()), SerializableEnum(underlying=underlying)):
            return casts(source, underlying)
        case _:
            return False


def substitute(of: Type, bindings: Mapping[str, Type]) -> Type:
    """A type with its type variables replaced by what they stand for."""
    match of:
        case TypeVariable(name):
            return bindings.get(name, of)
        case Tuple(elements):
            return Tuple(tuple(substitute(element, bindings) for element in elements))
        case Extern(name, arguments):
            return Extern(name, tuple(substitute(argument, bindings) for argument in arguments))
        case Block(name, arguments):
            return Block(name, tuple(substitute(argument, bindings) for argument in arguments))
        case _:
            return of


def unify(declared: Type, found: Type, bindings: dict[str, Type]) -> bool:
    """Whether a type fits a declared one for some choice of its variables, which is added to `bindings`."""
    match declared, found:
        case TypeVariable(name), _:
            known = bindings.get(name)
            if known is None or (known == INTEGER and widens(known, found)):
                bindings[name] = found
                return True
            return widens(found, known)
        case (Extern(name, inner), Extern(other, outer)) | (Block(name, inner), Block(other, outer)):
            return (
                name == other
                and len(inner) == len(outer)
                and all(unify(one, another, bindings) for one, another in zip(inner, outer, strict=True))
            )
        case Tuple(inner), Tuple(outer):
            return len(inner) == len(outer) and all(map(lambda one, other: unify(one, other, bindings), inner, outer))
        case _:
            return widens(found, declared)
