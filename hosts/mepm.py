"""The MEC platform manager (MEPM) on the operations node: configurations in, to the platforms of the hosts concerned.

Each platform has a line of its own, so one that is dead keeps no other waiting.
"""

from collections.abc import Sequence

from hosts.platform import mepm_api
from hosts.platform.lines import Line
from hosts.platform.mepm_core import Manager, outdates
from hosts.program import Context
from hosts.web import serving
from hosts.web.client import Client
from meclab.packets import MEPM_PORT, PLATFORM_PORT
from meclab.platforms import PLATFORM_PATH, Configurations, InstanceConfiguration

_TIMEOUT_S = 3.0
_MOST_TOGETHER = 16


def main(context: Context) -> int:
    """Serves until SIGTERM."""
    plan = context.plan
    lines = {
        node.name: platform_line(node.name, str(plan.address(node.name)), PLATFORM_PORT) for node in plan.mec_hosts
    }
    application = mepm_api.application(Manager(plan, lines))
    tasks = [line.run for line in lines.values()]
    return serving.serve(application, serving.listen(MEPM_PORT), context.ready, tasks)


def platform_line(host: str, address: str, port: int) -> Line[InstanceConfiguration]:
    """The line to a host's platform."""
    client = Client(address, port, _TIMEOUT_S)
    return Line(f"platform of {host}", client, PLATFORM_PATH, _packed, _MOST_TOGETHER, outdates)


def _packed(configurations: Sequence[InstanceConfiguration]) -> bytes:
    return Configurations(configurations=tuple(configurations)).model_dump_json(exclude_none=True).encode()
