"""Arguments of a call of an extern, as the statement that it becomes needs them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dataplane.compiler import lowered, syntax
from dataplane.compiler.errors import CompileError, Position
from dataplane.compiler.lowered import Bits, Expression, Place, Statement
from dataplane.compiler.lowering import types
from dataplane.compiler.lowering.expressions import Expressions
from dataplane.compiler.lowering.types import Type
from dataplane.compiler.lowering.values import (
    Data,
    ExternObject,
    Fields,
    Items,
    Nothing,
    Value,
    constant,
)


@dataclass(frozen=True)
class ExternCall:
    """A checked call; arguments have the types of the signature, and places where they are written."""

    body: Expressions
    node: syntax.Call
    name: str
    arguments: Mapping[str, Data]
    bindings: Mapping[str, Type]
    base: ExternObject | None

    @property
    def position(self) -> Position:
        return self.node.position

    def emit(self, statement: Statement) -> Data:
        """Adds the statement that the call becomes."""
        self.body.block.append(statement)
        return Nothing()

    def value(self, name: str) -> Value:
        """An argument that is one value."""
        found = self.arguments[name]
        if not isinstance(found, Value):
            raise CompileError(self.position, f"found a list as {name} of {self.name}; expected one value")
        return found

    def read(self, name: str) -> Expression:
        """An argument's value."""
        return self.value(name).expression

    def place(self, name: str) -> Place:
        """Where an argument is written."""
        place = self.value(name).place
        assert place is not None
        return place

    def known(self, name: str) -> int:
        """An argument that has to be a constant."""
        found = self.arguments[name]
        known = constant(found)
        if known is None:
            raise CompileError(self.position, f"found {name} of {self.name} computed at run time; expected a constant")
        return known.value

    def bits(self, name: str) -> Expression:
        """An argument that has to be a number."""
        found = self.value(name)
        if not isinstance(types.decayed(found.type), Bits):
            raise CompileError(
                self.position, f"found {types.describe(found.type)} as {name} of {self.name}; expected a number"
            )
        return found.expression

    def listed(self, name: str) -> tuple[Expression, ...]:
        """An argument's values one after the other."""
        return tuple(value.expression for value in self._flat(self.arguments[name]))

    def _flat(self, data: Data) -> Iterator[Value]:
        match data:
            case Items(items):
                for item in items:
                    yield from self._flat(item)
            case Fields(members):
                for item in members.values():
                    yield from self._flat(item)
            case Value():
                yield data
            case _:
                raise CompileError(
                    self.position, f"found {types.describe(data.type)} in a list for {self.name}; expected a width"
                )

    def preserved(self) -> tuple[Place, ...]:
        """The metadata of a field list: by `@field_list(index)`, or by a list of places."""
        if "index" in self.arguments:
            return tuple(self._in_field_list(self.body.builder.metadata, self.known("index")))
        if "data" not in self.arguments:
            return ()
        found: list[Place] = []
        for value in self._flat(self.arguments["data"]):
            if value.place is None:
                raise CompileError(self.position, f"found a value without a place for {self.name}; expected metadata")
            if value.place == self.body.builder.standard:
                found += _lasting(value.place)
            else:
                found.append(value.place)
        return tuple(found)

    def _in_field_list(self, of: Place, index: int) -> Iterator[Place]:
        for field in struct(of.type).fields:
            place = lowered.Member(of, field.name, field.type)
            if index in self._numbers(field):
                yield place
            elif isinstance(field.type, lowered.Struct):
                yield from self._in_field_list(place, index)

    def _numbers(self, field: lowered.Field) -> list[int]:
        """The field lists that a member is in."""
        written = field.annotations.get("field_list", "")
        try:
            return [int(number, 0) for number in written.replace(",", " ").split()]
        except ValueError:
            raise CompileError(
                self.position, f"found @field_list({written}) on {field.name}; expected numbers"
            ) from None


_LASTING = ("ingress_port", "egress_spec", "mcast_grp", "checksum_error", "parser_error", "priority")
"""Members of standard metadata that mean something to the packet's next turn; the target sets the others anew."""


def _lasting(standard: Place) -> list[Place]:
    return [
        lowered.Member(standard, field.name, field.type)
        for field in struct(standard.type).fields
        if field.name in _LASTING
    ]


def struct(type_: lowered.Type) -> lowered.Struct:
    """A type that is a struct."""
    assert isinstance(type_, lowered.Struct)
    return type_
