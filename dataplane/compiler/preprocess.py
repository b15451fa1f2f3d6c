"""The preprocessor: a file and all it includes, macros expanded, as one list of tokens with their true places.

Of C's preprocessor it has `#include`, `#define` (with and without parameters), `#undef`, `#if` and its kin, `#error`,
`#warning`, `#line` and `#pragma` (both ignored).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dataplane.compiler.errors import CompileError, Position
from dataplane.compiler.lexer import DIRECTIVE, Lexer, Token
from dataplane.compiler.macros import Condition, Expander, Macro, define
from meclab.errors import InputError

LIBRARY = Path(__file__).parent / "include"
"""Where `<core.p4>` and `<v1model.p4>` are."""

MAXIMUM_DEPTH = 64
"""Files that include each other."""

_DIRECTIVE = re.compile(r"\s*#\s*([A-Za-z_]*)")
_INCLUDE = re.compile(r'\s*(?:"([^"\n]+)"|<([^>\n]+)>)\s*(?://.*|/\*[\s\S]*)?')
_NAME = re.compile(r"\s*([A-Za-z_]\w*)")


def preprocess(path: Path, defines: Mapping[str, str] | None = None, include: Sequence[Path] = ()) -> list[Token]:
    """All tokens of the program, the last one of kind `END`.

    `defines` are macros set from outside (`-D NAME=value`), `include` folders to look in after the including file's
    own and before the compiler's.
    """
    return _preprocess(path, _read(path, None), defines or {}, include)


def preprocess_text(text: str, name: str = "program.p4", defines: Mapping[str, str] | None = None) -> list[Token]:
    """The same for a program that is not in a file."""
    return _preprocess(Path(name), text, defines or {}, ())


def _preprocess(path: Path, text: str, defines: Mapping[str, str], include: Sequence[Path]) -> list[Token]:
    run = _Run(tuple(include))
    for name, value in defines.items():
        place = Position(f"-D {name}", 1, 1)
        macro = define(f"{name} {value}", 0, place)
        run.macros[macro.name] = macro
    end = run.file(path, text, ())
    run.flush()
    return [*run.result, end]


def _read(path: Path, included: Position | None) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        message = f"found byte 0x{error.object[error.start]:02x} at {error.start}, expected text in UTF-8"
        raise CompileError(Position(str(path), 1, 1), message) from error
    except OSError as error:
        if included is None:
            raise InputError(f"{path}: {error.strerror}; expected a P4 program") from error
        raise CompileError(included, f"{path}: {error.strerror}") from error


@dataclass
class _Branch:
    """An `#if` that is open."""

    position: Position
    active: bool
    """Its current part is read."""
    taken: bool
    """One of its parts was read."""
    final: bool = False
    """`#else` has been."""


@dataclass
class _Run:
    include: tuple[Path, ...]
    macros: dict[str, Macro] = field(default_factory=dict)
    result: list[Token] = field(default_factory=list)
    pending: list[Token] = field(default_factory=list)
    """Tokens not yet expanded: the macros are as they were when these were read."""

    def flush(self) -> None:
        self.result += Expander(self.macros).expand(self.pending) if self.macros else self.pending
        self.pending.clear()

    def file(self, path: Path, text: str, outer: tuple[Path, ...]) -> Token:
        """Reads a file; gives the token of its end."""
        lexer = Lexer(text, str(path))
        branches: list[_Branch] = []
        tokens = lexer.tokens()
        active = True
        while (token := next(tokens, None) if active else lexer.skip()) is not None:
            if token.kind == DIRECTIVE:
                self._directive(token, branches, active, (*outer, path))
                active = all(branch.active for branch in branches)
            else:
                self.pending.append(token)
        if branches:
            raise CompileError(branches[-1].position, "found #if without its end, expected #endif")
        return lexer.end()

    def _directive(self, token: Token, branches: list[_Branch], active: bool, files: tuple[Path, ...]) -> None:
        found = _DIRECTIVE.match(token.text)
        assert found is not None
        name, behind = found[1], found.end()
        place = Position(token.position.file, token.position.line, token.text.index("#") + 1)
        if name in ("if", "ifdef", "ifndef", "elif", "else", "endif"):
            self._branch(name, token, behind, branches, place)
        elif active:
            self._act(name, token, behind, place, files)

    def _branch(self, name: str, token: Token, behind: int, branches: list[_Branch], place: Position) -> None:
        outer = all(branch.active for branch in (branches if name.startswith("if") else branches[:-1]))
        if name.startswith("if"):
            holds = outer and self._holds(name, token, behind, place)
            branches.append(_Branch(place, holds, holds))
            return
        if not branches:
            raise CompileError(place, f"found #{name}, expected #if before it")
        branch = branches[-1]
        if name == "endif":
            branches.pop()
            return
        if branch.final:
            raise CompileError(place, f"found #{name} behind #else, expected #endif")
        if name == "else":
            branch.final = True
            branch.active = not branch.taken
        else:
            branch.active = outer and not branch.taken and self._holds("if", token, behind, place)
        branch.taken = branch.taken or branch.active

    def _holds(self, name: str, token: Token, behind: int, place: Position) -> bool:
        if name == "if":
            tokens = list(self._rest(token, behind))
            return Condition(tokens, self.macros, place).holds()
        return (self._name(name, token, behind, place) in self.macros) == (name == "ifdef")

    def _name(self, name: str, token: Token, behind: int, place: Position) -> str:
        found = _NAME.match(token.text, behind)
        if found is None:
            raise CompileError(place, f"found #{name} without a name, expected #{name} NAME")
        return found[1]

    def _rest(self, token: Token, behind: int) -> Iterable[Token]:
        return Lexer(token.text, token.position.file, offset=behind, start=token.position).tokens()

    def _act(self, name: str, token: Token, behind: int, place: Position, files: tuple[Path, ...]) -> None:
        self.flush()
        match name:
            case "define":
                macro = define(token.text, behind, token.position)
                self.macros[macro.name] = macro
            case "undef":
                self.macros.pop(self._name(name, token, behind, place), None)
            case "include":
                self._include(token, behind, place, files)
            case "error":
                raise CompileError(place, f"#error {token.text[behind:].strip()}")
            case "pragma" | "line" | "warning" | "":
                pass
            case _:
                known = "#include, #define, #undef, #if, #ifdef, #ifndef, #elif, #else, #endif, #error or #pragma"
                raise CompileError(place, f"found #{name}, expected {known}")

    def _include(self, token: Token, behind: int, place: Position, files: tuple[Path, ...]) -> None:
        found = _INCLUDE.fullmatch(token.text, behind)
        if found is None:
            raise CompileError(place, 'found #include without a file, expected #include "file" or #include <file>')
        name = found[1] or found[2]
        folders = [*self.include, LIBRARY]
        if found[1]:
            folders.insert(0, files[-1].parent)
        path = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if path is None:
            raise CompileError(place, f"found no file {name}; looked in {', '.join(map(str, folders))}")
        if len(files) >= MAXIMUM_DEPTH:
            raise CompileError(place, f"files include each other {MAXIMUM_DEPTH} deep; does {name} include itself?")
        self.file(path, _read(path, place), files)
