"""System information (GS MEC 040 clause 6): bodies, and what a federator has registered. Names are MEC 040's."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from meclab.federation.denials import Denied
from meclab.messages import Body

PATH: Final = "/fed_enablement/v1"
_TEXT = Annotated[str, Field(min_length=1, max_length=128)]
Change = Literal["REGISTERED", "UPDATED", "REMOVED", "WITHDRAWN", "RESTORED"]


class Address(Body):
    """One entry point."""

    host: str
    port: int


class EndPointInfo(Body):
    """GS MEC 040 clause 8.1.5.3: exactly one of these."""

    uris: tuple[str, ...] | None = None
    fqdn: tuple[str, ...] | None = None
    addresses: tuple[Address, ...] | None = None
    alternative: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "EndPointInfo":
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"found {', '.join(given) or 'nothing'}; expected exactly one of uris, fqdn, addresses, alternative"
            )
        return self


class SystemInfo(Body):
    """GS MEC 040 clause 6.2.2."""

    systemId: _TEXT | None = None
    """The federator's to give; absent in a POST, present otherwise."""
    systemName: _TEXT
    systemProvider: _TEXT
    endpoint: EndPointInfo | None = None
    """Extension: where the system's federation manager is. MEC 040 has it in an update alone."""


class SystemInfoUpdate(Body):
    """GS MEC 040 clause 6.2.3: at least one attribute."""

    systemName: _TEXT | None = None
    endpoint: EndPointInfo | None = None

    @model_validator(mode="after")
    def _something(self) -> "SystemInfoUpdate":
        if self.systemName is None and self.endpoint is None:
            raise ValueError("found nothing; expected systemName, endpoint or both")
        return self


class TimeStamp(Body):
    """GS MEC 040 clause 6.5.2."""

    seconds: Annotated[int, Field(ge=0, lt=2**32)]
    nanoSeconds: Annotated[int, Field(ge=0, lt=2**32)]


class Link(Body):
    href: str


class Links(Body):
    self: Link


class SubscriptionLinks(Body):
    subscription: Link


class SystemUpdateNotificationSubscription(Body):
    """GS MEC 040 clause 6.3.2; it gives no path for it, the lab's is `…/subscriptions`."""

    subscriptionType: Literal["SystemUpdateNotificationSubscription"]
    callbackReference: str
    links: Links | None = Field(None, alias="_links")
    systemId: tuple[str, ...] = ()
    """Systems that it is for; all where it is empty."""
    expiryDeadline: TimeStamp | None = None


class SystemUpdateNotification(Body):
    """GS MEC 040 clause 6.4.2."""

    notificationType: Literal["SystemUpdateNotification"] = "SystemUpdateNotification"
    updatedSystemInfo: Annotated[tuple[SystemInfo, ...], Field(min_length=1)]
    links: SubscriptionLinks = Field(alias="_links")
    change: Change = "UPDATED"
    """Extension: what has become of them."""


@dataclass(frozen=True)
class Registered:
    """A system, and the party that registered it."""

    info: SystemInfo
    owner: str
    withdrawn: bool = False
    """By the broker: it is not what its owner says, or not there."""


class Systems:
    """Every system that is registered with a federator, by its identifier."""

    def __init__(self) -> None:
        self._systems: dict[str, Registered] = {}

    def register(self, owner: str, info: SystemInfo, identifier: str) -> SystemInfo:
        """A new system under this identifier. Raises `Denied` where the same party has it already, or another has
        one of that name and provider."""
        if info.systemId is not None:
            raise Denied("invalid", "SYSTEM_ID_GIVEN", "systemId: the federator's to give; leave it out")
        self._require_unique(info, None)
        made = info.model_copy(update={"systemId": identifier})
        self._systems[identifier] = Registered(made, owner)
        return made

    def publish(self, owner: str, info: SystemInfo) -> Change | None:
        """Takes over a system with its identifier, as a manager tells a broker; the same again changes nothing.
        Raises `Denied`: the identifier is another party's, or name and provider are taken."""
        assert info.systemId is not None, "the interface sets it"
        known = self._systems.get(info.systemId)
        if known is not None and known.owner != owner:
            raise Denied("forbidden", "SYSTEM_OF_ANOTHER", "this systemId is not yours")
        self._require_unique(info, info.systemId)
        if known is not None and known.info == info:
            return None
        self._systems[info.systemId] = Registered(info, owner, known is not None and known.withdrawn)
        return "REGISTERED" if known is None else "UPDATED"

    def update(self, owner: str, identifier: str, update: SystemInfoUpdate) -> SystemInfo:
        """Changes an own system. Raises `Denied`; for another's as for an unknown one."""
        known = self._own(owner, identifier)
        changed = known.info.model_copy(
            update={
                name: getattr(update, name) for name in ("systemName", "endpoint") if getattr(update, name) is not None
            }
        )
        self._require_unique(changed, identifier)
        self._systems[identifier] = Registered(changed, owner, known.withdrawn)
        return changed

    def remove(self, owner: str, identifier: str) -> SystemInfo:
        """Forgets an own system. Raises `Denied`."""
        known = self._own(owner, identifier)
        del self._systems[identifier]
        return known.info

    def withdraw(self, identifier: str, withdrawn: bool) -> SystemInfo:
        """Shows a system no more, or again."""
        known = self._systems[identifier]
        self._systems[identifier] = Registered(known.info, known.owner, withdrawn)
        return known.info

    def owner(self, identifier: str) -> str | None:
        known = self._systems.get(identifier)
        return None if known is None else known.owner

    def listed(self, shown: Callable[[Registered], bool] = lambda _: True) -> list[Registered]:
        """Those that are shown, in order of registration."""
        return [known for known in self._systems.values() if shown(known)]

    def _own(self, owner: str, identifier: str) -> Registered:
        known = self._systems.get(identifier)
        if known is None or known.owner != owner:
            raise unknown_system()
        return known

    def _require_unique(self, info: SystemInfo, identifier: str | None) -> None:
        for other, known in self._systems.items():
            same = (known.info.systemName, known.info.systemProvider) == (info.systemName, info.systemProvider)
            if same and other != identifier:
                raise Denied("duplicate", "DUPLICATE_SYSTEM", "a system of this name and provider is registered")


def unknown_system() -> Denied:
    """The one answer for a system that is not there and for one that the asker must not know of."""
    return Denied("unknown", "UNKNOWN_SYSTEM", "no such system")


QUERY: Final[Mapping[str, str]] = {
    "systemid": "systemId",
    "systemname": "systemName",
    "systemprovider": "systemProvider",
}
"""Query parameter (lower case in MEC 040) to attribute."""


def filtered(systems: Iterable[SystemInfo], query: Mapping[str, Collection[str]]) -> list[SystemInfo]:
    """Those that pass every filter; of several values of one name any fits. A filter that nothing passes raises
    `Denied`: MEC 040's conformance tests expect 404 and no empty list."""
    found = [info for info in systems if all(getattr(info, QUERY[name]) in values for name, values in query.items())]
    if query and not found:
        raise unknown_system()
    return found
