"""Which systems a federator knows of, who may see which, and who hears of their changes.

A manager knows its own system and asks others each time; a broker knows what its members have told it.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from hosts.federation.client import FAILURES
from hosts.federation.core import NOTICE_NS, STATE_NS, Core
from hosts.federation.gate import Caller, Known
from meclab.federation import systems
from meclab.federation.denials import Denied
from meclab.federation.systems import (
    Change,
    Link,
    Links,
    Registered,
    SubscriptionLinks,
    SystemInfo,
    SystemInfoUpdate,
    Systems,
    SystemUpdateNotification,
    SystemUpdateNotificationSubscription,
)
from meclab.model import SECOND

log = logging.getLogger(__name__)
RESOURCE = f"{systems.PATH}/fed_resources/system_info"
AVAILABLE = f"{systems.PATH}/fed_resources/available_systems"
SUBSCRIPTIONS = f"{systems.PATH}/subscriptions"
CALLBACK = "/callbacks/systems"
_LISTED: TypeAdapter[list[SystemInfo]] = TypeAdapter(list[SystemInfo])


@dataclass(frozen=True)
class Subscription:
    """Who hears of which systems."""

    identifier: str
    owner: str
    stated: SystemUpdateNotificationSubscription
    target: str
    """Path of the callback, at the owner's."""

    def wants(self, identifier: str, now_ns: int) -> bool:
        deadline = self.stated.expiryDeadline
        if deadline is not None and now_ns >= deadline.seconds * SECOND + deadline.nanoSeconds:
            return False
        return not self.stated.systemId or identifier in self.stated.systemId


@dataclass(frozen=True)
class Found:
    """Systems, and the parties that did not answer."""

    systems: list[SystemInfo]
    unreached: tuple[str, ...] = ()


