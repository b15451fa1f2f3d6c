"""`python -m hosts RUN_DIR --control FD --markers FD`: forks the programs of a run's hosts and devices."""

import argparse
import importlib
import logging
import socket
import sys
from pathlib import Path

from hosts.forking import Forker, Main
from meclab.plan import Plan


def main() -> int:
    """Serves start and stop requests until the other end of the control socket closes."""
    parser = argparse.ArgumentParser(prog="python -m hosts", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="folder of the run, with plan.json in it")
    parser.add_argument("--control", type=int, required=True, metavar="FD", help="SOCK_SEQPACKET socket of requests")
    parser.add_argument("--markers", type=int, metavar="FD", help="UDP socket connected to the markers' destination")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="hosts: %(levelname)s %(message)s")
    run_dir = arguments.run_dir.resolve()
    plan = Plan.model_validate_json((run_dir / "plan.json").read_bytes())
    if plan.serves_tls:
        importlib.import_module("hosts.web.certificates").issue(plan, run_dir)
    markers = socket.socket(fileno=arguments.markers) if arguments.markers is not None else None
    Forker(plan, run_dir, socket.socket(fileno=arguments.control), markers, _programs(plan)).serve()
    return 0


def _programs(plan: Plan) -> dict[str, Main]:
    """The `main` of every program of the plan, each in the module of its name; those of the devices besides."""
    names = {planned.program for planned in plan.programs} | {"agent", "modem"}
    return {name: importlib.import_module(f"hosts.{name}").main for name in sorted(names)}


sys.exit(main())
