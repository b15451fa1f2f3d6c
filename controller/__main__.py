"""`python -m controller RUN_DIR`: the controller's process, on the operations host."""

import logging
import sys
import threading
from pathlib import Path

from os_ken import cfg
from os_ken.base.app_manager import AppManager

from controller import server
from controller.application import Controller
from controller.coordinator import Coordinator
from controller.northbound import Northbound
from meclab.packets import NORTHBOUND_PORT, OPENFLOW_PORT
from meclab.plan import Plan


def main(run_dir: Path) -> None:
    """Serves until it is ended."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("controller.server").setLevel(logging.WARNING)
    sys.setswitchinterval(0.0005)
    plan = Plan.model_validate_json((run_dir / "plan.json").read_text())
    coordinator = Coordinator(plan)
    listening = server.listen(Northbound(coordinator), "0.0.0.0", NORTHBOUND_PORT)
    threading.Thread(target=listening.serve_forever, name="northbound", daemon=True).start()
    Controller.coordinator = coordinator
    cfg.CONF(args=[], project="meclab", default_config_files=[])
    cfg.CONF.ofp_listen_host = str(plan.management.ipv4_operations)
    cfg.CONF.ofp_tcp_listen_port = OPENFLOW_PORT
    cfg.CONF.echo_request_interval = 1
    cfg.CONF.maximum_unreplied_echo_requests = 3
    AppManager.run_apps(["os_ken.controller.ofp_handler", "controller.application"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
