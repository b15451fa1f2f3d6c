"""Text to tokens: P4_16 specification section 6.4; lines that are the preprocessor's come as one token each."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from dataplane.compiler.errors import CompileError, Position

IDENTIFIER, INTEGER, STRING, DIRECTIVE, END = "identifier", "integer", "string", "directive", "end"
"""Kinds of tokens; keywords and symbols are kinds of their own, named as they are written."""

_WORDS = """
    _ abstract action actions apply bit bool break const continue control default else entries enum error exit extern
    false for header header_union if in inout int key list match_kind out package parser priority return select state
    string struct switch table this transition true tuple type typedef value_set varbit void
"""
KEYWORDS = frozenset(_WORDS.split())

_SYMBOLS = """
    |+|= |-|= <<= &&& ... {#} |+| |-|
    << && || ++ .. <= >= == != += -= *= /= %= &= |= ^= ##
    { } ( ) [ ] < > ; : , . = + - * / % & | ^ ~ ! ? @ #
"""
SYMBOLS = tuple(_SYMBOLS.split())
"""Longer ones first. `>>` is two tokens, since it also ends two lists of type arguments."""

_COMMENT = r"//[^\n]*|/\*[\s\S]*?\*/"
_STRING = r'"(?:[^"\\\n]|\\[^\n])*"'
_DIRECTIVE = rf"^[ \t]*\#(?:\\\r?\n|{_COMMENT}|{_STRING}|[^\n])*"
_TOKEN = re.compile(
    rf"(?P<directive>{_DIRECTIVE})|[ \t\r\f\v]+|(?P<lines>\n+|\\\r?\n)|(?P<comment>{_COMMENT})"
    rf"|(?P<identifier>[A-Za-z_][A-Za-z0-9_]*)|(?P<integer>[0-9][A-Za-z0-9_]*)|(?P<string>{_STRING})"
    rf"|(?P<symbol>(?!/\*)(?:{'|'.join(map(re.escape, SYMBOLS))}))",
    re.MULTILINE,
)
_SKIPPED = re.compile(rf"(?P<directive>{_DIRECTIVE})|(?P<comment>{_COMMENT})|[^\n/]+|/|\n", re.MULTILINE)


class Token(NamedTuple):
    """`text` is as in the source: strings with their quotes, integers with width and base."""

    kind: str
    text: str
    position: Position

    def __str__(self) -> str:
        """As messages show it."""
        match self.kind:
            case "end":
                return "the end of the file"
            case "string":
                return self.text
            case _:
                return f'"{self.text}"'


class Lexer:
    """Goes through a text once; whoever drives it may leave parts out."""

    def __init__(self, text: str, file: str, *, offset: int = 0, start: Position | None = None) -> None:
        """`start` is the place of the text's first character, `offset` where to begin in the text."""
        self.text = text
        self.file = file
        self.offset = offset
        self.line = start.line if start else 1
        self.line_start = 1 - start.column if start else 0
        """Offset of the line's first character."""

    def tokens(self) -> Iterator[Token]:
        """Tokens and directives to the end of the text."""
        scan = _TOKEN.match
        while self.offset < len(self.text):
            found = scan(self.text, self.offset)
            if found is None:
                raise CompileError(self._place(self.offset), f"found {self._oddity()}")
            kind = found.lastgroup
            text = found.group()
            start = self.offset
            self.offset = found.end()
            if kind is None:
                continue
            if kind == "lines" or kind == "comment":
                self._count_lines(text, start)
                continue
            position = self._place(start)
            if kind == "symbol" or (kind == "identifier" and text in KEYWORDS):
                kind = text
            elif kind == "directive":
                self._count_lines(text, start)
            yield Token(kind, text, position)

    def skip(self) -> Token | None:
        """The next directive, whatever stands before it; none at the end of the text."""
        while self.offset < len(self.text):
            found = _SKIPPED.match(self.text, self.offset)
            assert found is not None
            start = self.offset
            self.offset = found.end()
            position = self._place(start)
            self._count_lines(found.group(), start)
            if found.lastgroup == "directive":
                return Token(DIRECTIVE, found.group(), position)
        return None

    def end(self) -> Token:
        """The token behind the last one."""
        return Token(END, "", self._place(self.offset))

    def _place(self, offset: int) -> Position:
        return Position(self.file, self.line, offset - self.line_start + 1)

    def _count_lines(self, text: str, start: int) -> None:
        count = text.count("\n")
        if count:
            self.line += count
            self.line_start = start + text.rindex("\n") + 1

    def _oddity(self) -> str:
        """What cannot start a token."""
        rest = self.text[self.offset : self.offset + 2]
        if rest == "/*":
            return "a comment without its end, expected */"
        if rest[0] == '"':
            return 'a string without its end, expected " on the same line'
        return f"character {rest[0]!r}, expected P4"


_NUMBER = re.compile(
    r"(?:(?P<width>[0-9]+)(?P<sign>[ws]))?"
    r"(?:0[xX](?P<hex>[0-9a-fA-F_]+)|0[bB](?P<binary>[01_]+)|0[oO](?P<octal>[0-7_]+)|(?:0[dD])?(?P<decimal>[0-9_]+))"
)
_BASES = {"hex": 16, "binary": 2, "octal": 8, "decimal": 10}
_MAXIMUM_DIGITS = 2000


class Number(NamedTuple):
    """An integer literal; without a width it has any size."""

    value: int
    width: int | None
    signed: bool


def read_integer(token: Token) -> Number:
    """Reads `10`, `0xff`, `8w0b1`, `4s7`, underscores included."""
    found = _NUMBER.fullmatch(token.text)
    if found is not None and len(token.text) < _MAXIMUM_DIGITS:
        base, digits = next((base, found[name]) for name, base in _BASES.items() if found[name])
        digits = digits.replace("_", "")
        if digits:
            width = int(found["width"]) if found["width"] else None
            return Number(int(digits, base), width, found["sign"] == "s")
    expected = "an integer such as 10, 0xff, 0b101, 8w255 or 8s5"
    raise CompileError(token.position, f"found {token.text[:80]}, expected {expected}")


_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def read_string(token: Token) -> str:
    """The characters of a string literal."""
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), token.text[1:-1])
