"""The parser's place in the tokens, and which names are types there.

P4_16's grammar needs that: `(a) - b` is a cast where `a` is a type, a difference where it is not (specification section
6.4.1 and appendix G).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dataplane.compiler.errors import CompileError, Position
from dataplane.compiler.lexer import END, IDENTIFIER, INTEGER, STRING, Token
from dataplane.compiler.syntax import Identifier

NAMES = frozenset([IDENTIFIER, "apply", "key", "actions", "state", "entries", "type", "priority", "list"])
"""Kinds of tokens that can be names: some keywords are keywords in their places alone."""

TYPE_KEYWORDS = frozenset(["bit", "int", "bool", "varbit", "error", "string", "tuple", "match_kind", "void", "_"])
"""What starts a type besides names; `list` does where `<` follows."""


class Cursor:
    """Reads tokens one by one; every method that takes one moves on."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.index = 0
        self.token = tokens[0]
        self.furthest: CompileError | None = None
        """The error of an attempt that got furthest: it says more than the one after going back."""
        self.furthest_index = -1
        self.scopes: list[dict[str, bool]] = [{}]
        """Names declared so far, innermost last; true for types."""

    # ---- tokens

    def peek(self, ahead: int = 1) -> Token:
        """A token further on; the last one for ever."""
        return self.tokens[min(self.index + ahead, len(self.tokens) - 1)]

    def next(self) -> Token:
        """Takes a token."""
        token = self.token
        if token.kind != END:
            self.index += 1
            self.token = self.tokens[self.index]
        return token

    def take(self, kind: str) -> bool:
        """Takes a token if it is of this kind."""
        if self.token.kind == kind:
            self.next()
            return True
        return False

    def expect(self, kind: str, expected: str = "") -> Token:
        """Takes a token of this kind; `expected` is what a message says instead of the kind."""
        if self.token.kind != kind:
            raise self.error(expected or (kind if kind in (INTEGER, STRING) else f'"{kind}"'))
        return self.next()

    def name(self, expected: str = "a name") -> Identifier:
        """Takes a name."""
        if self.token.kind not in NAMES:
            raise self.error(expected)
        token = self.next()
        return Identifier(token.position, token.text)

    def adjacent(self, *kinds: str) -> bool:
        """Whether these kinds stand here without a blank between: `>>` comes as two."""
        tokens = self.tokens[self.index : self.index + len(kinds)]
        if tuple(token.kind for token in tokens) != kinds:
            return False
        first = tokens[0].position
        return all(
            token.position == Position(first.file, first.line, first.column + offset)
            for offset, token in enumerate(tokens)
        )

    def error(self, expected: str) -> CompileError:
        """What stands here is wrong. A keyword in a name's place is said to be one."""
        found = str(self.token)
        if "name" in expected and self.token.kind.isalpha() and self.token.kind == self.token.text:
            found = f"keyword {found}"
        error = CompileError(self.token.position, f"found {found}, expected {expected}")
        return self.farther(error)

    def farther(self, error: CompileError) -> CompileError:
        """This error, or that of an attempt which got further."""
        if self.index > self.furthest_index or self.furthest is None:
            self.furthest, self.furthest_index = error, self.index
        return self.furthest

    def reset(self, index: int) -> None:
        """Goes back."""
        self.index = index
        self.token = self.tokens[index]

    # ---- names

    @contextmanager
    def scope(self) -> Iterator[None]:
        """What is declared within is forgotten after."""
        self.scopes.append({})
        try:
            yield
        finally:
            self.scopes.pop()

    def declare(self, name: Identifier, *, is_type: bool = False) -> Identifier:
        """Notes a name in the innermost scope."""
        self.scopes[-1][name.text] = is_type
        return name

    def is_type(self, name: str) -> bool:
        """Whether a name is a type here."""
        for scope in reversed(self.scopes):
            found = scope.get(name)
            if found is not None:
                return found
        return False

    def at_type(self) -> bool:
        """Whether a type starts here: a keyword or the name of one."""
        kind = self.token.kind
        if kind in TYPE_KEYWORDS:
            return True
        if kind == ".":
            following = self.peek()
            return following.kind in NAMES and self.scopes[0].get(following.text, False)
        if kind == "list" and self.peek().kind == "<":
            return True
        return kind in NAMES and self.is_type(self.token.text)
