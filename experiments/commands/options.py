"""Options that several commands share."""

from pathlib import Path
from typing import Any

import click

from topologies import sandbox

RUNS = sandbox.PROJECT / "runs"
"""Where run folders go unless `--out` says otherwise: the same from every terminal."""

out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=RUNS,
    show_default="runs",
    help="Folder for runs.",
)
links_option = click.option(
    "--links",
    type=click.Choice(["auto", "netem", "wire"]),
    help="Kind of links: netem (kernel) or wire (user space); auto takes what the machine has.",
)
dataplane_option = click.option(
    "--dataplane",
    type=click.Choice(["openflow", "p4"]),
    help="What the switches run: Open vSwitch, or P4.",
)
p4_target_option = click.option(
    "--p4-target", type=click.Choice(["ebpf", "bmv2"]), help="What runs the P4 program: the lab's own switch, or BMv2."
)
overrides_option = click.option(
    "--set",
    "overrides",
    metavar="PATH=VALUE",
    multiple=True,
    help="Change a parameter of the scenario, such as radio.interruption=100ms. May be repeated.",
)
lab_option = click.option("--lab", "name", metavar="NAME", help="Which lab, where several run (see `lab ps`).")


def of_dataplane(dataplane: str | None, p4_target: str | None) -> dict[str, Any]:
    """What these options change of a scenario, by path."""
    given = {"dataplane": dataplane, "p4.target": p4_target}
    return {path: value for path, value in given.items() if value is not None}
