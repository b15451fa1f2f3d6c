"""Options that several commands share."""

from pathlib import Path

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
overrides_option = click.option(
    "--set",
    "overrides",
    metavar="PATH=VALUE",
    multiple=True,
    help="Change a parameter of the scenario, such as radio.interruption=100ms. May be repeated.",
)
lab_option = click.option("--lab", "name", metavar="NAME", help="Which lab, where several run (see `lab ps`).")