class Directory:
    """The systems."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.systems = Systems()
        self._subscriptions: dict[str, Subscription] = {}

    # What clients ask for.

    async def find(self, caller: Caller, query: Mapping[str, Collection[str]]) -> Found:
        """Systems of federation members that a caller may know of now. Raises `Denied`."""
        found = Found([known.info for known in self._shown(caller)])
        if caller.party.role == "orchestrator":
            found = await self._with_others(found, RESOURCE)
        return Found(systems.filtered(found.systems, query), found.unreached)

    async def available(self, caller: Caller) -> Found:
        """Systems that a federation could be formed with, and is not. Raises `Denied`."""
        if caller.party.role == "orchestrator":
            found = await self._with_others(Found([]), AVAILABLE)
            members = {info.systemId for info in (await self.find(caller, {})).systems}
            return Found([info for info in found.systems if info.systemId not in members], found.unreached)
        if not self._core.settings.federable or self._sees(caller):
            return Found([])
        return Found([known.info for known in self.systems.listed(self._in_force)])

    async def get(self, caller: Caller, identifier: str) -> SystemInfo:
        """One system. Raises `Denied`: the same where it is not there and where the caller must not know of it."""
        found = await self.find(caller, {"systemid": [identifier]})
        return found.systems[0]

    def register(self, caller: Caller, info: SystemInfo) -> SystemInfo:
        """A new system of the caller's. Raises `Denied`; a repetition is told what there is."""
        self._require_registrant(caller)
        try:
            made = self.systems.register(caller.name, info, self._core.identifier())
        except Denied as denial:
            raise self._known(caller, info, denial) from denial
        self._changed(made, "REGISTERED", caller.name)
        return made

    def publish(self, caller: Caller, identifier: str, info: SystemInfo) -> tuple[SystemInfo, Change | None]:
        """A member's system under the identifier that its manager has given it (extension). Raises `Denied`."""
        self._require_registrant(caller)
        stated = info.model_copy(update={"systemId": identifier})
        change = self.systems.publish(caller.name, stated)
        if change is not None:
            self._changed(stated, change, caller.name)
        return stated, change

    def update(self, caller: Caller, identifier: str, update: SystemInfoUpdate) -> SystemInfo:
        """Changes a system of the caller's. Raises `Denied`."""
        self._require_registrant(caller)
        info = self.systems.update(caller.name, identifier, update)
        self._changed(info, "UPDATED", caller.name)
        return info

    def remove(self, caller: Caller, identifier: str) -> None:
        """Forgets a system of the caller's. Raises `Denied`."""
        self._require_registrant(caller)
        self._changed(self.systems.remove(caller.name, identifier), "REMOVED", caller.name)

    def withdraw(self, identifier: str, withdrawn: bool) -> None:
        """The broker's own decision; the system's owner hears of it as well."""
        if self.systems.owner(identifier) is not None:
            self._changed(self.systems.withdraw(identifier, withdrawn), "WITHDRAWN" if withdrawn else "RESTORED", "")

    def forget_party(self, name: str) -> None:
        """Drops everything of a party that is in the federation no more: its subscriptions and, at a broker, its
        systems."""
        self._subscriptions = {key: known for key, known in self._subscriptions.items() if known.owner != name}
        if self._core.is_broker:
            for known in self.systems.listed(lambda known: known.owner == name):
                assert known.info.systemId is not None, "registered"
                self._changed(self.systems.remove(name, known.info.systemId), "REMOVED", name)

    # Subscriptions.

    def subscribe(
        self, caller: Caller, stated: SystemUpdateNotificationSubscription
    ) -> SystemUpdateNotificationSubscription:
        """A new subscription; the same one again is answered with what there is. Raises `Denied`."""
        self._require_sight(caller)
        target = self._core.callback(caller.name, stated.callbackReference)
        stated = stated.model_copy(update={"links": None})
        for known in self._subscriptions.values():
            if known.owner == caller.name and known.stated == stated:
                return self._linked(known)
        made = Subscription(self._core.identifier(), caller.name, stated, target)
        self._subscriptions[made.identifier] = made
        return self._linked(made)

    def subscriptions(self, caller: Caller) -> list[SystemUpdateNotificationSubscription]:
        """The caller's own."""
        return [self._linked(known) for known in self._subscriptions.values() if known.owner == caller.name]

    def subscription(self, caller: Caller, identifier: str) -> SystemUpdateNotificationSubscription:
        """One of the caller's own. Raises `Denied`."""
        return self._linked(self._own(caller, identifier))

    def unsubscribe(self, caller: Caller, identifier: str) -> None:
        """Raises `Denied`."""
        del self._subscriptions[self._own(caller, identifier).identifier]

    def heard(self, caller: Caller, notification: SystemUpdateNotification) -> None:
        """Another federator says what has changed: who subscribed here hears it too, if it is this system's. Raises
        `Denied` unless there is a federation with it."""
        if not self._uses(caller.name):
            raise Denied("forbidden", "NO_AGREEMENT", "no federation agreement allows this")
        for info in notification.updatedSystemInfo:
            self._notify(info, notification.change, None)

    # With other federators.

    def join(self, partner: str) -> None:
        """A federation is in force: hears of the partner's changes, and tells a broker of the own system."""
        stated = SystemUpdateNotificationSubscription(
            subscriptionType="SystemUpdateNotificationSubscription",
            callbackReference=f"{self._core.settings.url}{CALLBACK}",
        )
        self._core.tell(partner, "POST", SUBSCRIPTIONS, stated, "subscribe", STATE_NS)
        if self._core.members.get(partner).role == "broker":
            for known in self.systems.listed():
                self._publish(partner, known.info)

    def _publish(self, broker: str, info: SystemInfo) -> None:
        target = f"{RESOURCE}/{info.systemId}"
        content = info.model_copy(update={"systemId": None})
        self._core.tell(broker, "PUT", target, content, f"system {info.systemId}", STATE_NS)

    async def _with_others(self, found: Found, target: str) -> Found:
        """With what other federators answer, each system once. All are asked at once."""
        names = [party.name for role in ("manager", "broker") for party in self._core.members.of_role(role)]
        if target == RESOURCE:
            names = [name for name in names if self._uses(name)]
        answers = await asyncio.gather(*(self._ask(name, target) for name in names))
        by_identifier = {info.systemId: info for info in found.systems}
        for answer in answers:
            for info in answer or ():
                by_identifier.setdefault(info.systemId, info)
        unreached = [name for name, answer in zip(names, answers, strict=True) if answer is None]
        return Found(list(by_identifier.values()), tuple(unreached))

    async def _ask(self, name: str, target: str) -> list[SystemInfo] | None:
        """What a federator shows; none where it does not answer."""
        try:
            response = await self._core.peer(name).call("GET", target)
            if response.status != 200:
                return []
            return _LISTED.validate_json(response.body, strict=True)
        except (*FAILURES, ValidationError) as error:
            log.error("%s does not say which systems it has: %s: %s", name, type(error).__name__, error)
            return None

    # Who sees what.

    def _shown(self, caller: Caller) -> list[Registered]:
        """Raises `Denied`."""
        self._require_sight(caller)
        own = caller.party.role == "orchestrator"
        return self.systems.listed(lambda known: own or known.owner == caller.name or self._in_force(known))

    def _require_sight(self, caller: Caller) -> None:
        """Raises `Denied` where no agreement in force lets a caller see this federator's systems."""
        if caller.party.role == "manager":
            self._core.agreements.require_offered(caller.name, self._core.clock())
        elif caller.party.role == "broker" and not self._uses(caller.name):
            raise Denied("forbidden", "NO_AGREEMENT", "no federation agreement allows this")

    def _sees(self, caller: Caller) -> bool:
        try:
            self._require_sight(caller)
        except Denied:
            return False
        return True

    def _uses(self, name: str) -> bool:
        return self._core.agreements.relationship(name, self._core.clock()) in ("uses", "mutual")

    def _in_force(self, known: Registered) -> bool:
        """Whether others may see a system now: at a broker, while its owner is a member in good standing."""
        if not self._core.is_broker:
            return True
        offers = self._core.agreements.relationship(known.owner, self._core.clock()) in ("offers", "mutual")
        return offers and not known.withdrawn and known.owner not in self._core.members.revoked

    def _require_registrant(self, caller: Caller) -> None:
        if self._core.is_broker:
            self._core.agreements.require_offered(caller.name, self._core.clock())

    def _known(self, caller: Caller, info: SystemInfo, denial: Denied) -> Denied:
        """The denial of a duplicate, with what the caller has registered already."""
        for known in self.systems.listed(lambda known: known.owner == caller.name):
            if (known.info.systemName, known.info.systemProvider) == (info.systemName, info.systemProvider):
                return Known(denial, {"systemId": known.info.systemId})
        return denial

    # Telling.

    def _changed(self, info: SystemInfo, change: Change, owner: str) -> None:
        self._notify(info, change, owner)
        if self._core.is_broker:
            return
        for party in self._core.members.of_role("broker"):
            if self._core.agreements.used_from(party.name) is None:
                continue
            if change == "REMOVED":
                key = f"system {info.systemId}"
                self._core.tell(party.name, "DELETE", f"{RESOURCE}/{info.systemId}", None, key, STATE_NS)
            else:
                self._publish(party.name, info)

    def _notify(self, info: SystemInfo, change: Change, owner: str | None) -> None:
        """Tells subscribers; those of other systems only of what is this federator's to tell (`owner` is given)."""
        assert info.systemId is not None, "registered"
        now_ns = self._core.clock()
        for known in self._subscriptions.values():
            party = self._core.members.get(known.owner)
            outside = party.role != "orchestrator"
            if known.owner == owner or not known.wants(info.systemId, now_ns) or (outside and owner is None):
                continue
            if outside and not self._sees(Caller(party, b"")):
                continue
            link = SubscriptionLinks(subscription=Link(href=self._href(known)))
            notification = SystemUpdateNotification(updatedSystemInfo=(info,), _links=link, change=change)
            key = f"subscription {known.identifier} {info.systemId}"
            self._core.tell(known.owner, "POST", known.target, notification, key, NOTICE_NS)

    def _own(self, caller: Caller, identifier: str) -> Subscription:
        known = self._subscriptions.get(identifier)
        if known is None or known.owner != caller.name:
            raise Denied("unknown", "UNKNOWN_SUBSCRIPTION", "no such subscription")
        return known

    def _linked(self, known: Subscription) -> SystemUpdateNotificationSubscription:
        return known.stated.model_copy(update={"links": Links(self=Link(href=self._href(known)))})

    def _href(self, known: Subscription) -> str:
        return f"{self._core.settings.url}{SUBSCRIPTIONS}/{known.identifier}"
