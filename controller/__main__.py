"""`python -m controller RUN_DIR`: the controller's process, on the operations host."""

import gc
import importlib
import logging
import sys
import threading
from pathlib import Path

from controller import server
from controller.coordinator import Coordinator
from controller.northbound import Northbound
from meclab.packets import NORTHBOUND_PORT
from meclab.plan import Plan

SPEAKERS = {"openflow": "controller.application", "p4": "controller.p4runtime"}
"""Data plane to the module that speaks to its switches; the libraries of the other are not imported."""


def main(run_dir: Path) -> None:
    """Serves until it is ended."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("controller.server").setLevel(logging.WARNING)
    sys.setswitchinterval(0.0005)
    plan = Plan.model_validate_json((run_dir / "plan.json").read_text())
    speaker = importlib.import_module(SPEAKERS[plan.dataplane])
    coordinator = Coordinator(plan)
    listening = server.listen(Northbound(coordinator), "0.0.0.0", NORTHBOUND_PORT)
    threading.Thread(target=listening.serve_forever, name="northbound", daemon=True).start()
    gc.freeze()  # libraries, plan and rules stay: no collection in the middle of a transaction goes through them
    speaker.serve(coordinator, run_dir)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
