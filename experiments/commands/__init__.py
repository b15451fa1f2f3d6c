"""The command line: results on standard output, everything else on standard error.

Exit status: 0 done, 1 an expectation failed or the run did, 2 bad input, 3 the machine lacks something,
130 interrupted.
"""

import sys

import click
from rich.console import Console

from experiments.commands import exercise, live, machine, measure, p4, policy, sweep, wireshark
from meclab.errors import LabError, ScenarioError


class Commands(click.Group):
    """Shows commands in the order in which a newcomer needs them, and turns the lab's errors into exit statuses."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except LabError as error:
            console = Console(stderr=True, highlight=False)
            count = len(error.problems) if isinstance(error, ScenarioError) else 0
            if count > 1:
                console.print(f"[bold red]{count} problems[/]")
            console.print(str(error), style="red", markup=False, soft_wrap=True)
            sys.exit(error.exit_status)
        except OSError as error:  # a full disk, a folder that may not be written
            click.echo(f"{error.strerror}: {error.filename or 'while writing'}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(130)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """meclab: an emulation lab for distributed multi-access edge computing."""


for part in (measure, sweep, live, policy, exercise, p4, wireshark, machine):
    for command in part.COMMANDS:
        main.add_command(command)
