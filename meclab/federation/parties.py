"""Who takes part in a federation, and what each role may ask of a federator."""

from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from meclab.messages import Body
from meclab.model import SECOND

Identifier = Annotated[str, Field(pattern="^[a-z0-9]([-a-z0-9]{0,62}[a-z0-9])?$")]
"""GSMA OPG.04 FederationIdentifier, ZoneIdentifier and others; also the subject of a party's certificate."""
Role = Literal["orchestrator", "manager", "broker"]
Scope = Literal["register", "discover", "federate", "catalogue", "notify", "operate"]
SCOPES: Final[dict[tuple[Role, Role], frozenset[Scope]]] = {
    ("orchestrator", "manager"): frozenset({"register", "discover", "operate"}),
    ("manager", "manager"): frozenset({"discover", "federate", "catalogue", "notify"}),
    ("broker", "manager"): frozenset({"discover", "notify"}),
    ("manager", "broker"): frozenset({"register", "discover", "federate", "notify"}),
    ("orchestrator", "broker"): frozenset({"operate"}),
}
"""(who asks, whom) to the scopes that a token can have. The pairs are the reference points Mfm-fed, Mff-fed and, both
ways, Mfb-fed; the last is the broker's own operator."""


class Party(Body):
    """Another process that a federator knows."""

    name: Identifier
    """Subject (common name) of its certificate, and a DNS name in it."""
    role: Role
    url: str = ""
    """`https://ADDRESS:PORT`, where it serves; empty for a party that only asks."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if url:
            address_of(url)
        return url


class Terms(Body):
    """What a federator grants to a partner: the content of an agreement, before there is one."""

    zones: tuple[Identifier, ...] = ()
    """Zones offered. None for a broker, which offers its list of systems."""
    services: bool = False
    """Whether services that are not `consumedLocalOnly` may be found and consumed."""
    applications: bool = False
    """Whether applications of the partner may be deployed, and those that run here are shown."""
    lasts_ns: Annotated[int, Field(gt=0)] = 3600 * SECOND
    availability: Annotated[float, Field(ge=0, le=1)] = 0.9
    """Share of a broker's probes that must succeed; less is a breach."""


class Settings(Body):
    """One federator: a system's federation manager (MEFM), or a broker (MEFB)."""

    name: Identifier
    role: Literal["manager", "broker"]
    url: str
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "XX"
    parties: tuple[Party, ...] = ()
    terms: dict[Identifier, Terms] = Field(default_factory=dict)
    """By partner; who is not in it cannot form a federation with this one."""
    reciprocate: tuple[Identifier, ...] = ()
    """Partners whose directed federation is answered with one in the other direction."""
    federable: bool = True
    """Whether parties without an agreement learn that the system could form one."""
    token_lifetime_ns: Annotated[int, Field(gt=0)] = 60 * SECOND
    skew_ns: Annotated[int, Field(ge=0)] = 2 * SECOND
    """Difference of clocks that is tolerated in tokens and certificates."""
    revocation_ns: Annotated[int, Field(gt=0)] = 2 * SECOND
    """A manager asks its broker for revocations twice in this time: that long, at most, a revoked member is served
    by a manager that reaches its broker."""
    timeout_ns: Annotated[int, Field(gt=0)] = SECOND
    """For one try of a request to another party."""
    probe_interval_ns: Annotated[int, Field(gt=0)] = SECOND
    """Broker: from one probe of a system to the next."""

    @model_validator(mode="after")
    def _names(self) -> "Settings":
        address_of(self.url)
        names = [self.name, *(party.name for party in self.parties)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"parties: {', '.join(twice)} twice")
        known = set(names[1:])
        if unknown := sorted({*self.terms, *self.reciprocate} - known):
            raise ValueError(f"terms, reciprocate: {', '.join(unknown)}; expected one of {', '.join(sorted(known))}")
        return self


def address_of(url: str) -> tuple[str, int]:
    """Host and port of `https://HOST:PORT`; raises `ValueError`."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.port is None or parts.path or parts.query:
        raise ValueError(f"{url!r}; expected https://ADDRESS:PORT")
    return parts.hostname, parts.port


def within(link: str, url: str) -> bool:
    """Whether a link (of a callback) leads to the party that serves at `url` and to nobody else."""
    try:
        parts, known = urlsplit(link), urlsplit(url)
        place = parts.scheme, parts.hostname, parts.port
        return bool(url) and place == (known.scheme, known.hostname, known.port) and "@" not in parts.netloc
    except ValueError:
        return False
