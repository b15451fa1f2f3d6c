"""Scenario files: YAML to models, with every problem of a file at once and where in the file it is."""

import contextlib
import itertools
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from experiments import wording
from experiments.yaml_source import Source, parse, plain
from meclab import check, services, topology
from meclab.errors import Problem, ScenarioError
from meclab.methods import Method, parse_method
from meclab.scenario import Scenario
from topologies import published

FOLDER = Path(__file__).parent / "scenarios"
_CONTEXT = {"written": True}
"""Tells the models that a person wrote the values: numbers need their units."""


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
        raise ScenarioError([Problem(("--method",), repr(text), check.nearest(text, wording.methods()))]) from error


def load(name_or_path: str, changes: Mapping[str, Any] | None = None) -> list[Scenario]:
    """The scenarios of a file: one, or as many as its `sweep:` has combinations.

    `changes` are dotted paths (`devices.0.ap`) to values that replace the file's. Raises `FileError` with every
    problem, or `ScenarioError` where there is no such file.
    """
    path = _path(name_or_path)
    source = Source(path, parse(path), tuple(changes or ()))
    found = []
    content = source.plain()
    problems: list[Problem] = []
    for where, value in (changes or {}).items():
        problems += _set(content, where, value, (f"--set {where}",))
    sweep, wrong = _sweep(content)
    problems += wrong
    for combination in itertools.product(*sweep.values()):
        swept = plain(content)
        for where, value in zip(sweep, combination, strict=True):
            problems += [p for p in _set(swept, where, value, ("sweep", where)) if p not in problems]
        scenario, wrong = _validated(swept)
        if scenario is not None:
            scenario, missing = _with_program(scenario, path.parent)
            wrong = [*wrong, *missing]
            found.append(scenario)
        problems += [p for p in wrong if p not in problems]
    if problems:
        raise source.error(problems)
    return found


def _with_program(scenario: Scenario, folder: Path) -> tuple[Scenario, list[Problem]]:
    """The scenario with the place of its P4 program, which it names as seen from its own folder."""
    if scenario.p4.program is None:
        return scenario, []
    program = (folder / scenario.p4.program).resolve()
    if not program.is_file():
        expected = f"a P4 program, as seen from {folder.resolve()}"
        return scenario, [Problem(("p4", "program"), repr(scenario.p4.program), expected)]
    placed = scenario.p4.model_copy(update={"program": str(program)})
    return scenario.model_copy(update={"p4": placed}), []


def graph(scenario: Scenario, methods: Sequence[Method] = ()) -> topology.Graph:
    """The network that a scenario asks for, with the hosts that its methods and further ones need; raises
    `ScenarioError` for an unknown published topology."""
    return services.extend(_bare_graph(scenario), scenario, methods)


def _bare_graph(scenario: Scenario) -> topology.Graph:
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


def _sweep(content: dict[str, Any]) -> tuple[dict[str, list[Any]], list[Problem]]:
    """The paths of `sweep:` with their values, and what is wrong with the others, which `content` loses."""
    given = content.get("sweep")
    if given is None:
        content.pop("sweep", None)
        return {}, []
    if not isinstance(given, dict):
        del content["sweep"]
        return {}, [Problem(("sweep",), wording.shown(given), "lists of values, such as radio.delay: [2ms, 5ms]")]
    wrong = [key for key, values in given.items() if not isinstance(values, list) or not values]
    problems = [
        Problem(("sweep", key), wording.shown(given.pop(key)), "a list of values, such as [2ms, 5ms]") for key in wrong
    ]
    return dict(given), problems


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
        problem = wording.problem(content, details)
        found.setdefault(problem.where, problem)
    for outer in list(found):
        if any(inner != outer and inner[: len(outer)] == outer for inner in found):
            del found[outer]
    rest = plain(content)
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
