"""Parsing of tables and their properties (P4_16 specification section 14.2)."""

from collections.abc import Callable
from typing import TypeVar

from dataplane.compiler import syntax
from dataplane.compiler.errors import CompileError
from dataplane.compiler.expressions import ExpressionParser

T = TypeVar("T")


class TableParser(ExpressionParser):
    """Tables."""

    def table(self, annotations: syntax.Annotations) -> syntax.TableDeclaration:
        """`table name { properties }`."""
        place = self.expect("table").position
        name = self.name("the table's name")
        self.expect("{")
        keys: tuple[syntax.Key, ...] | None = None
        actions: tuple[syntax.ActionReference, ...] | None = None
        entries: tuple[syntax.Entry, ...] | None = None
        constant_entries = False
        properties: list[syntax.Property] = []
        while not self.take("}"):
            start = self.token.position
            before = self.annotations()
            constant = self.take("const")
            label = self.name('a property ("key", "actions", "entries", "default_action", "size"…) or "}"')
            known = {"key": keys, "actions": actions, "entries": entries}.get(label.text)
            if known is not None:
                raise self.farther(CompileError(label.position, f"found a second {label.text} of table {name}"))
            self.expect("=")
            if label.text == "key":
                keys = self._items(self._key)
            elif label.text == "actions":
                actions = self._items(self._action_item)
            elif label.text == "entries":
                entries = self._items(self._entry)
                constant_entries = constant
            else:
                value = self.expression()
                self.expect(";")
                properties.append(syntax.Property(start, label, value, constant, before))
        self.declare(name)
        return syntax.TableDeclaration(
            place, name, keys, actions, entries, constant_entries, tuple(properties), annotations
        )

    def _items(self, parse: Callable[[], T]) -> tuple[T, ...]:
        """`{ … }`; a semicolon behind it does no harm."""
        self.expect("{")
        items: list[T] = []
        while not self.take("}"):
            items.append(parse())
        self.take(";")
        return tuple(items)

    def _key(self) -> syntax.Key:
        place = self.token.position
        expression = self.expression()
        self.expect(":")
        kind = self.name("a match kind (exact, lpm, ternary…)")
        annotations = self.annotations()
        self.expect(";")
        return syntax.Key(place, expression, kind, annotations)

    def _action_item(self) -> syntax.ActionReference:
        annotations = self.annotations()
        reference = self._action_reference(annotations)
        self.expect(";")
        return reference

    def _action_reference(self, annotations: syntax.Annotations) -> syntax.ActionReference:
        place = self.token.position
        absolute = self.take(".")
        name = syntax.Name(place, self.name("an action's name").text, absolute)
        arguments = self.arguments() if self.token.kind == "(" else None
        return syntax.ActionReference(place, name, arguments, annotations)

    def _entry(self) -> syntax.Entry:
        place = self.token.position
        constant = self.take("const")
        priority = None
        if self.token.kind == "priority" and self.peek().kind == "=":
            self.next()
            self.next()
            priority = self.expression()
            self.expect(":")
        keyset = self.keyset()
        self.expect(":")
        reference = self._action_reference(())
        annotations = self.annotations()
        self.expect(";")
        return syntax.Entry(place, keyset, reference, priority, constant, annotations)
