"""Names and what they stand for, by nested scopes."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from dataplane.compiler import syntax
from dataplane.compiler.errors import CompileError, Position
from dataplane.compiler.lowering.values import Broken, Entity


class Known(CompileError):
    """Something that follows from an error that has been reported."""


class Scope:
    """The names of a block, within those of the blocks around it."""

    def __init__(self, outer: "Scope | None" = None) -> None:
        self.outer = outer
        self._entities: dict[str, Entity] = {}
        self._positions: dict[str, Position] = {}

    def declare(self, name: syntax.Identifier, entity: Entity) -> None:
        """Adds a name; a second one in the same scope is an error."""
        if name.text in self._entities:
            first = self._positions[name.text]
            raise CompileError(name.position, f"found a second declaration of {name.text}; the first is at {first}")
        self._entities[name.text] = entity
        self._positions[name.text] = name.position

    def replace(self, name: str, entity: Entity) -> None:
        """Gives a declared name another meaning."""
        self._entities[name] = entity

    def local(self, name: str) -> Entity | None:
        """What a name stands for in this scope alone."""
        return self._entities.get(name)

    def find(self, name: str) -> Entity | None:
        """What a name stands for here; none for an unknown one."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope._entities:
                return scope._entities[name]
            scope = scope.outer
        return None

    def lookup(self, name: str, position: Position, what: str = "name") -> Entity:
        """What a name stands for here; an unknown one is an error that shows the nearest."""
        entity = self.find(name)
        if entity is None:
            raise CompileError(position, f"found undeclared {what} {name}{nearest(name, self.names())}")
        if isinstance(entity, Broken):
            raise Known(position, f"{name} is in error")
        return entity

    def top(self) -> "Scope":
        """The scope of the whole program."""
        scope = self
        while scope.outer is not None:
            scope = scope.outer
        return scope

    def names(self) -> Iterator[str]:
        """Every name that is visible here."""
        scope: Scope | None = self
        while scope is not None:
            yield from scope._entities
            scope = scope.outer


def nearest(name: str, names: Iterable[str]) -> str:
    """`; the nearest is X`, or nothing where no valid name is near."""
    every = list(dict.fromkeys(names))
    alike = [each for each in every if each.lower() == name.lower()]
    close = alike or get_close_matches(name, every, 1)
    return f"; the nearest is {close[0]}" if close else ""


def choices(names: Iterable[str]) -> str:
    """Valid names as an error lists them."""
    return ", ".join(names) or "none"
