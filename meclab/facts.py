"""What a messenger carries: facts, and how those that wait together become requests.

A recipient is to know a table of facts. What is told is what has changed in it; the newest fact of a slot replaces the
older ones, so that a batch, a repetition and a whole table are all the same thing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from pydantic import TypeAdapter

from meclab import namerules
from meclab.messages import DnsRule, Relocation, RouterAttachment, Serving, Transaction
from meclab.plan import Plan
from meclab.platforms import PlatformConfiguration, app_instance
from meclab.recipients import Kind

_ATTACHMENTS = TypeAdapter(tuple[RouterAttachment, ...])
Key = tuple[str, str]
"""Subject and slot."""


@dataclass(frozen=True)
class Attached:
    """The device is at an access point, by its n-th attach."""

    ap: str
    sequence: int
    slot = "attach"


@dataclass(frozen=True)
class Served:
    """A MEC host serves the device."""

    host: str
    slot = "serve"


@dataclass(frozen=True)
class Named:
    """The application's name means a MEC host; for no client any more where there is none."""

    platform: str
    """MEC host whose platform carries the rules."""
    host: str | None
    subnets: tuple[IPv4Network | IPv6Network, ...] | None
    """Clients that it holds for; everybody where it is none."""
    slot: str = "name"


@dataclass(frozen=True)
class Relocated:
    """The device, at an access point, is to use a MEC host."""

    ap: str
    host: str
    previous: str | None = field(compare=False)
    number: int = field(compare=False)
    slot = "relocate"


@dataclass(frozen=True)
class Resolved:
    """The resolver of the device is the one of a MEC host."""

    host: str
    slot = "resolver"


Content = Attached | Served | Named | Relocated | Resolved


@dataclass(frozen=True)
class Fact:
    """Something that a recipient is to know of a device or a location."""

    recipient: str
    subject: str
    content: Content

    @property
    def key(self) -> Key:
        """What a newer fact must share to take this one's place."""
        return self.subject, self.content.slot


@dataclass(frozen=True)
class Parcel:
    """One request, always POST, and the facts that its answer settles."""

    target: str
    body: bytes
    facts: tuple[Fact, ...]


class Tables:
    """What every recipient has been given to tell; a fact that it has already is no news."""

    def __init__(self) -> None:
        self._facts: dict[str, dict[Key, Fact]] = {}

    def news(self, facts: Iterable[Fact]) -> tuple[Fact, ...]:
        """Those that change a table, which has them from now on."""
        found = []
        for fact in facts:
            table = self._facts.setdefault(fact.recipient, {})
            if table.get(fact.key) != fact and not (_says_nothing(fact) and fact.key not in table):
                table[fact.key] = fact
                found.append(fact)
        return tuple(found)

    def known(self, recipient: str) -> tuple[Fact, ...]:
        """A recipient's whole table."""
        return tuple(self._facts.get(recipient, {}).values())

    def forget(self, fact: Fact) -> None:
        """The recipient has refused it: the same is news again."""
        table = self._facts.get(fact.recipient, {})
        if table.get(fact.key) == fact:
            del table[fact.key]


def _says_nothing(fact: Fact) -> bool:
    """Rules taken away: nothing to somebody who never had them."""
    return isinstance(fact.content, Named) and fact.content.host is None


def latest(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """The newest of each slot, in the order in which slots came up first."""
    return tuple({fact.key: fact for fact in facts}.values())


def pack(plan: Plan, kind: Kind, facts: Sequence[Fact], number: Callable[[], int]) -> tuple[Parcel, ...]:
    """The requests that tell a recipient these facts; `number` counts up and orders what is merged."""
    match kind:
        case "controller":
            return (_transaction(facts),)
        case "mepm":
            return tuple(_rules(plan, platform, some, number()) for platform, some in _by_platform(facts).items())
        case "smf":
            return tuple(_relocation(fact) for fact in facts)
        case "router":
            return (_attachments(facts),)
        case "serving":
            serving = Serving(update=number(), serving=_served(facts))
            return (Parcel("/v1/serving", serving.model_dump_json().encode(), tuple(facts)),)


def _served(facts: Iterable[Fact]) -> dict[str, str]:
    return {fact.subject: fact.content.host for fact in facts if isinstance(fact.content, Served)}


def _transaction(facts: Sequence[Fact]) -> Parcel:
    attach = {fact.subject: fact.content.ap for fact in facts if isinstance(fact.content, Attached)}
    body = Transaction(attach=attach, serve={**_served(facts)})
    return Parcel("/v1/transactions", body.model_dump_json().encode(), tuple(facts))


def _by_platform(facts: Iterable[Fact]) -> Mapping[str, list[Fact]]:
    found: dict[str, list[Fact]] = {}
    for fact in facts:
        assert isinstance(fact.content, Named), "a platform is told of names alone"
        found.setdefault(fact.content.platform, []).append(fact)
    return found


def _rules(plan: Plan, platform: str, facts: Sequence[Fact], number: int) -> Parcel:
    rules: list[DnsRule] = []
    for fact in facts:
        assert isinstance(fact.content, Named), "a platform is told of names alone"
        rules += namerules.of_scope(plan, fact.subject, fact.content.host, fact.content.subnets)
    body = PlatformConfiguration(appDNSRule=tuple(rules), update=number)
    target = f"/app_lcm/v1/app_instances/{app_instance(platform)}/configure_platform_for_app"
    return Parcel(target, body.model_dump_json(exclude_none=True, exclude={"appTrafficRule"}).encode(), tuple(facts))


def _relocation(fact: Fact) -> Parcel:
    content = fact.content
    assert isinstance(content, Relocated), "a session function is told of relocations alone"
    body = Relocation(
        update=content.number, device=fact.subject, ap=content.ap, host=content.host, previous=content.previous
    )
    return Parcel("/nsmf-lab/v1/relocations", body.model_dump_json(exclude_none=True).encode(), (fact,))


def _attachments(facts: Sequence[Fact]) -> Parcel:
    bodies = tuple(
        RouterAttachment(device=fact.subject, ap=fact.content.ap, sequence=fact.content.sequence)
        for fact in facts
        if isinstance(fact.content, Attached)
    )
    return Parcel("/v1/attachments", _ATTACHMENTS.dump_json(bodies), tuple(facts))
