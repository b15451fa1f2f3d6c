"""The orchestrator (MEO) on the operations node: events in over HTTP, decisions out to whom the method has it tell.

An attach is answered with 202 and the decision at once, not when everybody has confirmed: the notifier's next event
must not wait for switches. The order of a device's decisions is kept on the way (`hosts.orchestration.courier`).
"""

import time

from hosts.orchestration import api, messengers
from hosts.orchestration.core import Meo
from hosts.program import Context
from hosts.web import serving
from meclab.packets import ORCHESTRATOR_PORT
from meclab.policy import Decision
from meclab.steering import Steering


def main(context: Context) -> int:
    """Serves until SIGTERM."""
    context.hurry()

    def mark(decision: Decision) -> None:
        context.mark(
            "decision",
            decision.at_ns,
            device=decision.device,
            ap=decision.ap,
            host=decision.host,
            from_host=decision.previous,
            trigger=decision.trigger,
            reason=decision.reason,
        )

    steering = Steering(context.plan)
    told = messengers.of(steering, time.time_ns)
    meo = Meo(steering, told, mark)
    application = api.application(meo)
    return serving.serve(application, serving.listen(ORCHESTRATOR_PORT), context.ready, (*told.tasks, meo.watch))
