"""The user application lifecycle management proxy (UALCMP, GS MEC 016) on the operations node."""

from hosts.platform import ualcmp_api
from hosts.platform.ualcmp_core import Proxy
from hosts.program import Context
from hosts.web import serving
from hosts.web.client import Client
from meclab.packets import ORCHESTRATOR_PORT, UALCMP_PORT

_ORCHESTRATOR = "127.0.0.1"
_TIMEOUT_S = 2.0


def main(context: Context) -> int:
    """Serves until SIGTERM."""
    orchestrator = Client(_ORCHESTRATOR, ORCHESTRATOR_PORT, _TIMEOUT_S)
    proxy = Proxy(context.plan, lambda: orchestrator.send("GET", "/v1/devices"))
    return serving.serve(ualcmp_api.application(proxy), serving.listen(UALCMP_PORT), context.ready)
