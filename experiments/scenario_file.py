"""Scenario files: YAML to models, with every problem of a file at once and where in the file it is."""

import contextlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase, CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from meclab import check, topology
from meclab.errors import Problem, ScenarioError
from meclab.quantity import duration_text
from meclab.scenario import VARIANTS, Method, Scenario, parse_method
from topologies import published

FOLDER = Path(__file__).parent / "scenarios"
_CONTEXT = {"written": True}
"""Tells the models that a person wrote the values: numbers need their units."""


class FileError(ScenarioError):
    """Problems of one file, each shown with its line and column."""

    def __init__(self, problems: Sequence[Problem], lines: Sequence[str]) -> None:
        super().__init__(problems)
        self.args = ("\n".join(lines),)


def names() -> list[str]:
    """The scenarios that come with the lab."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def overrides(texts: Sequence[str]) -> dict[str, Any]:
    """`radio.interruption=100ms` and the like, values read as YAML; raises `ScenarioError`."""
    found = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not path:
            raise ScenarioError([Problem(("--set",), repr(text), "PATH=VALUE, such as radio.interruption=100ms")])
        try:
            found[path] = YAML(typ="safe").load(value)
        except YAMLError as error:
            raise ScenarioError([Problem((f"--set {path}",), repr(value), "a value as in a YAML file")]) from error
    return found


def method(text: str) -> Method:
    """A method by its name, `vip` or `vip:pinned`; raises `ScenarioError`."""
    try:
        return Method.model_validate(parse_method(text))
    except ValidationError as error:
        raise ScenarioError([Problem(("--method",), repr(text), check.nearest(text, _methods()))]) from error


def load(name_or_path: str, changes: Mapping[str, Any] | None = None) -> list[Scenario]:
    """The scenarios of a file: one, or as many as its `sweep:` has combinations.

    `changes` are dotted paths (`devices.0.ap`) to values that replace the file's. Raises `FileError` with every
    problem, or `ScenarioError` where there is no such file.
    """
    path = _path(name_or_path)
    source = _Source(path, _parse(path), tuple(changes or ()))
    found = []
    content = source.plain()
    problems: list[Problem] = []
    for where, value in (changes or {}).items():
        problems += _set(content, where, value, (f"--set {where}",))
    sweep, wrong = _sweep(content)
    problems += wrong
    for combination in itertools.product(*sweep.values()):
        swept = _copy(content)
        for where, value in zip(sweep, combination, strict=True):
            problems += [p for p in _set(swept, where, value, ("sweep", where)) if p not in problems]
        scenario, wrong = _validated(swept)
        problems += [p for p in wrong if p not in problems]
        if scenario is not None:
            found.append(scenario)
    if problems:
        raise source.error(problems)
    return found


def graph(scenario: Scenario) -> topology.Graph:
    """The network that a scenario asks for; raises `ScenarioError` for an unknown published topology."""
    kind = scenario.topology.kind
    match kind:
        case "two-site":
            return topology.two_site()
        case "metro":
            return topology.metro(scenario.topology.sites)
        case "facility":
            return topology.facility()
    source = published.load(kind.partition(":")[2])
    labels = [node.label for node in source.nodes]
    chosen = {"mec_hosts": scenario.topology.mec_hosts, "access_points": scenario.topology.access_points}
    problems = []
    for key, value in chosen.items():
        for label in value if isinstance(value, tuple) else ():
            if label not in labels:
                problems.append(Problem(("topology", key), repr(label), check.nearest(label, labels)))
    if problems:
        raise ScenarioError(problems)
    return topology.from_published(source, **chosen)


def dump(scenario: Scenario) -> str:
    """The scenario as resolved, defaults included, as YAML."""
    text = StringIO()
    writer = YAML()
    writer.default_flow_style = False
    writer.dump(scenario.model_dump(mode="json", by_alias=True, exclude_none=True), text)
    return text.getvalue()


def schema() -> dict[str, Any]:
    """JSON Schema of a scenario file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Scenario.model_json_schema(by_alias=True)}


