"""The command about P4 programs: it starts the data plane's own command line."""

import os
import sys

import click

from topologies import sandbox


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def p4(arguments: tuple[str, ...]) -> None:
    """Compile a P4 program, run it as a switch, or test it: compile, run, stf (p4 COMMAND --help says more)."""
    path = os.pathsep.join([str(sandbox.PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "dataplane", *arguments], {**os.environ, "PYTHONPATH": path})


COMMANDS = (p4,)
