"""Parsing of types, expressions, keysets and annotations (P4_16 specification, appendix G)."""

from collections.abc import Callable
from typing import TypeVar

from dataplane.compiler import syntax
from dataplane.compiler.cursor import NAMES, Cursor
from dataplane.compiler.errors import CompileError, Position
from dataplane.compiler.lexer import END, INTEGER, STRING, Token, read_integer, read_string

_PRECEDENCE = {
    "||": 1,
    "&&": 2,
    "==": 3,
    "!=": 3,
    "<": 4,
    ">": 4,
    "<=": 4,
    ">=": 4,
    "|": 5,
    "^": 6,
    "&": 7,
    "<<": 8,
    ">>": 8,
    "++": 9,
    "+": 9,
    "-": 9,
    "|+|": 9,
    "|-|": 9,
    "*": 10,
    "/": 10,
    "%": 10,
}
"""Bitwise operators bind tighter than comparisons, other than in C (specification section 8.1)."""

_UNARY = {operator.value: operator for operator in syntax.UnaryOperator}
_BINARY = {operator.value: operator for operator in syntax.BinaryOperator}
_BASIC = {basic.value: basic for basic in syntax.Basic}

AN_EXPRESSION = "an expression"

T = TypeVar("T")


class ExpressionParser(Cursor):
    """Types, expressions and annotations."""

    def attempt(self, parse: Callable[[], T]) -> T | None:
        """Parses, or goes back where that fails."""
        index = self.index
        depth = len(self.scopes)
        try:
            return parse()
        except CompileError:
            self.reset(index)
            del self.scopes[depth:]
            return None

    def listed(self, parse: Callable[[], T], end: str) -> tuple[T, ...]:
        """Items between commas up to `end`, which is taken; a comma may come before the end."""
        items: list[T] = []
        while self.token.kind != end:
            items.append(parse())
            if not self.take(","):
                break
        if self.token.kind != end:
            raise self.error(f'"," or "{end}"')
        self.next()
        return tuple(items)

    # ---- types

    def type(self) -> syntax.Type:
        """A type, with the size of a stack where one follows."""
        found = self._plain_type()
        while isinstance(found, syntax.NamedType | syntax.SpecializedType | syntax.StackType) and self.take("["):
            size = self.expression()
            self.expect("]")
            found = syntax.StackType(found.position, found, size)
        return found

    def _plain_type(self) -> syntax.Type:
        token = self.token
        place = token.position
        match token.kind:
            case "bit" | "int" | "varbit":
                return self._sized_type()
            case "bool" | "error" | "match_kind" | "string" | "void" | "_":
                self.next()
                return syntax.BasicType(place, _BASIC[token.kind])
            case "tuple":
                self.next()
                self.expect("<")
                return syntax.TupleType(place, self.listed(self.type, ">"))
            case "list" if self.peek().kind == "<":
                self.next()
                self.next()
                element = self.type()
                self.expect(">")
                return syntax.ListType(place, element)
        absolute = self.take(".")
        name = syntax.NamedType(place, self.name("a type").text, absolute)
        if self.token.kind == "<":
            self.next()
            return syntax.SpecializedType(place, name, self.listed(self.type, ">"))
        return name

    def _sized_type(self) -> syntax.Type:
        token = self.next()
        place = token.position
        if not self.take("<"):
            if token.kind == "varbit":
                raise self.error('"<"')
            if token.kind == "int":
                return syntax.BasicType(place, syntax.Basic.INT)
            return syntax.BitsType(place, syntax.Integer(place, 1))
        width: syntax.Expression
        if self.take("("):
            width = self.expression()
            self.expect(")")
        elif self.token.kind == INTEGER:
            width = self._integer()
        else:
            raise self.error("a width: a number, or an expression in parentheses")
        self.expect(">")
        if token.kind == "varbit":
            return syntax.VarbitType(place, width)
        return syntax.BitsType(place, width, token.kind == "int")

    # ---- expressions

    def expression(self) -> syntax.Expression:
        """Any expression that is a value."""
        condition = self._binary(1)
        if not self.take("?"):
            return condition
        then = self.expression()
        self.expect(":")
        return syntax.Conditional(condition.position, condition, then, self.expression())

    def _binary(self, least: int) -> syntax.Expression:
        left = self._unary()
        while True:
            kind, place = self.token.kind, self.token.position
            shift = kind == ">" and self.adjacent(">", ">")
            if shift:
                kind = ">>"
            precedence = _PRECEDENCE.get(kind, 0)
            if precedence < least:
                return left
            self.next()
            if shift:
                self.next()
            left = syntax.Binary(place, _BINARY[kind], left, self._binary(precedence + 1))

    def _unary(self) -> syntax.Expression:
        token = self.token
        operator = _UNARY.get(token.kind)
        if operator is not None:
            self.next()
            return syntax.Unary(token.position, operator, self._unary())
        if token.kind == "(":
            cast = self._cast()
            if cast is not None:
                return cast
        return self._postfix(self._primary())

    def _cast(self) -> syntax.Cast | None:
        """`(type) operand`; none where the parentheses hold an expression."""
        index = self.index
        place = self.next().position
        if self.at_type():
            target = self.attempt(self.type)
            if target is not None and self.take(")"):
                return syntax.Cast(place, target, self._unary())
        self.reset(index)
        return None

    def _primary(self) -> syntax.Expression:
        token = self.token
        place = token.position
        match token.kind:
            case "integer":
                return self._integer()
            case "string":
                self.next()
                return syntax.String(place, read_string(token))
            case "true" | "false":
                self.next()
                return syntax.Boolean(place, token.kind == "true")
            case "this":
                self.next()
                return syntax.Name(place, "this")
            case "...":
                self.next()
                return syntax.Dots(place)
            case "(":
                self.next()
                inner = self.expression()
                self.expect(")")
                return inner
            case "{":
                return self._braces()
            case "{#}":
                self.next()
                return syntax.InvalidHeader(place)
        if self.at_type() and token.kind != "_":
            return syntax.TypeName(place, self._plain_type())
        absolute = self.take(".")
        return syntax.Name(place, self.name("a name" if absolute else AN_EXPRESSION).text, absolute)

    def _integer(self) -> syntax.Integer:
        token = self.expect(INTEGER)
        number = read_integer(token)
        return syntax.Integer(token.position, number.value, number.width, number.signed)

    def _braces(self) -> syntax.List | syntax.Record:
        place = self.expect("{").position
        if self.token.kind in NAMES and self.peek().kind == "=":
            return self._record(place)
        elements = self.listed(self.expression, "}")
        if elements and isinstance(elements[-1], syntax.Dots):
            return syntax.List(place, elements[:-1], dots=True)
        return syntax.List(place, elements)

    def _record(self, place: Position) -> syntax.Record:
        members: list[tuple[syntax.Identifier, syntax.Expression]] = []
        dots = False
        while self.token.kind != "}" and not dots:
            if self.take("..."):
                dots = True
            else:
                members.append(self._pair())
            if not self.take(","):
                break
        self.expect("}", '"," or "}"')
        return syntax.Record(place, tuple(members), dots)

    def _pair(self) -> tuple[syntax.Identifier, syntax.Expression]:
        name = self.name()
        self.expect("=")
        return name, self.expression()

    def _postfix(self, base: syntax.Expression) -> syntax.Expression:
        while True:
            match self.token.kind:
                case ".":
                    self.next()
                    base = syntax.Member(base.position, base, self.name("a member's name"))
                case "[":
                    self.next()
                    base = self._bracketed(base)
                case "(":
                    base = syntax.Call(base.position, base, (), self.arguments())
                case "<" if isinstance(base, syntax.Name | syntax.Member):
                    call = self._generic_call(base)
                    if call is None:
                        return base
                    base = call
                case _:
                    return base

    def _bracketed(self, base: syntax.Expression) -> syntax.Index | syntax.Slice:
        index = self.expression()
        if self.take(":"):
            low = self.expression()
            self.expect("]")
            return syntax.Slice(base.position, base, index, low)
        self.expect("]", '":" or "]"')
        return syntax.Index(base.position, base, index)

    def _generic_call(self, base: syntax.Expression) -> syntax.Call | None:
        """`base<types>(…)`; none where `<` compares."""
        index = self.index
        self.next()
        if self.at_type():
            arguments = self.attempt(lambda: self.listed(self.type, ">"))
            if arguments is not None and self.token.kind == "(":
                return syntax.Call(base.position, base, arguments, self.arguments())
        self.reset(index)
        return None

    def arguments(self) -> tuple[syntax.Argument, ...]:
        """`(…)` of a call."""
        self.expect("(")
        return self.listed(self._argument, ")")

    def _argument(self) -> syntax.Argument:
        place = self.token.position
        name = None
        if self.token.kind in NAMES and self.peek().kind == "=":
            name = self.name()
            self.next()
        if self.token.kind == "_":
            self.next()
            return syntax.Argument(place, None, name)
        return syntax.Argument(place, self.expression(), name)

    # ---- keysets

    def keyset(self) -> tuple[syntax.Expression, ...]:
        """What a case or entry wants, one for each key; `:` follows and is left."""
        if self.token.kind == "(":
            several = self.attempt(self._keyset_list)
            if several is not None:
                return several
        return (self.simple_keyset(),)

    def _keyset_list(self) -> tuple[syntax.Expression, ...]:
        self.expect("(")
        items = self.listed(self.simple_keyset, ")")
        if self.token.kind != ":" or not items:
            raise self.error('":"')
        return items

    def simple_keyset(self) -> syntax.Expression:
        """A value, `value &&& mask`, `low .. high`, `default` or `_`."""
        place = self.token.position
        if self.token.kind in ("default", "_"):
            self.next()
            return syntax.Default(place)
        first = self.expression()
        if self.take("&&&"):
            return syntax.Mask(place, first, self.expression())
        if self.take(".."):
            return syntax.Range(place, first, self.expression())
        return first

    # ---- annotations

    def annotations(self) -> syntax.Annotations:
        """All annotations that stand here."""
        found: list[syntax.Annotation] = []
        while self.token.kind == "@":
            found.append(self._annotation())
        return tuple(found)

    def _annotation(self) -> syntax.Annotation:
        place = self.expect("@").position
        if not self.token.kind.isidentifier() or self.token.kind in (END, INTEGER, STRING):
            raise self.error("an annotation's name")
        name = self.next().text
        if name == "pragma":
            return self._pragma(place)
        if self.token.kind == "(":
            return syntax.Annotation(place, name, self._text())
        if self.take("["):
            return self._structured(place, name)
        return syntax.Annotation(place, name)

    def _pragma(self, place: Position) -> syntax.Annotation:
        """`@pragma name text` up to the end of the line."""
        words: list[Token] = []
        while self.token.kind != END and self.token.position.line == place.line:
            words.append(self.next())
        if not words:
            raise self.error("a pragma's name")
        text = _joined(words[1:]) if len(words) > 1 else None
        return syntax.Annotation(place, words[0].text, text)

    def _text(self) -> str:
        """What stands in parentheses, nested ones included."""
        start = self.expect("(").position
        words: list[Token] = []
        depth = 1
        while True:
            if self.token.kind == END:
                raise self.farther(CompileError(start, 'found an annotation without its end, expected ")"'))
            token = self.next()
            depth += (token.kind == "(") - (token.kind == ")")
            if depth == 0:
                return _joined(words)
            words.append(token)

    def _structured(self, place: Position, name: str) -> syntax.Annotation:
        if self.token.kind in NAMES and self.peek().kind == "=":
            pairs = self.listed(self._pair, "]")
            return syntax.Annotation(place, name, pairs=pairs, structured=True)
        return syntax.Annotation(place, name, expressions=self.listed(self.expression, "]"), structured=True)


def _joined(words: list[Token]) -> str:
    if len(words) == 1 and words[0].kind == STRING:
        return read_string(words[0])
    return " ".join(word.text for word in words)
