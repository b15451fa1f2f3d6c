"""The preprocessor's macros: definition, expansion, and the expressions of `#if` (C11 section 6.10)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dataplane.compiler.errors import CompileError, Position
from dataplane.compiler.lexer import END, IDENTIFIER, INTEGER, STRING, Lexer, Token, read_integer


@dataclass(frozen=True)
class Macro:
    """`parameters` is none for a macro that is used without parentheses."""

    name: str
    parameters: tuple[str, ...] | None
    body: tuple[Token, ...]


Macros = Mapping[str, Macro]

_DEFINITION = re.compile(r"\s*([A-Za-z_]\w*)(\([^)]*\))?")


def define(text: str, offset: int, start: Position) -> Macro:
    """Reads what stands behind `#define`, from `offset` on in the directive's text that starts at `start`."""
    found = _DEFINITION.match(text, offset)
    if found is None:
        raise CompileError(start, "found #define without a name, expected #define NAME value")
    parameters = None
    if found[2] is not None:
        names = [name.strip() for name in found[2][1:-1].split(",")]
        parameters = () if names == [""] else tuple(names)
        for name in parameters:
            if not name.isidentifier():
                raise CompileError(start, f"found {name or 'nothing'}, expected a parameter's name in {found[1]}(…)")
    body = tuple(Lexer(text, start.file, offset=found.end(), start=start).tokens())
    return Macro(found[1], parameters, body)


class Expander:
    """Replaces macros in a stream of tokens; what comes from a macro has the place where the macro is used."""

    def __init__(self, macros: Macros) -> None:
        self.macros = macros

    def expand(self, tokens: Sequence[Token], active: frozenset[str] = frozenset()) -> list[Token]:
        """Everything expanded but the macros in `active`, which are being expanded already."""
        result: list[Token] = []
        index = 0
        while index < len(tokens):
            token = tokens[index]
            index += 1
            macro = self.macros.get(token.text)
            if macro is None or token.text in active:
                result.append(token)
            elif macro.parameters is None:
                inner = [Token(part.kind, part.text, token.position) for part in macro.body]
                result += self.expand(paste(inner), active | {macro.name})
            elif index < len(tokens) and tokens[index].kind == "(":
                arguments, index = self._arguments(macro, tokens, index + 1, token.position)
                inner = self._substitute(macro, arguments, token.position, active)
                result += self.expand(paste(inner), active | {macro.name})
            else:
                result.append(token)
            if len(result) > 1_000_000:
                raise CompileError(token.position, f"macro {token.text} expands without end")
        return result

    def _arguments(
        self, macro: Macro, tokens: Sequence[Token], index: int, place: Position
    ) -> tuple[list[list[Token]], int]:
        """Arguments between the parentheses, and the index behind them."""
        arguments: list[list[Token]] = [[]]
        depth = 1
        while index < len(tokens):
            token = tokens[index]
            index += 1
            depth += (token.kind in "([{") - (token.kind in ")]}")
            if depth == 0:
                break
            if token.kind == "," and depth == 1:
                arguments.append([])
            else:
                arguments[-1].append(token)
        else:
            raise CompileError(place, f"found the end of the file in the arguments of {macro.name}, expected )")
        assert macro.parameters is not None
        if not macro.parameters and arguments == [[]]:
            arguments = []
        if len(arguments) != len(macro.parameters):
            wanted = f"{len(macro.parameters)} as in {macro.name}({', '.join(macro.parameters)})"
            raise CompileError(place, f"found {len(arguments)} arguments, expected {wanted}")
        return arguments, index

    def _substitute(
        self, macro: Macro, arguments: list[list[Token]], place: Position, active: frozenset[str]
    ) -> list[Token]:
        assert macro.parameters is not None
        values = dict(zip(macro.parameters, arguments, strict=True))
        result: list[Token] = []
        body = macro.body
        for index, token in enumerate(body):
            pasted = body[index - 1].kind == "##" if index else False
            pasted = pasted or (index + 1 < len(body) and body[index + 1].kind == "##")
            if token.text in values and index and body[index - 1].kind == "#":
                text = " ".join(part.text for part in values[token.text])
                quoted = text.replace("\\", "\\\\").replace('"', '\\"')
                result.append(Token(STRING, f'"{quoted}"', place))
            elif token.text in values:
                value = values[token.text]
                result += value if pasted else self.expand(value, active)
            elif token.kind != "#":
                result.append(Token(token.kind, token.text, place))
        return result


