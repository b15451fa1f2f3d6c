"""The session function's side of `Neasdf_DNSContext`: brings a context to the EASDF, whatever it has already."""

import asyncio
import json
import logging
from typing import Any, Protocol
from urllib.parse import urlsplit

from hosts.core5g.contexts import RESOURCE
from hosts.core5g.neasdf_api import JSON_PATCH
from hosts.web import http1
from hosts.web.http1 import Response
from meclab.errors import PeerError

log = logging.getLogger(__name__)
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 0.01, 0.25


class Sender(Protocol):
    """What is needed of `hosts.core5g.connections.Connections`."""

    async def send(
        self, method: str, target: str, body: bytes | None = None, content_type: str = http1.JSON
    ) -> Response: ...


class NeasdfClient:
    """Asks until the EASDF answers: without it no device gets an answer either."""

    def __init__(self, easdf: Sender) -> None:
        self.error: str | None = None
        """The present trouble."""
        self._easdf = easdf

    async def create(self, content: dict[str, Any]) -> str:
        """The target of a new context, or of the one that the device has already, which gets this content: a
        `DnsContextCreateData` as JSON, without what it says of messages that are held back.

        Raises `PeerError` for a refusal.
        """
        kept = {key: rule for key, rule in content["dnsRules"].items() if "dnsMsgId" not in rule}
        body = json.dumps(content | {"dnsRules": kept}).encode()
        response = await self._answer("POST", RESOURCE, body)
        if response.status == 201:
            return urlsplit(response.headers.get("location", "")).path
        existing = _instance(response)
        if response.status == 403 and existing is not None:
            response = await self._answer("PUT", existing, body)
            if response.status < 300:
                return existing
        raise _refusal(response)

    async def update(self, target: str, items: list[dict[str, Any]], whole: dict[str, Any]) -> str:
        """Patches a context; one that the EASDF has lost, or has otherwise, is put there as a `whole`.

        The target that it has now. Raises `PeerError` for a refusal.
        """
        response = await self._answer("PATCH", target, json.dumps(items).encode(), JSON_PATCH)
        if response.status == 400:
            response = await self._answer("PUT", target, json.dumps(whole).encode())
        if response.status == 404:
            return await self.create(whole)
        if response.status >= 300:
            raise _refusal(response)
        if response.status == 200:
            log.info("%s: %s", target, response.body.decode(errors="replace"))
        return target

    async def _answer(self, method: str, target: str, body: bytes, content_type: str = http1.JSON) -> Response:
        backoff_s = _FIRST_BACKOFF_S
        while True:
            try:
                response = await self._easdf.send(method, target, body, content_type)
                error = None if response.status < 500 else str(_refusal(response))
            except (OSError, TimeoutError, PeerError) as failure:
                error = f"{type(failure).__name__}: {failure}"
            if error != self.error:
                log.log(logging.ERROR if error else logging.INFO, "EASDF: %s", error or "answers")
                self.error = error
            if error is None:
                return response
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, _LONGEST_BACKOFF_S)


def _instance(response: Response) -> str | None:
    """The context that a refusal names."""
    try:
        found = json.loads(response.body).get("instance")
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, str) and found.startswith(RESOURCE) else None


def _refusal(response: Response) -> PeerError:
    return PeerError(f"{response.status} {response.body.decode(errors='replace')}")
