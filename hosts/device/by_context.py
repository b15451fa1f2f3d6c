"""Discovery by the device application interface (GS MEC 016): an application context names the server.

The client creates a context at the start, asks again with a back-off while the interface is away, is notified of
another address, and deletes its context at the end.
"""

import json
import logging
from collections.abc import Callable
from typing import Protocol

from pydantic import ValidationError

from hosts.device.cache import Address
from hosts.device.discovery import Alarm, Client, Discovery
from hosts.device.servers import Server, Servers
from hosts.device.stub import Note
from hosts.web import http1
from meclab import devapp
from meclab.errors import PeerError
from meclab.model import MILLISECOND, SECOND

log = logging.getLogger(__name__)
FIRST_BACKOFF_NS = 100 * MILLISECOND
LONGEST_BACKOFF_NS = 5 * SECOND
_MOST_EARLY = 16

Answered = Callable[[http1.Response | None, int], None]
"""Is given an answer, or none, and when it came (CLOCK_REALTIME in ns)."""


class Http(Protocol):
    """Asks the interface without waiting; the answer is none where it did not come."""

    def __call__(self, method: str, target: str, body: bytes | None, then: Answered) -> None: ...


class ByContext(Discovery):
    """Learns its server from an application context and from notifications."""

    def __init__(
        self,
        client: Client,
        device: str,
        callback: Callable[[], str],
        servers: Servers,
        http: Http,
        alarm: Alarm,
        at_once: bool,
        clock: Callable[[], int],
        note: Note,
    ) -> None:
        """`callback` is the URI for notifications, at the device's present address."""
        super().__init__(client)
        self._device = device
        self._callback = callback
        self._servers = servers
        self._http = http
        self._alarm = alarm
        self._at_once = at_once
        self._clock = clock
        self._note = note
        self._context = ""
        self._told_callback = ""
        self._server: Server | None = None
        self._asking = False
        self._wanted = False
        self._backoff_ns = FIRST_BACKOFF_NS
        self._early: dict[str, str] = {}
        """References that came, by context, before the answer that says which context is this client's."""
        self._complaint = ""

    def find(self, now_ns: int) -> None:
        if self._server is not None:
            self.client.found(self._server)
            return
        self._wanted = True
        if not self._asking:
            self._create()

    def wake(self, now_ns: int) -> None:
        self._update() if self._context else self._create()

    def renumbered(self, address: Address, now_ns: int) -> None:
        """Tells the interface where notifications find the device from now on; a request for a context that is on its
        way is lost, and repeated later."""
        if self._context and self._callback() != self._told_callback:
            self._update()

    def notified(self, body: bytes, came_ns: int) -> int:
        """A notification came, at `came_ns` of CLOCK_REALTIME; the HTTP status of the answer. A repeated one changes
        nothing."""
        try:
            notification = devapp.AddressChangeNotification.model_validate_json(body)
            if notification.contextId == self._context:
                self._take(notification.referenceURI, came_ns)
            elif not self._context and len(self._early) < _MOST_EARLY:
                self._early[notification.contextId] = notification.referenceURI
            else:
                return 404
        except (ValidationError, PeerError) as error:
            log.warning("a notification that leads nowhere: %s", error)
            return 400
        return 204

    def finish(self, then: Callable[[], None]) -> None:
        """Deletes the context, if there is one."""
        self._alarm.stop()
        if not self._context:
            then()
            return
        target, self._context = f"{devapp.PATH}/app_contexts/{self._context}", ""
        self._http("DELETE", target, None, lambda _response, _came_ns: then())

    def _update(self) -> None:
        self._alarm.stop()
        body = self._request().model_copy(update={"contextId": self._context})
        self._told_callback = body.callbackReference or ""
        target = f"{devapp.PATH}/app_contexts/{self._context}"
        self._http("PUT", target, body.model_dump_json(exclude_none=True).encode(), self._updated)

    def _updated(self, response: http1.Response | None, came_ns: int) -> None:
        if response is not None and response.status == 204:
            self._backoff_ns = FIRST_BACKOFF_NS
            self._note("readdressed", "", self._told_callback)
        elif self._context:
            why = "no answer" if response is None else f"status {response.status}"
            self._try_later(f"callback {self._told_callback}: {why}")

    def _create(self) -> None:
        self._asking = True
        self._alarm.stop()
        request = self._request()
        self._told_callback = request.callbackReference or ""
        self._http(
            "POST",
            f"{devapp.PATH}/app_contexts",
            request.model_dump_json(exclude_none=True).encode(),
            self._created,
        )

    def _request(self) -> devapp.AppContext:
        return devapp.AppContext(
            associateDevAppId=self._device,
            callbackReference=self._callback(),
            appInfo=devapp.AppInfo(
                appName=devapp.APP_NAME,
                appProvider=devapp.APP_PROVIDER,
                appDVersion=devapp.APP_VERSION,
                userAppInstanceInfo=(devapp.UserAppInstance(),),
            ),
        )

    def _created(self, response: http1.Response | None, came_ns: int) -> None:
        self._asking = False
        try:
            context, reference = _context_of(response)
            self._context = context
            self._note("registered", reference, f"context {context}", came_ns)
            self._take(self._early.get(context, reference), came_ns)
        except (PeerError, ValidationError) as error:
            self._try_later(str(error))

    def _try_later(self, why: str) -> None:
        if why != self._complaint:
            log.error("no application context: %s; asking again", why)
        self._complaint = why
        self._note("failed", "", why)
        self._asking = True
        self._alarm.at(self._clock() + self._backoff_ns)
        self._backoff_ns = min(2 * self._backoff_ns, LONGEST_BACKOFF_NS)

    def _take(self, uri: str, came_ns: int) -> None:
        reference = self._servers.reference(uri)
        if (address := reference.address) is None:
            raise PeerError(f"{uri!r} names its host; expected a literal address")
        server, known = self._servers.referred(reference, address), self._server
        self._note("notified" if known else "told", str(server), uri, came_ns)
        self._server = server
        if self._wanted:
            self._wanted = False
            self.client.found(server)
        elif self._at_once and known is not None and known.place != server.place:
            self.client.moved(server)


def _context_of(response: http1.Response | None) -> tuple[str, str]:
    """A created context's identifier and its reference; or of the one that there is already (409), because its first
    answer was lost. Raises `PeerError`, `ValidationError`."""
    if response is None:
        raise PeerError("no answer")
    if response.status not in (201, 409):
        raise PeerError(f"status {response.status}: {response.body[:200].decode(errors='replace')}")
    context = _created(response.body) if response.status == 201 else _existing(response.body)
    references = [one.referenceURI for one in context.appInfo.userAppInstanceInfo if one.referenceURI]
    if not context.contextId or not references:
        raise PeerError("a context without contextId or referenceURI")
    return context.contextId, references[0]


def _created(body: bytes) -> devapp.AppContext:
    return devapp.AppContext.model_validate_json(body)


def _existing(body: bytes) -> devapp.AppContext:
    try:
        return devapp.AppContext.model_validate(json.loads(body)["context"])
    except (ValueError, KeyError, TypeError) as error:
        raise PeerError(f"status 409 without the context: {body[:200].decode(errors='replace')}") from error
