"""Wireshark on a run's captures, with the lab's profile: lab wireshark."""

import os
import shutil
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from experiments import wireshark
from experiments.report import run as run_folder
from meclab.errors import InputError

console = Console(highlight=False)


@click.command("wireshark")
@click.argument("run", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--file", "name", default="merged", show_default=True, help="Which capture, such as ue1.")
@click.option("--list", "list_only", is_flag=True, help="Print the display filters that fit, and end.")
@click.option(
    "--copy-profile",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Copy the profile into a Wireshark configuration, such as ~/.config/wireshark, for use elsewhere.",
)
def open_wireshark(run: Path | None, name: str, list_only: bool, copy_profile: Path | None) -> None:
    """Open a run's capture in Wireshark with the lab's profile; without Wireshark, say how."""
    if copy_profile is not None:
        target = copy_profile / "profiles" / wireshark.PROFILE
        shutil.copytree(wireshark.PROFILE_FOLDER, target, dirs_exist_ok=True)
        console.print(f"{target}; choose it in Wireshark: Edit, Configuration Profiles", soft_wrap=True)
        console.print(f"{wireshark.DISSECTOR}; copy it to ~/.local/lib/wireshark/plugins", soft_wrap=True)
        return
    if run is None:
        _show(wireshark.filters())
        return
    plan = run_folder.read(run).plan
    found = wireshark.of_method(plan.method.name) if plan else wireshark.filters()
    if list_only:
        _show(found)
        return
    capture = run.resolve() / "captures" / f"{name}.pcapng"
    if not capture.exists():
        names = ", ".join(path.stem for path in sorted(capture.parent.glob("*.pcapng")))
        raise InputError(f"--file: found no {name}; expected one of {names}")
    _show(found)
    argv = ["wireshark", "-C", wireshark.PROFILE, str(capture)]
    if shutil.which("wireshark") is None:
        console.print("Wireshark is not installed here. Where it is:", soft_wrap=True)
        console.print(f"  WIRESHARK_CONFIG_DIR={wireshark.FOLDER} {' '.join(argv)}", soft_wrap=True)
        return
    os.execvpe(argv[0], argv, {**os.environ, "WIRESHARK_CONFIG_DIR": str(wireshark.FOLDER)})


def _show(filters: tuple[wireshark.Filter, ...]) -> None:
    table = Table("method", "display filter", "shows", box=None, padding=(0, 2, 0, 0))
    for one in filters:
        table.add_row(one.method, one.filter, one.shows)
    console.print(table)


COMMANDS = (open_wireshark,)
