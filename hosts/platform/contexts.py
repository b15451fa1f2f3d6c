"""Application contexts (GS MEC 016) without sockets: who may have which, and what of it may change."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import count
from urllib.parse import urlsplit

from hosts.web.problems import Refusal
from meclab import devapp
from meclab.devapp import AppContext, AppInfo, UserAppInstance
from meclab.errors import PeerError

Address = IPv4Address | IPv6Address
_HTTP_PORT = 80
_VISIBLE = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class Callback:
    """Where notifications go."""

    address: str
    port: int
    target: str
    """Path and query."""


@dataclass
class Context:
    """One device application's context."""

    identifier: str
    device: str
    version: int
    """Address family that it was made over; its references are of this one."""
    stated: AppContext
    """As the device stated it last, without what the system adds."""
    callback: Callback | None


class Duplicate(PeerError):
    """A device application asks for a second context; `known` is the one that it has."""

    def __init__(self, known: Context) -> None:
        super().__init__(f"{known.stated.associateDevAppId!r} of {known.device} has {known.identifier} already")
        self.known = known


class Contexts:
    """Every context, by its identifier."""

    def __init__(self) -> None:
        self._contexts: dict[str, Context] = {}
        self._numbers: dict[str, count[int]] = {}

    def __len__(self) -> int:
        return len(self._contexts)

    def create(self, device: str, version: int, own: Collection[Address], stated: AppContext) -> Context:
        """A new context. `own` are the device's addresses. Raises `Refusal`, and `Duplicate` where the device
        application has a context already."""
        if stated.contextId is not None:
            raise Refusal(400, "contextId: the system's to give; leave it out")
        require_application(stated.appInfo)
        callback = parse_callback(stated.callbackReference, own)
        for known in self._contexts.values():
            if known.device == device and known.stated.associateDevAppId == stated.associateDevAppId:
                raise Duplicate(known)
        number = next(self._numbers.setdefault(device, count(1)))
        info = stated.appInfo.model_copy(update={"appDId": devapp.APP_DESCRIPTOR})
        stated = stated.model_copy(update={"appInfo": info})
        context = Context(f"{device}-{number}", device, version, stated, callback)
        self._contexts[context.identifier] = context
        return context

    def get(self, identifier: str, device: str) -> Context:
        """A device's context; raises `Refusal`: 403 for another device's."""
        if identifier not in self._contexts:
            raise Refusal(404, f"no context {identifier!r}")
        context = self._contexts[identifier]
        if context.device != device:
            raise Refusal(403, f"the context {identifier} is not {device}'s")
        return context

    def update(self, identifier: str, device: str, own: Collection[Address], stated: AppContext) -> Context:
        """Changes callback and locations, nothing else; what is left out stays. Raises `Refusal`."""
        context = self.get(identifier, device)
        if stated.contextId not in (None, identifier):
            raise Refusal(400, f"contextId {stated.contextId!r}; the resource is {identifier}")
        if changed := _changed(context.stated, stated):
            raise Refusal(403, f"{', '.join(changed)}: not to be changed; only callbackReference and appLocation are")
        if stated.callbackReference is not None:
            context.callback = parse_callback(stated.callbackReference, own)
        callback = stated.callbackReference or context.stated.callbackReference
        info = context.stated.appInfo.model_copy(update={"userAppInstanceInfo": stated.appInfo.userAppInstanceInfo})
        context.stated = context.stated.model_copy(update={"callbackReference": callback, "appInfo": info})
        return context

    def delete(self, identifier: str, device: str) -> None:
        """Forgets a device's context; raises `Refusal`."""
        self.get(identifier, device)
        del self._contexts[identifier]

    def of_device(self, device: str) -> list[Context]:
        """A device's contexts."""
        return [context for context in self._contexts.values() if context.device == device]


def answer(context: Context, instance: str, reference: str) -> AppContext:
    """A context as the system gives it back: with identifier, instance and where that is."""
    stated = context.stated.appInfo.userAppInstanceInfo
    location = stated[0].appLocation if stated else None
    instances = (UserAppInstance(appInstanceId=instance, referenceURI=reference, appLocation=location),)
    info = context.stated.appInfo.model_copy(update={"userAppInstanceInfo": instances})
    return context.stated.model_copy(update={"contextId": context.identifier, "appInfo": info})


def require_application(info: AppInfo) -> None:
    """Raises `Refusal` for an application that the system does not have: 404, or 403 where it is to be fetched."""
    stated = info.appName, info.appProvider, info.appDVersion
    known = devapp.APP_NAME, devapp.APP_PROVIDER, devapp.APP_VERSION
    if stated == known and info.appDId in (None, devapp.APP_DESCRIPTOR):
        return
    if info.appPackageSource is not None:
        raise Refusal(403, "appPackageSource: this system takes no applications from devices")
    names = "appName, appProvider, appDVersion"
    raise Refusal(404, f"no application with {names} {', '.join(stated)}; there is {', '.join(known)}")


def parse_callback(reference: str | None, own: Collection[Address]) -> Callback | None:
    """Where a callbackReference goes: an http URI with an address of the device's own. Raises `Refusal`."""
    if reference is None:
        return None
    try:
        parts = urlsplit(reference)
        address, port = ip_address(parts.hostname or ""), parts.port
    except ValueError as error:
        raise Refusal(400, f"callbackReference {reference!r}: {error}") from error
    if parts.scheme != "http" or "@" in parts.netloc or parts.fragment or not _VISIBLE.fullmatch(reference):
        raise Refusal(400, f"callbackReference {reference!r}; expected http://ADDRESS:PORT/PATH")
    if address not in own:
        raise Refusal(403, f"callbackReference names {address}; expected an address of the device itself")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Callback(str(address), _HTTP_PORT if port is None else port, target)


def _changed(before: AppContext, after: AppContext) -> list[str]:
    """Attributes that a device must not change, and has."""
    fixed = set(AppContext.model_fields) - {"contextId", "callbackReference", "appInfo"}
    found = [name for name in sorted(fixed) if getattr(after, name) not in (None, getattr(before, name))]
    of_info = set(AppInfo.model_fields) - {"userAppInstanceInfo"}
    for name in sorted(of_info):
        if getattr(after.appInfo, name) not in (None, getattr(before.appInfo, name)):
            found.append(f"appInfo.{name}")
    return found
