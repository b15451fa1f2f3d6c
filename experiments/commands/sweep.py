"""Commands over many runs: sweep, compare."""

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from experiments import report, runner, scenario_file, sweep, terminal
from experiments.commands.measure import console, process_started_ns, said
from experiments.commands.options import links_option, out_option, overrides_option
from experiments.report import run as run_folder
from meclab.errors import InputError, Problem, ScenarioError
from meclab.scenario import LinkKind

messages = Console(stderr=True, highlight=False)


@click.command("sweep")
@click.argument("scenario")
@click.option(
    "--vary",
    multiple=True,
    metavar="PATH=V1,V2,…",
    help="A parameter and its values, such as dns.ttl=1s,5s,20s. Repeatable: every combination runs.",
)
@click.option("--method", "methods", multiple=True, metavar="M", help="By default the scenario's. Repeatable.")
@click.option("--repeats", type=click.IntRange(1), default=1, show_default=True, help="Seeds of each, counting up.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of the first repeat.")
@links_option
@overrides_option
@click.option("--name", help="Folder below OUT/sweeps; by default from the content, so that the same command goes on.")
@out_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per run on standard output.")
@click.option("--dry-run", is_flag=True, help="List the runs and what is done, and end.")
def sweep_runs(
    scenario: str,
    vary: tuple[str, ...],
    methods: tuple[str, ...],
    repeats: int,
    seed: int | None,
    links: LinkKind | None,
    overrides: tuple[str, ...],
    name: str | None,
    out: Path,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Run every combination of parameters, methods and seeds; called again, it goes on where it was interrupted."""
    changes: dict[str, Any] = scenario_file.overrides(overrides)
    if varied := values(vary):
        changes["sweep"] = varied
    scenarios = scenario_file.load(scenario, changes)
    jobs = runner.jobs(scenarios, [scenario_file.method(m) for m in methods], links, seed, repeats)
    wanted = sweep.make(jobs, out, name)
    left = wanted.left()
    messages.print(f"{len(jobs)} runs, {len(jobs) - len(left)} done already, in {wanted.folder}", soft_wrap=True)
    if dry_run:
        for job in jobs:
            mark = "todo" if job in left else "done"
            click.echo(f"{mark}  {job.plan.method.label}  seed {job.plan.seed}  {sweep.digest(job)}")
        return
    worst = _make(wanted, left, as_json)
    folders = wanted.folders()
    if not folders:
        sys.exit(worst or 1)
    _show(folders, wanted.folder, as_json)
    sys.exit(worst)


def _make(wanted: sweep.Sweep, left: list[runner.Job], as_json: bool) -> int:
    """Makes the runs that are left; the worst exit status."""
    worst = 0
    with terminal.Progress(len(left)) as progress:
        for number, job in enumerate(left):
            progress.start(f"{job.plan.method.label}, seed {job.plan.seed}")
            done = runner.run(job, wanted.folder, progress.tell, None if number else process_started_ns())
            progress.done(done.result.status)
            if as_json:
                click.echo(done.result.model_dump_json())
            said(done)
            worst = max(worst, done.exit_status)
            if done.error is None:
                wanted.note(job, done.run_dir)
            if done.exit_status == 130:
                messages.print("interrupted: the same command goes on from here")
                break
    return worst


def _show(folders: list[Path], out: Path, as_json: bool) -> None:
    results = [found.result for folder in folders if (found := run_folder.read(folder)).result]
    if not as_json:
        parameters = [run_folder.read(folder).parameters for folder in folders]
        console.print(terminal.comparison(results, parameters))
    page = report.write_comparison(folders, out)
    (messages if as_json else console).print(f"report: {page}", soft_wrap=True)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="The runs' JSON objects on standard output.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the page; by default `compared` beside the first run.",
)
def compare(runs: tuple[Path, ...], as_json: bool, out: Path | None) -> None:
    """Compare any runs side by side, as they were measured: table, pictures, CSV. A folder of runs counts as all of
    them."""
    folders = [folder for run in runs for folder in _runs_in(run)]
    if as_json:
        for folder in folders:
            if (result := run_folder.read(folder).result) is not None:
                click.echo(result.model_dump_json())
    _show(folders, out or folders[0].parent / "compared", as_json)


def _runs_in(folder: Path) -> list[Path]:
    """A run's folder itself, or the runs below it. Raises `InputError` where there is none."""
    if (folder / "manifest.json").exists():
        return [folder]
    found = sorted(path.parent for depth in ("*", "*/*") for path in folder.glob(f"{depth}/manifest.json"))
    if not found:
        raise InputError(f"{folder}: found no run in it; expected a folder with manifest.json, or one of such folders")
    return found


def values(texts: tuple[str, ...]) -> dict[str, list[Any]]:
    """`dns.ttl=1s,5s` as a parameter and its values, each read as YAML; raises `ScenarioError`."""
    found: dict[str, list[Any]] = {}
    for text in texts:
        path, equals, listed = text.partition("=")
        if not equals or not path or not listed:
            expected = "PATH=V1,V2,… such as dns.ttl=1s,5s,20s"
            raise ScenarioError([Problem(("--vary",), repr(text), expected)])
        if path in found:
            raise ScenarioError([Problem(("--vary", path), "the parameter twice", "each parameter once")])
        found[path] = list(scenario_file.overrides([f"{path}=[{listed}]"])[path])
    return found


COMMANDS = (sweep_runs, compare)
