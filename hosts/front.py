"""The application's public entrance in `http-redirect`: sends every device to the host that serves it."""

import logging

from hosts.program import Context
from hosts.web import assignments_api, serving, sites
from hosts.web.assignments import Assignments
from hosts.web.redirects import Front, Locations
from hosts.web.serving import Site
from meclab.packets import SERVING_PORT

log = logging.getLogger(__name__)


def main(context: Context) -> int:
    """Serves on every address of the host until SIGTERM."""
    assignments = Assignments(context.plan)
    front = Front(context.node, assignments, Locations(context.plan))
    interface = assignments_api.application(context.node, assignments)
    served = [*sites.of_application(context, front), Site(interface, serving.listen(SERVING_PORT))]
    status = serving.serve_all(served, context.ready)
    log.info("update %d, %d devices", assignments.update, len(assignments.serving))
    return status
