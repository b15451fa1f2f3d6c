"""What a party calls on a federator: mutual TLS, bound tokens that are kept until shortly before they expire, retries.

A request is repeated after a try that failed (no connection, no answer, 503) and, once, with a new token after a 401
that says `invalid_token`: the other side has been restarted, or clocks differ. Whatever is called is safe to repeat:
what makes something answers the repetition with what it has made.
"""

import asyncio
import json
import random
import ssl
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from hosts.federation.audit import Clock
from hosts.federation.gate import TOKEN_PATH
from hosts.federation.identity import Identity
from hosts.web.client import Client
from hosts.web.http1 import Response
from meclab.errors import PeerError
from meclab.federation.parties import Party, Scope, address_of
from meclab.messages import Body
from meclab.model import SECOND

_FORM = "application/x-www-form-urlencoded"
_FIRST_BACKOFF_S = 0.05
_EARLIEST_RENEWAL = 0.8
"""Share of its lifetime after which a token is replaced."""
FAILURES = (OSError, TimeoutError, PeerError)
"""What a request raises that got no answer."""


class TokenRefused(PeerError):
    """The other side has answered the request for a token, and gives none."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"no token: {response.status}")
        self.response = response


class TlsClient(Client):
    """A client over TLS that knows the server by its name, wherever that is."""

    def __init__(self, address: str, port: int, timeout_s: float, tls: ssl.SSLContext, name: str) -> None:
        super().__init__(address, port, timeout_s)
        self._tls = tls
        self._name = name

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._address, self._port, ssl=self._tls, server_hostname=self._name)


class PeerClient:
    """Requests to one party, one at a time on a kept connection."""

    def __init__(
        self,
        identity: Identity,
        party: Party,
        clock: Clock,
        jitter: random.Random,
        timeout_ns: int = SECOND,
        tries: int = 3,
        scopes: Iterable[Scope] | None = None,
    ) -> None:
        """`scopes` are what tokens are asked for; all that this party gets where it is left out. Raises `OSError`."""
        self.party = party
        address, port = address_of(party.url)
        self._http = TlsClient(address, port, timeout_ns / SECOND, identity.client_context(), party.name)
        self._own = identity.name
        self._clock = clock
        self._jitter = jitter
        self._tries = tries
        self._scopes = None if scopes is None else sorted(scopes)
        self._token: tuple[str, int] | None = None
        """And when it is to be replaced."""
        self._turn = asyncio.Lock()
        self.messages = 0
        """Requests and responses, those for tokens included."""

    @property
    def carried(self) -> int:
        """Bytes of HTTP, both ways."""
        return self._http.sent_bytes + self._http.received_bytes

    async def call(self, method: str, target: str, content: Body | dict[str, Any] | None = None) -> Response:
        """The answer to an authorised request, whatever its status; that to the request for a token, if it is refused.
        Raises `OSError`, `TimeoutError` or `PeerError`
        where there is none."""
        body = None if content is None else packed(content)
        async with self._turn:
            renewed = False
            for number in range(self._tries):
                last = number == self._tries - 1
                try:
                    response = await self._authorised(method, target, body)
                except TokenRefused as refused:
                    return refused.response
                except FAILURES:
                    if last:
                        raise
                else:
                    stale = response.status == 401 and "invalid_token" in response.headers.get("www-authenticate", "")
                    if stale and not renewed:
                        renewed, self._token = True, None
                        response = await self._authorised(method, target, body)
                    if response.status != 503 or last:
                        return response
                await asyncio.sleep(_FIRST_BACKOFF_S * 2**number * (0.5 + self._jitter.random()))
        raise AssertionError("the last try returns or raises")

    async def call_unauthorised(self, method: str, target: str, content: Body) -> Response:
        """The answer to a request that has no token, to a party that gives none; errors as `call`, with one try."""
        async with self._turn:
            return await self._send(method, target, packed(content), {})

    def close(self) -> None:
        self._http.close()

    async def _authorised(self, method: str, target: str, body: bytes | None) -> Response:
        if self._token is None or self._clock() >= self._token[1]:
            token, lifetime_ns = await self._ask_token()
            self._token = token, self._clock() + int(lifetime_ns * _EARLIEST_RENEWAL)
        return await self._send(method, target, body, {"Authorization": f"Bearer {self._token[0]}"})

    async def _ask_token(self) -> tuple[str, int]:
        """A token and its lifetime in ns (RFC 8705 section 2: the certificate authenticates the client)."""
        form = {"grant_type": "client_credentials", "client_id": self._own}
        if self._scopes is not None:
            form["scope"] = " ".join(self._scopes)
        response = await self._send("POST", TOKEN_PATH, urlencode(form).encode(), {}, _FORM)
        if 400 <= response.status < 500:
            raise TokenRefused(response)
        if response.status != 200:
            raise PeerError(f"{self.party.name} gives no token: {response.status}")
        answer = read(response)
        return str(answer["access_token"]), int(answer["expires_in"]) * SECOND

    async def _send(
        self, method: str, target: str, body: bytes | None, headers: dict[str, str], kind: str = "application/json"
    ) -> Response:
        self.messages += 1
        response = await self._http.send(method, target, body, kind, headers)
        self.messages += 1
        return response


def packed(content: Body | dict[str, Any]) -> bytes:
    """A body as JSON, without what is left out."""
    if isinstance(content, Body):
        return content.model_dump_json(by_alias=True, exclude_none=True).encode()
    return json.dumps(content).encode()


def read(response: Response) -> Any:
    """What a response says; raises `PeerError` where it is no JSON."""
    try:
        return json.loads(response.body)
    except ValueError as error:
        raise PeerError(f"not JSON: {response.body[:60]!r}") from error