def _path(name_or_path: str) -> Path:
    known = FOLDER / f"{name_or_path}.yaml"
    path = known if known.exists() else Path(name_or_path)
    if path.is_file():
        return path
    expected = f"a file, or {check.nearest(name_or_path, names())}"
    raise ScenarioError([Problem(("scenario",), repr(name_or_path), expected)])


def _parse(path: Path) -> Any:
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


def _copy(content: Any) -> Any:
    """Lists and mappings without positions, numbers and texts without their notation in the file."""
    if isinstance(content, dict):
        return {str(key): _copy(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_copy(value) for value in content]
    kind = next((kind for kind in (bool, int, float, str) if isinstance(content, kind)), None)
    return content if kind in (None, bool) else kind(content)


def _sweep(content: dict[str, Any]) -> tuple[dict[str, list[Any]], list[Problem]]:
    """The paths of `sweep:` with their values, and what is wrong with the others, which `content` loses."""
    given = content.get("sweep")
    if given is None:
        content.pop("sweep", None)
        return {}, []
    if not isinstance(given, dict):
        del content["sweep"]
        return {}, [Problem(("sweep",), _shown(given), "paths with lists of values, such as radio.delay: [2ms, 5ms]")]
    wrong = [key for key, values in given.items() if not isinstance(values, list) or not values]
    problems = [
        Problem(("sweep", key), _shown(given.pop(key)), "a list of values, such as [2ms, 5ms]") for key in wrong
    ]
    return dict(given), problems


@dataclass(frozen=True)
class _Source:
    """A parsed file that knows where its parts are."""

    path: Path
    content: CommentedMap
    changed: tuple[str, ...]
    """Dotted paths that the command line set."""

    def plain(self) -> dict[str, Any]:
        copied: dict[str, Any] = _copy(self.content)
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


def _set(content: dict[str, Any], where: str, value: Any, origin: tuple[str, ...]) -> list[Problem]:
    """Sets a dotted path, in place; a path through what is not there is made."""
    steps = where.split(".")
    node: Any = content
    for number, step in enumerate(steps, 1):
        last = number == len(steps)
        if isinstance(node, list):
            if not step.isdigit() or int(step) >= len(node):
                return [Problem(origin, f"no item {step}", f"a number from 0 to {len(node) - 1}")]
            key: Any = int(step)
        elif isinstance(node, dict):
            key = step
        else:
            return [Problem(origin, f"{step} inside a plain value", "the path of a parameter")]
        if last:
            node[key] = value
        elif isinstance(node, dict):
            if node.get(key) is None:
                node[key] = {}
            node = node[key]
        else:
            node = node[key]
    return []


def _validated(content: dict[str, Any]) -> tuple[Scenario | None, list[Problem]]:
    try:
        scenario = Scenario.model_validate(content, context=_CONTEXT)
    except ValidationError as error:
        return None, _problems(content, error)
    try:
        return scenario, check.problems(scenario, graph(scenario))
    except ScenarioError as error:
        return None, list(error.problems)


def _problems(content: dict[str, Any], error: ValidationError) -> list[Problem]:
    """What the models refuse, one problem for each place; and what is wrong with the rest of the file."""
    found: dict[tuple[str | int, ...], Problem] = {}
    for details in error.errors():
        problem = _problem(content, details)
        found.setdefault(problem.where, problem)
    for outer in list(found):
        if any(inner != outer and inner[: len(outer)] == outer for inner in found):
            del found[outer]
    rest = _copy(content)
    if all(_dropped(rest, where) for where in found):
        with contextlib.suppress(ValidationError, ScenarioError):
            scenario = Scenario.model_validate(rest, context=_CONTEXT)
            return [*found.values(), *check.problems(scenario, graph(scenario))]
    return list(found.values())


def _dropped(content: Any, where: Sequence[str | int]) -> bool:
    """Whether the key that a path leads to could be taken away; items of lists cannot, for they have numbers."""
    node = content
    for step in where[:-1]:
        node = node[step]
    return bool(where) and isinstance(node, dict) and node.pop(str(where[-1]), None) is not None


def _problem(content: Any, details: ErrorDetails) -> Problem:
    """A problem in the lab's words of what pydantic found."""
    where = tuple(step for step in details["loc"] if not str(step).startswith("function-"))
    where = _in_file(content, where)
    written = _at(content, where, details["input"])
    found = _shown(written)
    context = details.get("ctx", {})
    if isinstance(written, str) and (where[:1] == ("methods",) or where[-1:] == ("method",)):
        return Problem(where, found, check.nearest(written, _methods()))
    match details["type"]:
        case "extra_forbidden":
            key = str(where[-1])
            return Problem(where, f"the unknown key {key!r}", _near_key(where))
        case "missing":
            return Problem(where, "nothing", f"the key {where[-1]}")
        case "literal_error":
            return Problem(where, found, _one_of(str(details["input"]), context["expected"]))
        case "string_pattern_mismatch":
            return Problem(where, found, _pattern(str(where[-1]), context["pattern"]))
        case "value_error":
            return Problem(where, found, str(context["error"]))
        case "greater_than_equal":
            least = duration_text(context["ge"]) if isinstance(written, str) else context["ge"]
            return Problem(where, found, f"at least {least}")
        case "less_than_equal":
            return Problem(where, found, f"at most {context['le']}")
        case "less_than":
            return Problem(where, found, f"below {context['lt']}")
        case "too_short":
            return Problem(where, found, "a list that is not empty")
        case "model_type" | "model_attributes_type":
            return Problem(where, found, f"keys with values, of {', '.join(_keys(where))}")
        case kind:
            return Problem(where, found, _WANTED.get(kind) or _sentence(details["msg"]))


def _at(content: Any, where: Sequence[str | int], otherwise: Any) -> Any:
    """What the file has at a path."""
    node = content
    for step in where:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            return otherwise
    return node


def _in_file(content: Any, where: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The path without the steps that pydantic adds for unions and the like."""
    kept: list[str | int] = []
    node = content
    for position, step in enumerate(where):
        last = position == len(where) - 1
        inside = (isinstance(node, dict) and step in node) or (
            isinstance(node, list) and isinstance(step, int) and step < len(node)
        )
        if inside:
            node = node[step]
            kept.append(step)
        elif last and isinstance(node, dict):
            kept.append(step)
    return tuple(kept)


def _shown(value: Any) -> str:
    text = repr(value)
    if isinstance(value, dict):
        text = "{" + ", ".join(str(key) for key in value) + "}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _near_key(where: Sequence[str | int]) -> str:
    """The valid keys where an unknown one stands."""
    return check.nearest(str(where[-1]), _keys(where[:-1]))


def _keys(where: Sequence[str | int]) -> list[str]:
    """The keys that the part of the file at a path may have."""
    model: type[BaseModel] = Scenario
    for step in where:
        field = next((f for name, f in model.model_fields.items() if step in (name, f.alias)), None)
        model = _model_in(field.annotation) or model if field is not None else model
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)


def _one_of(found: str, expected: str) -> str:
    return check.nearest(found, [part.strip("' ") for part in expected.replace(" or ", ",").split(",")])


def _pattern(key: str, pattern: str) -> str:
    if key == "kind":
        return "two-site, metro, facility or topohub:NAME"
    if key == "scenario":
        return "a name of small letters, digits and hyphens, at most 40"
    return "a name of at most 9 small letters and digits that begins with a letter"


_WANTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "string_type": "text; in quotes, where YAML would take it for something else",
    "tuple_type": "a list",
    "dict_type": "keys with values",
    "ip_v4_address": "an IPv4 address",
    "ip_v6_address": "an IPv6 address",
    "ip_v4_network": "an IPv4 network such as 10.45.0.0/16, no bits set behind the prefix",
    "ip_v6_network": "an IPv6 network such as 2001:db8:45::/64, no bits set behind the prefix",
}
"""What was expected, by pydantic's name of the error."""


def _methods() -> list[str]:
    return [*VARIANTS, *(f"{name}:{variant}" for name, variants in VARIANTS.items() for variant in variants)]


def _sentence(message: str) -> str:
    """`Input should be a valid integer` as what was expected."""
    for beginning in ("Input should be ", "Value error, "):
        if message.startswith(beginning):
            return message.removeprefix(beginning)
    return message[:1].lower() + message[1:]
