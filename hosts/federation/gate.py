"""Who asks, and whether they may: client certificate, membership, bound token, scope; and how a refusal is said.

| what is wrong | MEC 040 and the lab's paths | GSMA paths |
|---|---|---|
| no certificate, expired, no member, revoked; no token, or one that is not good, or another's | 401 | 401 |
| no scope, or no agreement for it | 403 | 422 with a cause |
| not there, or not for this client to know | 404 | 404 |
| a duplicate | 400 | 409 |
| a bad body | 400 | 400 |

Every request passes `Gate`, those to paths that do not exist included; every answer from 400 on leaves an audit line.
"""

import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import jwt
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from hosts.federation.audit import Audit, Clock
from hosts.web import problems
from hosts.web.problems import Refusal
from hosts.web.serving import PEER
from meclab.federation import tokens
from meclab.federation.denials import Denied, Kind
from meclab.federation.parties import SCOPES, Party, Scope, Settings
from meclab.model import SECOND

log = logging.getLogger(__name__)
TOKEN_PATH: Final = "/oauth2/token"
_ALGORITHM: Final = "HS256"
"""The issuer verifies its tokens itself and nobody else does: no key has to be published."""
Interface = Literal["mec", "gsma"]
STATUSES: Final[dict[Interface, dict[Kind, int]]] = {
    "mec": {"unauthenticated": 401, "forbidden": 403, "unknown": 404, "duplicate": 400, "invalid": 400},
    "gsma": {"unauthenticated": 401, "forbidden": 422, "unknown": 404, "duplicate": 409, "invalid": 400},
}


@dataclass(frozen=True)
class Caller:
    """Who asks: a party, by its certificate."""

    party: Party
    certificate: bytes
    """In DER."""

    @property
    def name(self) -> str:
        return self.party.name


