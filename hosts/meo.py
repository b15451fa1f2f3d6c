"""The orchestrator (MEO) on the operations node: events in over HTTP, decisions out to the controller.

An attach is answered with 202 and the decision at once, not when the controller has confirmed: the notifier's
next event must not wait for switches. The order of a device's decisions is kept on the way (`hosts.courier`).
"""

import time

from hosts import meo_api, serving
from hosts.client import Client
from hosts.courier import Courier
from hosts.meo_core import Meo
from hosts.program import Context
from meclab.packets import NORTHBOUND_PORT, ORCHESTRATOR_PORT
from meclab.policy import Decision

_CONTROLLER = "127.0.0.1"
_CONTROLLER_TIMEOUT_S = 5.0


def main(context: Context) -> int:
    """Serves until SIGTERM."""
    context.hurry()
    client = Client(_CONTROLLER, NORTHBOUND_PORT, _CONTROLLER_TIMEOUT_S)
    courier = Courier(context.plan.method, client, time.time_ns)

    def mark(decision: Decision) -> None:
        context.mark(
            "decision",
            decision.at_ns,
            device=decision.device,
            host=decision.host,
            from_host=decision.previous,
            trigger=decision.trigger,
            reason=decision.reason,
        )

    meo = Meo(context.plan, courier, mark)
    application = meo_api.application(meo)
    return serving.serve(application, serving.listen(ORCHESTRATOR_PORT), context.ready, (courier.run, meo.watch))
