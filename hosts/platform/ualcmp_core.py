"""The user application lifecycle management proxy (UALCMP) without its HTTP interface: contexts and who serves them."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any

from hosts.platform.callbacks import Counters, Notifier
from hosts.platform.contexts import Context, Contexts, Duplicate, answer
from hosts.web.http1 import Response, authority
from hosts.web.problems import Refusal
from meclab.devapp import AddressChangeNotification, AppContext
from meclab.errors import PeerError
from meclab.messages import Serving
from meclab.model import SECOND
from meclab.packets import APP_PORT, APP_TLS_PORT
from meclab.plan import Plan, PlannedDevice
from meclab.platforms import app_instance

log = logging.getLogger(__name__)
Ask = Callable[[], Awaitable[Response]]


class Caller:
    """The device that a request comes from, and the address family that it came over."""

    def __init__(self, device: PlannedDevice, version: int) -> None:
        self.name = device.name
        self.own = device.owned
        self.version = version


class Proxy:
    """Every device's contexts, the decisions, and the notifications that follow from both."""

    def __init__(self, plan: Plan, ask: Ask) -> None:
        """`ask` asks the orchestrator for its devices."""
        self.contexts = Contexts()
        self.counters = Counters()
        self._ask = ask
        self._asking = asyncio.Lock()
        self._devices = {address: device for device in plan.devices for address in device.owned}
        self._names = {device.name for device in plan.devices}
        self._hosts = {node.name: node for node in plan.mec_hosts}
        self._scheme, self._port = ("https", APP_TLS_PORT) if plan.http.tls else ("http", APP_PORT)
        self._timing = plan.devapp.callback_timeout / SECOND, plan.devapp.callback_tries
        self._serving: dict[str, tuple[int, str]] = {}
        """Device to the update of its decision and the host; update -1 for what was asked for."""
        self._notifiers: dict[str, Notifier] = {}

    def caller(self, address: str) -> Caller:
        """Who asks from an address; raises `Refusal`."""
        source = ip_address(address)
        if source not in self._devices:
            raise Refusal(403, f"{address} is no device of this network")
        return Caller(self._devices[source], source.version)

    async def create(self, caller: Caller, stated: AppContext) -> AppContext:
        """A device's new context. Raises `Refusal`: 503 while there is no decision for it, 409 where it has one
        already; the answer has that, since its first answer may be lost."""
        await self._decision(caller.name)
        try:
            context = self.contexts.create(caller.name, caller.version, caller.own, stated)
        except Duplicate as error:
            known = self._answer(error.known).model_dump(mode="json", exclude_none=True)
            raise Refusal(409, str(error), more={"context": known}) from error
        notifier = Notifier(context.identifier, *self._timing, self.counters)
        notifier.call(context.callback)
        self._notifiers[context.identifier] = notifier
        return self._answer(context)

    def update(self, caller: Caller, identifier: str, stated: AppContext) -> None:
        """Changes what a device may change; raises `Refusal`."""
        context = self.contexts.update(identifier, caller.name, caller.own, stated)
        if stated.callbackReference is not None:
            self._notifiers[identifier].call(context.callback)

    def delete(self, caller: Caller, identifier: str) -> None:
        """Forgets a context; raises `Refusal`."""
        self.contexts.delete(identifier, caller.name)
        self._notifiers.pop(identifier).stop()

    def serve(self, serving: Serving) -> int:
        """Takes decisions; the number of devices that they were news for. Raises `Refusal` and takes none."""
        unknown = [name for name in serving.serving if name not in self._names]
        unknown += [host for host in serving.serving.values() if host not in self._hosts]
        if unknown:
            raise Refusal(404, f"no device or MEC host {', '.join(unknown)}")
        news = 0
        for device, host in serving.serving.items():
            update, before = self._serving.get(device, (-2, None))
            if serving.update > update:
                self._serving[device] = serving.update, host
                news += 1
                if host != before:
                    self._moved(device, host)
        return news

    def health(self) -> dict[str, Any]:
        """As a JSON object; `undelivered` are the contexts whose device has not taken its newest notification."""
        undelivered = sorted(name for name, notifier in self._notifiers.items() if notifier.undelivered is not None)
        return {
            "status": "degraded" if self.counters.given_up or undelivered else "ok",
            "contexts": len(self.contexts),
            "devices": len(self._serving),
            "notifications": self.counters.listed(),
            "undelivered": undelivered,
        }

    def _moved(self, device: str, host: str) -> None:
        for context in self.contexts.of_device(device):
            self._notifiers[context.identifier].tell(self._notification(context, host))

    def _answer(self, context: Context) -> AppContext:
        host = self._serving[context.device][1]
        return answer(context, app_instance(host), self._reference(host, context.version))

    def _notification(self, context: Context, host: str) -> bytes:
        notification = AddressChangeNotification(
            contextId=context.identifier,
            appInstanceId=app_instance(host),
            referenceURI=self._reference(host, context.version),
        )
        return notification.model_dump_json().encode()

    def _reference(self, host: str, version: int) -> str:
        node = self._hosts[host]
        return f"{self._scheme}://{authority(str(node.ipv4 if version == 4 else node.ipv6), self._port)}/"

    async def _decision(self, device: str) -> None:
        """Returns when there is a decision for a device; raises `Refusal` where the orchestrator has none."""
        async with self._asking:
            if device not in self._serving:
                for name, host in (await self._asked()).items():
                    self._serving.setdefault(name, (-1, host))
        if device not in self._serving:
            raise Refusal(503, f"no MEC host is decided for {device} yet", {"Retry-After": "1"})

    async def _asked(self) -> dict[str, str]:
        """The orchestrator's decisions; raises `Refusal`."""
        try:
            response = await self._ask()
            listed = json.loads(response.body)["devices"]
            return {entry["device"]: entry["host"] for entry in listed if entry["host"] in self._hosts}
        except (OSError, TimeoutError, PeerError, ValueError, KeyError, TypeError) as error:
            detail = f"the orchestrator does not say who serves: {type(error).__name__}: {error}"
            log.error("%s", detail)
            raise Refusal(503, detail, {"Retry-After": "1"}) from error