Handler = Callable[[Request, Caller], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


class Members:
    """Parties that may ask, and those that may no more."""

    def __init__(self, settings: Settings) -> None:
        self.own = settings.name
        self._parties = {party.name: party for party in settings.parties}
        self.revoked: dict[str, int] = {}
        """Party to when it was revoked, CLOCK_REALTIME in ns."""

    def get(self, name: str) -> Party:
        """A party, revoked or not. Raises `Denied`."""
        if name not in self._parties:
            raise Denied("unknown", "UNKNOWN_PARTY", f"no party {name!r} is known here")
        return self._parties[name]

    def admitted(self, name: str) -> Party:
        """A party that may ask and be asked. Raises `Denied`: the same for one that is revoked and one unknown."""
        if name not in self._parties or name in self.revoked:
            rule = "REVOKED" if name in self.revoked else "NOT_A_MEMBER"
            raise Denied("unauthenticated", rule, "this certificate is no member's")
        return self._parties[name]

    def admit(self, party: Party) -> None:
        """Makes a party known; one that was revoked stays so."""
        self._parties[party.name] = party

    def of_role(self, role: str) -> list[Party]:
        return [p for p in self._parties.values() if p.role == role and p.name not in self.revoked]


class Gate:
    """Middleware around a federator's interface, and the guard of its handlers."""

    def __init__(self, settings: Settings, members: Members, audit: Audit, clock: Clock, secret: bytes) -> None:
        """`secret` signs tokens; tokens of an earlier process are void."""
        self._settings = settings
        self._members = members
        self._audit = audit
        self._clock = clock
        self._secret = secret
        self.served = 0
        """Requests that came so far."""

    def around(self, application: ASGIApp) -> ASGIApp:
        """The application behind the gate."""

        async def gated(scope: AsgiScope, receive: Receive, send: Send) -> None:
            self.served += 1
            request = Request(scope, receive)

            async def watched(message: Message) -> None:
                if message["type"] == "http.response.start" and message["status"] >= 400:
                    self._record(request, message["status"])
                await send(message)

            try:
                request.state.caller = self._identify(scope)
            except Denied as denial:
                await self.refuse(request, denial, "mec")(scope, receive, watched)
                return
            await application(scope, receive, watched)

        return gated

    def guard(self, scope: Scope, interface: Interface, handler: Handler) -> Endpoint:
        """A handler that only who has a token with this scope reaches."""

        async def guarded(request: Request) -> Response:
            caller: Caller = request.state.caller
            try:
                self._authorise(request, caller, scope)
                return await handler(request, caller)
            except Denied as denial:
                return self.refuse(request, denial, interface)
            except Refusal as refusal:
                request.state.rule = refusal.more.get("cause", "BAD_REQUEST"), str(refusal)
                raise

        return guarded

    def refuse(self, request: Request, denial: Denied, interface: Interface) -> Response:
        """The answer to what a rule denies."""
        request.state.rule = denial.rule, str(denial)
        headers = None
        if denial.kind == "unauthenticated":
            headers = {"WWW-Authenticate": f'Bearer error="invalid_token", error_description="{denial}"'}
        elif denial.rule == "INSUFFICIENT_SCOPE":
            headers = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}
        cause = "NOT_A_MEMBER" if denial.rule == "REVOKED" else denial.rule
        more = {"cause": cause, **(denial.more if isinstance(denial, Known) else {})}
        return problems.problem(STATUSES[interface][denial.kind], str(denial), headers, more)

    def issue(self, caller: Caller, wanted: frozenset[str] | None, number: str) -> tuple[str, frozenset[str]]:
        """A token with the scopes that are wanted, or all that the caller's role has. Raises `Denied`."""
        allowed = frozenset[str](SCOPES.get((caller.party.role, self._settings.role), frozenset()))
        scopes = allowed if wanted is None else wanted
        if not scopes or not scopes <= allowed:
            raise Denied("invalid", "INVALID_SCOPE", "these scopes are not given to this client")
        claims = tokens.claim(
            self._settings.name,
            caller.name,
            caller.certificate,
            scopes,
            self._clock(),
            self._settings.token_lifetime_ns,
            number,
        )
        return jwt.encode(claims, self._secret, _ALGORITHM, {"typ": "at+jwt"}), scopes

    def _identify(self, scope: AsgiScope) -> Caller:
        """The party whose certificate the connection has. Raises `Denied`."""
        peer: ssl.SSLObject | None = scope.get("extensions", {}).get(PEER, {}).get("tls")
        certificate = None if peer is None else peer.getpeercert(True)
        described: Any = None if peer is None else peer.getpeercert()
        if not certificate or not described:
            raise Denied("unauthenticated", "CERTIFICATE_MISSING", "a client certificate is needed")
        scope.setdefault("state", {})["subject"] = subject = _subject(described)
        begins, ends = (ssl.cert_time_to_seconds(described[name]) * SECOND for name in ("notBefore", "notAfter"))
        now_ns, skew_ns = self._clock(), self._settings.skew_ns
        if now_ns >= ends + skew_ns:
            raise Denied("unauthenticated", "CERTIFICATE_EXPIRED", "the client certificate has expired")
        if now_ns < begins - skew_ns:
            raise Denied("unauthenticated", "CERTIFICATE_NOT_YET_VALID", "the client certificate is not valid yet")
        return Caller(self._members.admitted(subject), certificate)

    def _authorise(self, request: Request, caller: Caller, scope: Scope) -> None:
        """Raises `Denied` where the request has no good token of the caller's with this scope."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Denied("unauthenticated", "TOKEN_MISSING", "an access token is needed")
        try:
            options: Any = {"verify_signature": True}
            options |= dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss"), False)
            content = jwt.decode(token.strip(), self._secret, [_ALGORITHM], options)
        except jwt.PyJWTError as error:
            raise Denied("unauthenticated", "TOKEN_MALFORMED", "the token is not one of this federator") from error
        claims = tokens.check(
            content, self._settings.name, caller.name, caller.certificate, self._clock(), self._settings.skew_ns
        )
        if scope not in claims.scopes:
            raise Denied("forbidden", "INSUFFICIENT_SCOPE", f"the token does not have the scope {scope}")

    def _record(self, request: Request, status: int) -> None:
        rule, detail = getattr(request.state, "rule", ("HTTP", ""))
        client = request.client
        self._audit.write(
            str(rule),
            str(detail),
            status=status,
            subject=getattr(request.state, "subject", None),
            address=None if client is None else client.host,
            method=request.method,
            path=request.url.path,
        )


class Known(Denied):
    """A duplicate of something of the caller's own; the answer says what, since its first answer may be lost."""

    def __init__(self, denial: Denied, more: dict[str, object]) -> None:
        super().__init__(denial.kind, denial.rule, str(denial))
        self.more = more


def _subject(described: dict[str, Any]) -> str:
    """The common name in a certificate; empty where it has none."""
    pairs = (pair for part in described.get("subject", ()) for pair in part)
    return next((value for name, value in pairs if name == "commonName"), "")
