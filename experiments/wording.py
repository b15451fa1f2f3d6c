"""What pydantic finds wrong with a scenario, in the lab's words: found this, expected that, did you mean those?"""

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from meclab import check
from meclab.errors import Problem
from meclab.methods import VARIANTS
from meclab.quantity import duration_text
from meclab.scenario import Scenario


def problem(content: Any, details: ErrorDetails) -> Problem:
    """A problem in the lab's words of what pydantic found."""
    where = tuple(step for step in details["loc"] if not str(step).startswith("function-"))
    where = _in_file(content, where)
    written = _at(content, where, details["input"])
    found = shown(written)
    context = details.get("ctx", {})
    if isinstance(written, str) and (where[:1] == ("methods",) or where[-1:] == ("method",)):
        return Problem(where, found, check.nearest(written, methods()))
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


def shown(value: Any) -> str:
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


def methods() -> list[str]:
    return [*VARIANTS, *(f"{name}:{variant}" for name, variants in VARIANTS.items() for variant in variants)]


def _sentence(message: str) -> str:
    """`Input should be a valid integer` as what was expected."""
    for beginning in ("Input should be ", "Value error, "):
        if message.startswith(beginning):
            return message.removeprefix(beginning)
    return message[:1].lower() + message[1:]
