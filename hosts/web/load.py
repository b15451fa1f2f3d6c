"""A host's load and its reports to the orchestrator, which are its heartbeat too."""

import asyncio
import contextlib
import logging

from hosts.web.client import Client
from meclab.errors import PeerError
from meclab.messages import LoadReport

log = logging.getLogger(__name__)
REPORT_INTERVAL_S = 0.2
"""The heartbeat by which the orchestrator knows that a host lives."""
_TIMEOUT_S = 1.0


class LoadReporter:
    """Tells the orchestrator the host's load: at once when it changes, and at every heartbeat."""

    def __init__(self, host: str, orchestrator: str, port: int) -> None:
        self._host = host
        self._client = Client(orchestrator, port, _TIMEOUT_S)
        self._changed = asyncio.Event()
        self.load = 0.0
        self.error: str | None = "no report yet"
        """Why the last report did not arrive; none if it did."""

    def set(self, load: float) -> None:
        """The load is this from now on."""
        self.load = load
        self._changed.set()

    async def run(self) -> None:
        """Reports until cancelled."""
        while True:
            self._changed.clear()
            await self._report()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), REPORT_INTERVAL_S)

    async def _report(self) -> None:
        body = LoadReport(host=self._host, load=self.load).model_dump_json().encode()
        before, self.error = self.error, None
        try:
            response = await self._client.send("POST", "/v1/loads", body)
            if response.status >= 300:
                self.error = f"{response.status} {response.body.decode(errors='replace')}"
        except (OSError, TimeoutError, PeerError) as error:
            self.error = f"{type(error).__name__}: {error}"
        if self.error != before:
            log.info("load reports: %s", self.error or "arrive")
