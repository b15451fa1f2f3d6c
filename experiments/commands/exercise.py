"""Exercises for classes: lab exercise list, show, start, check."""

import shutil
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from experiments import exercise, runner, scenario_file
from experiments.commands.measure import run_all
from experiments.commands.options import links_option, out_option
from experiments.report import run as run_folder
from meclab.errors import InputError
from meclab.scenario import LinkKind

console = Console(highlight=False)
folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Your copy of the exercise; by default exercises/N in this directory.",
)
number_argument = click.argument("number", type=int)


@click.group("exercise")
def exercises() -> None:
    """Exercises for classes: a task, a prediction, a check with one sentence."""


@exercises.command("list")
def list_all() -> None:
    """The exercises there are."""
    table = Table("number", "title", "minutes", box=None, padding=(0, 2, 0, 0))
    for one in exercise.every():
        table.add_row(str(one.number), one.checks.title, str(one.checks.minutes))
    console.print(table)


@exercises.command()
@number_argument
def show(number: int) -> None:
    """The task of an exercise."""
    console.print(Markdown(exercise.find(number).task))


@exercises.command()
@number_argument
@folder_option
def start(number: int, folder: Path | None) -> None:
    """Copy what an exercise starts with; files that are there already stay."""
    one = exercise.find(number)
    target = _folder(number, folder)
    target.mkdir(parents=True, exist_ok=True)
    for source in sorted((one.folder / "starter").iterdir()):
        if (target / source.name).exists():
            console.print(f"{target / source.name} is there already and stays", soft_wrap=True)
        else:
            shutil.copy(source, target)
            console.print(f"{target / source.name}", soft_wrap=True)
    console.print(f"read the task:  ./lab exercise show {number}", soft_wrap=True)


@exercises.command("check")
@number_argument
@folder_option
@links_option
@out_option
def check_one(number: int, folder: Path | None, links: LinkKind | None, out: Path) -> None:
    """Run your scenario and say in one sentence whether the exercise is solved; exit 1 if it is not."""
    one = exercise.find(number)
    target = _folder(number, folder)
    for name in (exercise.SCENARIO, exercise.ANSWERS):
        if not (target / name).exists():
            raise InputError(f"found no {target / name}; expected your copy: ./lab exercise start {number}")
    predictions = exercise.answers(target)
    jobs = runner.jobs(scenario_file.load(str(target / exercise.SCENARIO)), links=links)
    finished = run_all(jobs, out, as_json=False)
    if broken := next((done for done in finished if done.error), None):
        raise InputError(f"the run did not come to its end, so there is nothing to check: {broken.error}")
    verdict = exercise.judge(one, predictions, [run_folder.read(done.run_dir) for done in finished])
    console.print(verdict.sentence, style="green" if verdict.passed else "red", markup=False, soft_wrap=True)
    if verdict.hint:
        console.print(f"Hint: {verdict.hint}", markup=False, soft_wrap=True)
    console.print(f"captures: {finished[-1].run_dir / 'captures'}", markup=False, soft_wrap=True)
    sys.exit(0 if verdict.passed else 1)


def _folder(number: int, folder: Path | None) -> Path:
    return folder or Path("exercises") / str(number)


COMMANDS = (exercises,)
