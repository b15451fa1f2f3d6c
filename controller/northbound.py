"""The northbound interface: intents over HTTP, JSON both ways.

| request | what it does |
|---|---|
| `GET /v1/health` | which switches are expected, connected and ready |
| `GET /v1/intents` | everything that is wanted now |
| `POST /v1/transactions` | changes intents together (`meclab.messages.Transaction`) |
| `PUT /v1/attachments/{device}` `{"ap": …}` | a device is attached |
| `PUT /v1/serving/{device}` `{"host": …}`, `DELETE` | who serves the virtual address to a device |
| `PUT /v1/breakouts/{edge}/{prefix}`, `DELETE` | local breakout, for every device |
| `GET /v1/flows` | pinned connections |

400 for a body that is not understood, 404 for unknown names, 405 and 404 for unknown requests, 409 for intents that
contradict each other, 422 for intents that the network cannot have. Every refusal says why in `detail`. What HTTP
itself can have wrong is refused by `controller.server`.
"""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from pydantic import ValidationError

from controller.coordinator import Coordinator
from controller.intents import IntentError
from meclab.messages import BreakoutIntent, Transaction

Answer = Callable[[list[str], Any], Any]


class Northbound:
    """The requests, without HTTP: method and path to an answer."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._routes: dict[tuple[str, str], tuple[int, Answer]] = {
            ("GET", "health"): (0, lambda _path, _body: self.health()),
            ("GET", "intents"): (0, lambda _path, _body: self.intents()),
            ("GET", "flows"): (0, lambda _path, _body: self.flows()),
            ("POST", "transactions"): (0, lambda _path, body: self._transact(body)),
            ("PUT", "attachments"): (1, lambda path, body: self._transact({"attach": {path[0]: _field(body, "ap")}})),
            ("PUT", "serving"): (1, lambda path, body: self._transact({"serve": {path[0]: _field(body, "host")}})),
            ("DELETE", "serving"): (1, lambda path, _body: self._transact({"serve": {path[0]: None}})),
            ("PUT", "breakouts"): (3, lambda path, _body: self._transact({"breakout": [_breakout(path)]})),
            ("DELETE", "breakouts"): (3, lambda path, _body: self._transact({"remove_breakout": [_breakout(path)]})),
        }

    def answer(self, method: str, target: str, body: Any) -> Any:
        """The answer to a request; raises `IntentError` with the status of a refusal."""
        version, _, rest = target.partition("?")[0].strip("/").partition("/")
        name, *path = map(unquote, rest.split("/"))
        methods = sorted(known for known, resource in self._routes if resource == name)
        if version != "v1" or not methods:
            raise IntentError(404, f"no resource {target}; there are {', '.join(sorted({r for _, r in self._routes}))}")
        if (method, name) not in self._routes:
            raise IntentError(405, f"{method} is not for {name}; it has {', '.join(methods)}")
        depth, function = self._routes[method, name]
        if len(path) != depth:
            raise IntentError(404, f"{method} {target} has {len(path)} names after {name}; expected {depth}")
        return function(path, body)

    def health(self) -> dict[str, Any]:
        expected = sorted(self._coordinator.expected.values())
        switches = self._coordinator.switches
        state = {name: "ready" if name in switches.ready else "connected" if name in switches.names else "absent"
                 for name in expected}  # fmt: skip
        return {"ready": set(expected) <= switches.ready, "switches": state}

    def intents(self) -> dict[str, Any]:
        intents = self._coordinator.intents
        breakouts = sorted(intents.breakouts, key=lambda one: (one.edge, str(one.prefix), one.device or ""))
        return {
            "attachments": dict(intents.attachments),
            "serving": dict(intents.serving),
            "breakouts": [breakout.model_dump(mode="json", exclude_none=True) for breakout in breakouts],
        }

    def flows(self) -> dict[str, Any]:
        pins = self._coordinator.intents.pins
        return {
            "pinned": [
                {
                    "device": connection.device,
                    "source": f"{connection.source} {connection.source_port}",
                    "destination": f"{connection.destination} {connection.destination_port}",
                    "host": host,
                }
                for connections in pins.values()
                for connection, host in connections.items()
            ]
        }

    def _transact(self, content: Any) -> dict[str, Any]:
        try:
            wanted = Transaction.model_validate(content)
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()]
            raise IntentError(400, "; ".join(problems)) from error
        return self._coordinator.transact(wanted).model_dump(mode="json")


def _field(body: Any, name: str) -> Any:
    if not isinstance(body, dict) or set(body) != {name}:
        raise IntentError(400, f'found {json.dumps(body)}; expected {{"{name}": …}}')
    return body[name]


def _breakout(path: list[str]) -> dict[str, str]:
    """`/v1/breakouts/{edge}/{address}/{length}`: the prefix's own slash is one of the path."""
    content = {"edge": path[0], "prefix": f"{path[1]}/{path[2]}"}
    try:
        return BreakoutIntent.model_validate(content).model_dump(mode="json")
    except ValidationError as error:
        raise IntentError(400, f"found breakout {content}; expected an edge and a prefix") from error
