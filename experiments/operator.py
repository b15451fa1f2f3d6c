"""The operator's side of the orchestrator: its interface, asked over the management link."""

import json
import urllib.error
import urllib.request
from typing import Any

from meclab.errors import InputError, RunError
from meclab.packets import ORCHESTRATOR_PORT
from meclab.plan import Plan

_TIMEOUT_S = 2.0


class Operator:
    """Asks the orchestrator of a running lab; every request raises `InputError` where it refuses (4xx), and `RunError`
    where it does not answer."""

    def __init__(self, plan: Plan, port: int = ORCHESTRATOR_PORT) -> None:
        self._url = f"http://{plan.management.ipv4_operations}:{port}"

    def prepare(self, device: str, ap: str, at_ns: int) -> Any:
        """A device is about to move to an access point."""
        return self._ask("POST", "/v1/preparations", {"device": device, "ap": ap, "at_ns": at_ns})

    def pin(self, device: str, host: str) -> list[str]:
        """Pins a device to a MEC host; the devices whose host changed."""
        return list(self._ask("PUT", f"/v1/pins/{device}", {"host": host})["changed"])

    def unpin(self, device: str) -> list[str]:
        """Ends a device's pin; the devices whose host changed."""
        return list(self._ask("DELETE", f"/v1/pins/{device}")["changed"])

    def policy(self) -> dict[str, Any]:
        """The policy in force and the pins."""
        return {"policy": self._ask("GET", "/v1/policy"), **self._ask("GET", "/v1/pins")}

    def change_policy(self, change: dict[str, Any]) -> dict[str, Any]:
        """Changes some of it; the policy in force then, and the devices whose host changed."""
        return dict(self._ask("PUT", "/v1/policy", change))

    def decisions(self, after: int) -> list[dict[str, Any]]:
        """The audit log after a decision's number."""
        return list(self._ask("GET", f"/v1/decisions?after={after}")["decisions"])

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._url + path, data, {"Content-Type": "application/json"} if data else {}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            raise _refused(refusal) from refusal
        except (OSError, ValueError) as error:
            raise RunError(f"the orchestrator does not answer {method} {path}: {error}") from error


def _refused(refusal: urllib.error.HTTPError) -> InputError | RunError:
    """The orchestrator's own words."""
    text = refusal.read().decode(errors="replace")
    try:
        words = json.loads(text)["error"]
    except (ValueError, KeyError, TypeError):
        words = text
    said = "; ".join(words) if isinstance(words, list) else str(words)
    kind = InputError if refusal.code < 500 else RunError
    return kind(f"the orchestrator refuses: {said}")
