"""JSON patches (RFC 6902): applied to a document as a whole or, on any error, not at all; and made of a difference."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from hosts.core5g.commondata import PatchItem
from meclab.errors import PeerError


def patched(document: Any, items: Sequence[PatchItem]) -> Any:
    """A changed copy of a document; raises `PeerError` where an operation cannot be carried out."""
    document = copy.deepcopy(document)
    for item in items:
        document = _apply(document, item)
    return document


def pointer(*steps: str) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def difference(before: Mapping[str, Any], after: Mapping[str, Any], *above: str) -> list[dict[str, Any]]:
    """The operations from one object to another, member by member, as JSON; members themselves go as a whole."""
    removed = [{"op": "remove", "path": pointer(*above, key)} for key in before if key not in after]
    changed = [
        {"op": "replace" if key in before else "add", "path": pointer(*above, key), "value": value}
        for key, value in after.items()
        if key not in before or before[key] != value
    ]
    return removed + changed


def _apply(document: Any, item: PatchItem) -> Any:
    path = _steps(item.path)
    match item.op:
        case "test":
            if _at(document, path) != item.value:
                raise PeerError(f"{item.path} is not {item.value!r}")
            return document
        case "add":
            return _added(document, path, item.value)
        case "replace":
            _at(document, path)
            return _added(_removed(document, path), path, item.value) if path else item.value
        case "remove":
            return _removed(document, path)
    source = _steps(item.source or "")
    moved = copy.deepcopy(_at(document, source))
    if item.op == "move":
        if path[: len(source)] == source and path != source:
            raise PeerError(f"{item.source} cannot move into itself")
        document = _removed(document, source)
    return _added(document, path, moved)


def _steps(text: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:]]


def _at(document: Any, path: Sequence[str]) -> Any:
    for step in path:
        document = document[_key(document, step)]
    return document


def _key(container: Any, step: str, end: bool = False) -> Any:
    """The key or index of a member that is there; with `end`, the place behind the last of a list too."""
    if isinstance(container, dict):
        if step in container or end:
            return step
    elif isinstance(container, list):
        if step == "-" and end:
            return len(container)
        if step.isascii() and step.isdigit() and int(step) < len(container) + end:
            return int(step)
    raise PeerError(f"nothing at {step!r}")


def _added(document: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    container = _at(document, path[:-1])
    key = _key(container, path[-1], end=True)
    if isinstance(container, list):
        container.insert(key, value)
    else:
        container[key] = value
    return document


def _removed(document: Any, path: Sequence[str]) -> Any:
    if not path:
        raise PeerError("the whole document cannot be removed")
    container = _at(document, path[:-1])
    del container[_key(container, path[-1])]
    return document