def paste(tokens: list[Token]) -> list[Token]:
    """Joins what stands on both sides of `##`."""
    result: list[Token] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token.kind == "##" and result and index + 1 < len(tokens):
            left = result.pop()
            text = left.text + tokens[index + 1].text
            result += Lexer(text, left.position.file, start=left.position).tokens()
            index += 1
        else:
            result.append(token)
        index += 1
    return result


_LEVELS = (
    ("||",),
    ("&&",),
    ("|",),
    ("^",),
    ("&",),
    ("==", "!="),
    ("<", ">", "<=", ">="),
    ("<<",),
    ("+", "-"),
    ("*", "/", "%"),
)


class Condition:
    """Evaluates the expression of an `#if`; a name that is no macro is 0."""

    def __init__(self, tokens: Sequence[Token], macros: Macros, place: Position) -> None:
        resolved = list(_resolve_defined(tokens, macros, place))
        self.tokens = [*Expander(macros).expand(resolved), Token(END, "", place)]
        self.index = 0
        self.place = place

    def holds(self) -> bool:
        value = self._conditional()
        if self._peek().kind != END:
            raise self._error("an operator or the end of the line")
        return value != 0

    def _peek(self) -> Token:
        return self.tokens[self.index]

    def _take(self, *kinds: str) -> str | None:
        kind = self._peek().kind
        if kind in kinds:
            self.index += 1
            return kind
        return None

    def _error(self, expected: str) -> CompileError:
        token = self._peek()
        found = "the end of the line" if token.kind == END else str(token)
        return CompileError(token.position, f"found {found}, expected {expected}")

    def _conditional(self) -> int:
        condition = self._level(0)
        if not self._take("?"):
            return condition
        then = self._conditional()
        if not self._take(":"):
            raise self._error('":"')
        otherwise = self._conditional()
        return then if condition else otherwise

    def _level(self, level: int) -> int:
        if level == len(_LEVELS):
            return self._unary()
        left = self._level(level + 1)
        while operator := self._take(*_LEVELS[level]):
            if operator == ">" and self._take(">"):
                operator = ">>"
            left = self._apply(operator, left, self._level(level + 1))
        return left

    def _apply(self, operator: str, left: int, right: int) -> int:
        if operator in "/%" and right == 0:
            raise CompileError(self.place, f"found a division by zero ({left} {operator} 0) in #if")
        if operator in ("<<", ">>") and not 0 <= right < 1024:
            raise CompileError(self.place, f"found a shift by {right} in #if, expected 0 to 1023")
        match operator:
            case "||":
                return int(left != 0 or right != 0)
            case "&&":
                return int(left != 0 and right != 0)
            case "|":
                return left | right
            case "^":
                return left ^ right
            case "&":
                return left & right
            case "==":
                return int(left == right)
            case "!=":
                return int(left != right)
            case "<":
                return int(left < right)
            case ">":
                return int(left > right)
            case "<=":
                return int(left <= right)
            case ">=":
                return int(left >= right)
            case "<<":
                return left << right
            case ">>":
                return left >> right
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case _:
                quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
                return quotient if operator == "/" else left - right * quotient

    def _unary(self) -> int:
        if operator := self._take("!", "-", "+", "~"):
            value = self._unary()
            return {"!": int(not value), "-": -value, "+": value, "~": ~value}[operator]
        if self._take("("):
            value = self._conditional()
            if not self._take(")"):
                raise self._error('")"')
            return value
        token = self._peek()
        if token.kind == INTEGER:
            self.index += 1
            return read_integer(token).value
        if token.kind == IDENTIFIER or token.text.isidentifier():
            self.index += 1
            return int(token.kind == "true")
        raise self._error("a value")


def _resolve_defined(tokens: Sequence[Token], macros: Macros, place: Position) -> Iterator[Token]:
    """Replaces `defined NAME` and `defined(NAME)` by 1 or 0, before anything is expanded."""
    index = 0
    while index < len(tokens):
        token = tokens[index]
        index += 1
        if token.text != "defined":
            yield token
            continue
        wrapped = index < len(tokens) and tokens[index].kind == "("
        index += wrapped
        if index >= len(tokens) or not tokens[index].text.isidentifier():
            raise CompileError(place, "found defined without a name, expected defined(NAME)")
        yield Token(INTEGER, str(int(tokens[index].text in macros)), token.position)
        index += 1
        if wrapped:
            if index >= len(tokens) or tokens[index].kind != ")":
                raise CompileError(place, 'found defined( without its end, expected ")"')
            index += 1
