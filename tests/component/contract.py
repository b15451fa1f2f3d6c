"""Interfaces against their OpenAPI descriptions, with schemathesis: what is done to a description first, in the open.

`opened` takes the traps out of a description (`docs/interfaces.md` lists them), `exchange` sends generated requests.
"""

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

SPECS = Path(__file__).parents[3] / "shared" / "specs"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
Description = dict[str, Any]
Attribute = tuple[str, str]
"""Schema and property."""
Case = Any


def described(name: str) -> Description:
    """A description as it was published; skips where the folder of descriptions is not there."""
    if not SPECS.is_dir():
        pytest.skip("no folder ../shared/specs")
    content: Description = yaml.safe_load((SPECS / name).read_text())
    return content


def opened(
    description: Description,
    values: Mapping[Attribute, list[Any]],
    statuses: Mapping[tuple[str, str], Iterable[int]],
    parameters: Mapping[str, list[str]],
) -> Description:
    """A description that says what its text means.

    Bodies stand by themselves and not under a key with their type's name; attributes that it does not name are refused,
    but for those of problem details (RFC 9457 section 3.2). `values` stand in for placeholders. `statuses` are those of
    (method, path) that the lab adds, as problem details. `parameters` are values to take for parameters of paths.
    """
    made = copy.deepcopy(description)
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            for content in _contents(operation):
                content["schema"] = _unwrapped(content["schema"])
            for status in statuses.get((method, path), ()):
                operation["responses"][str(status)] = {"description": "The lab's.", "content": _PROBLEM}
            for parameter in operation.get("parameters", ()):
                if parameter.get("in") == "path" and parameter["name"] in parameters:
                    parameter["schema"] = {"type": "string", "enum": parameters[parameter["name"]]}
    for name, schema in made["components"]["schemas"].items():
        if name != "ProblemDetails" and schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return narrowed(made, values)


def narrowed(
    description: Description, values: Mapping[Attribute, list[Any]], without: Iterable[Attribute] = ()
) -> Description:
    """A description whose attributes have one of these values, or are left out."""
    made = copy.deepcopy(description)
    schemas = made["components"]["schemas"]
    for (name, attribute), allowed in values.items():
        schemas[name]["properties"][attribute]["enum"] = allowed
    for name, attribute in without:
        del schemas[name]["properties"][attribute]
    return made


def placeholders(description: Description) -> set[Attribute]:
    """(schema, property) whose enumeration is no enumeration."""
    return {
        (name, attribute)
        for name, schema in description["components"]["schemas"].items()
        for attribute, stated in schema.get("properties", {}).items()
        if "SEE_DESCRIPTION" in stated.get("enum", ())
    }


def _contents(operation: Description) -> Iterable[Description]:
    bodies = [operation.get("requestBody", {}), *operation.get("responses", {}).values()]
    for body in bodies:
        yield from (content for content in body.get("content", {}).values() if "schema" in content)


def _unwrapped(schema: Description) -> Description:
    """`{"AppContext": {"$ref": …}}` to what it refers to."""
    properties = schema.get("properties", {})
    if schema.get("type") == "object" and len(properties) == 1 and "required" not in schema:
        (inner,) = properties.values()
        if set(inner) == {"$ref"} and re.search(r"/schemas/\w+$", inner["$ref"]):
            return dict(inner)
    return schema


def exchange(
    description: Description,
    method: str,
    path: str,
    mode: str,
    base_url: str,
    expect: Callable[[Case, Any], None] = lambda case, response: None,
    requests: Description | None = None,
    examples: int = 25,
    call: Mapping[str, Any] = MappingProxyType({}),
) -> int:
    """Sends generated requests, valid (`positive`) or not (`negative`), and checks every answer against the
    description; the number sent. They come from `requests`, a narrower description, where it is given, and are the
    same each time. `call` is what else `requests` is given: certificates, header fields."""
    answered = _operation(description, method, path)
    asked = answered if requests is None else _operation(requests, method, path)
    sent = 0

    @given(case=asked.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def run(case: Case) -> None:
        nonlocal sent
        sent += 1
        parts = {name: getattr(case, name) for name in ("path_parameters", "query", "headers", "body", "media_type")}
        whole = answered.Case(**parts)
        response = whole.call(base_url=base_url, **call)
        whole.validate_response(response, checks=CHECKS)
        expect(whole, response)

    run()
    return sent


def _operation(description: Description, method: str, path: str) -> Any:
    return schemathesis.openapi.from_dict(copy.deepcopy(description))[path][method.upper()]
