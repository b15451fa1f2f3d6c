"""Access tokens: OAuth 2.0 client credentials (RFC 6749 section 4.4), bound to the client's certificate (RFC 8705)."""

import base64
import hashlib
from collections.abc import Collection
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from meclab.federation.denials import Denied
from meclab.model import SECOND

_SECONDS = Annotated[int, Field(ge=0, lt=2**40)]


class Confirmation(BaseModel):
    """RFC 7800 section 3.1."""

    thumbprint: str = Field(alias="x5t#S256")


class Claims(BaseModel):
    """What a token says (RFC 9068 section 2.2); times in seconds since 1970."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    iss: str
    sub: str
    aud: str
    scope: str
    iat: _SECONDS
    nbf: _SECONDS
    exp: _SECONDS
    jti: str
    cnf: Confirmation

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(self.scope.split())


def thumbprint(certificate: bytes) -> str:
    """`x5t#S256` of a certificate in DER (RFC 8705 section 3.1)."""
    return base64.urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode()


def claim(
    issuer: str, client: str, certificate: bytes, scopes: Collection[str], now_ns: int, lifetime_ns: int, number: str
) -> dict[str, Any]:
    """The claims of a new token for a client that has shown its certificate; `number` makes it unique."""
    now_s = now_ns // SECOND
    return {
        "iss": issuer,
        "sub": client,
        "aud": issuer,
        "scope": " ".join(sorted(scopes)),
        "iat": now_s,
        "nbf": now_s,
        "exp": (now_ns + lifetime_ns) // SECOND,
        "jti": number,
        "cnf": {"x5t#S256": thumbprint(certificate)},
    }


def check(content: dict[str, Any], issuer: str, client: str, certificate: bytes, now_ns: int, skew_ns: int) -> Claims:
    """A token's claims, once its signature has been verified. Raises `Denied`: not this issuer's, too old or too new
    by more than the tolerated skew, or presented by somebody else than it was given to."""
    try:
        claims = Claims.model_validate(content)
    except ValidationError as error:
        raise Denied("unauthenticated", "TOKEN_MALFORMED", "the token lacks claims") from error
    if (claims.iss, claims.aud) != (issuer, issuer):
        raise Denied("unauthenticated", "TOKEN_OF_ANOTHER_ISSUER", "the token is for another federator")
    if now_ns >= claims.exp * SECOND + skew_ns:
        raise Denied("unauthenticated", "TOKEN_EXPIRED", "the token has expired")
    if now_ns < max(claims.nbf, claims.iat) * SECOND - skew_ns:
        raise Denied("unauthenticated", "TOKEN_NOT_YET_VALID", "the token is not valid yet: do the clocks differ?")
    if claims.cnf.thumbprint != thumbprint(certificate) or claims.sub != client:
        raise Denied("unauthenticated", "TOKEN_OF_ANOTHER_CERTIFICATE", "the token is bound to another certificate")
    return claims
