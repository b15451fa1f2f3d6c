"""A YAML file that knows where its parts are, for messages with line and column."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase, CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from meclab.errors import Problem, ScenarioError


class FileError(ScenarioError):
    """Problems of one file, each shown with its line and column."""

    def __init__(self, problems: Sequence[Problem], lines: Sequence[str]) -> None:
        super().__init__(problems)
        self.args = ("\n".join(lines),)


def parse(path: Path) -> CommentedMap:
    """The file's content with positions; raises `FileError` for what is no YAML or no mapping."""

    def wrong(line: int, column: int, found: str, expected: str) -> FileError:
        problem = Problem((), found, expected)
        return FileError([problem], [f"{path}:{line}:{column}: found {found}; expected {expected}"])

    try:
        content = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise wrong(1, 1, f"a byte {error.object[error.start]:#04x} at {error.start}", "UTF-8 text") from error
    except OSError as error:
        raise wrong(1, 1, f"a file that cannot be read ({error.strerror})", "a readable file") from error
    except DuplicateKeyError as error:
        mark = error.problem_mark
        found = (error.problem or "").removeprefix("found ").partition(" with ")[0]
        raise wrong(mark.line + 1, mark.column + 1, found, "each key once") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        if "'\\t'" in (error.problem or ""):
            raise wrong(line, column, "a tab", "spaces, which YAML wants for indentation") from error
        expected = "valid YAML (is a bracket, a quote or a colon missing before?)"
        raise wrong(line, column, f"no YAML: {error.problem}", expected) from error
    except YAMLError as error:
        raise wrong(1, 1, f"no YAML: {error}", "a text file in YAML") from error
    if content is None:
        raise wrong(1, 1, "an empty file", "a scenario, at least `scenario: NAME`")
    if not isinstance(content, CommentedMap):
        found = "a list" if isinstance(content, CommentedSeq) else repr(content)
        raise wrong(1, 1, found, "keys with values at the top, at least `scenario: NAME`")
    return content


@dataclass(frozen=True)
class Source:
    """A parsed file that knows where its parts are."""

    path: Path
    content: CommentedMap
    changed: tuple[str, ...]
    """Dotted paths that the command line set."""

    def plain(self) -> dict[str, Any]:
        copied: dict[str, Any] = plain(self.content)
        return copied

    def error(self, problems: Sequence[Problem]) -> FileError:
        """The problems of the command line, then those of the file in its order."""
        placed = sorted(((self._position(problem.where), problem) for problem in problems), key=lambda p: p[0])
        return FileError(
            [problem for _, problem in placed],
            [
                f"{self.path}:{line}:{column}: {problem}" if line else _as_set(problem)
                for (line, column), problem in placed
            ],
        )

    def _position(self, where: Sequence[str | int]) -> tuple[int, int]:
        """Line and column, from 1, of the deepest part of a path that is in the file; (0, 0) for the command line's."""
        dotted = ".".join(map(str, where))
        if dotted.startswith("--set ") or any(f"{dotted}.".startswith(f"{path}.") for path in self.changed):
            return 0, 0
        position, whole = self._found(where)
        if not whole:
            if any(path.startswith(f"{dotted}.") for path in self.changed):
                return 0, 0
            sweep = self.content.get("sweep")
            for path in sweep if isinstance(sweep, dict) else ():
                if f"{path}.".startswith(f"{dotted}.") or dotted.startswith(f"{path}."):
                    return self._found(("sweep", path))[0]
        return position

    def _found(self, where: Sequence[str | int]) -> tuple[tuple[int, int], bool]:
        """The position of the deepest part of a path that is in the file, and whether that is the whole path."""
        node: Any = self.content  # and then whatever lies below
        position = (1, 1)
        for step in where:
            if not isinstance(node, CommentedBase):
                return position, False
            try:
                line, column = node.lc.key(step) if isinstance(node, CommentedMap) else node.lc.item(step)
                node = node[step]  # type: ignore[index]
            except (KeyError, IndexError, TypeError):
                return position, False
            position = (line + 1, column + 1)
        return position, True


def _as_set(problem: Problem) -> str:
    """A problem of the command line's own."""
    return str(problem) if problem.path.startswith("--set") else f"--set {problem}"


def plain(content: Any) -> Any:
    """Lists and mappings without positions, numbers and texts without their notation in the file."""
    if isinstance(content, dict):
        return {str(key): plain(value) for key, value in content.items()}
    if isinstance(content, list):
        return [plain(value) for value in content]
    kind = next((kind for kind in (bool, int, float, str) if isinstance(content, kind)), None)
    return content if kind in (None, bool) else kind(content)
