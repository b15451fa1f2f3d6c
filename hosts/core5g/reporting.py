"""`Neasdf_DNSContext_Notify` (TS 29.556 clause 5.2.2.5): the EASDF tells a session function what it has seen."""

import logging
from urllib.parse import urlsplit

from hosts.core5g.connections import Connections
from hosts.core5g.neasdf import DnsContextEventReport, DnsContextNotification
from meclab.errors import PeerError

log = logging.getLogger(__name__)
_HTTP_PORT = 80


class Reporting:
    """Sends reports, one a notification."""

    def __init__(self, timeout_s: float) -> None:
        self.sent = 0
        self.failed = 0
        """Reports that nobody took."""
        self._timeout_s = timeout_s
        self._servers: dict[str, Connections] = {}

    async def notify(self, uri: str, report: DnsContextEventReport) -> bool:
        """Whether the session function took the report."""
        body = DnsContextNotification(eventreportList=(report,)).model_dump_json(exclude_none=True).encode()
        parts = urlsplit(uri)
        try:
            response = await self._server(parts.netloc).send("POST", parts.path or "/", body)
            trouble = None if response.status < 300 else f"{response.status} {response.body.decode(errors='replace')}"
        except (OSError, TimeoutError, PeerError, ValueError) as error:
            trouble = f"{type(error).__name__}: {error}"
        self.sent += trouble is None
        self.failed += trouble is not None
        if trouble:
            log.warning("%s did not take a report: %s", uri, trouble)
        return trouble is None

    def _server(self, authority: str) -> Connections:
        if authority not in self._servers:
            parts = urlsplit(f"//{authority}")
            self._servers[authority] = Connections(parts.hostname or "", parts.port or _HTTP_PORT, self._timeout_s)
        return self._servers[authority]
