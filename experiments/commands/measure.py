"""Commands that measure: demo, run, report, bench."""

import sys
import time
from collections.abc import Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
from rich.console import Console

from experiments import report, runner, scenario_file, terminal
from experiments.commands.options import (
    RUNS,
    dataplane_option,
    links_option,
    of_dataplane,
    out_option,
    overrides_option,
    p4_target_option,
)
from meclab import check
from meclab.errors import InputError
from meclab.methods import BY_NAME, Method
from meclab.quantity import duration_text
from meclab.scenario import LinkKind, Scenario

console = Console(highlight=False)
messages = Console(stderr=True, highlight=False)
QUICK = {"events.0.handovers.times": "2", "duration": "9500ms"}
"""What `demo --quick` changes: fewer handovers, the same methods."""


def process_started_ns() -> int:
    """When this command was given, CLOCK_REALTIME: the start of this process, which the launcher keeps by exec."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.time_ns() - (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - ticks * 10_000_000)


def run_all(jobs: Sequence[runner.Job], out: Path, as_json: bool) -> list[runner.Finished]:
    """Makes the runs one after the other, progress on standard error, and says what became of each."""
    finished: list[runner.Finished] = []
    with terminal.Progress(len(jobs)) as progress:
        for job in jobs:
            progress.start(f"{job.plan.method.label}, seed {job.plan.seed}")
            done = runner.run(job, out, progress.tell, None if finished else process_started_ns())
            progress.done(done.result.status)
            finished.append(done)
            if as_json:
                click.echo(done.result.model_dump_json())
            said(done)
            if done.exit_status == 130:
                break
    return finished


def said(done: runner.Finished) -> None:
    """Says on standard error what is wrong with a run."""
    if done.error:
        messages.print(done.error, style="red", markup=False, soft_wrap=True)
    for verdict in done.verdicts:
        if not verdict.holds:
            messages.print(
                f"not as expected: {verdict.statement}: found {verdict.found}",
                style="red",
                markup=False,
                soft_wrap=True,
            )
    for reason in done.result.fidelity.reasons:
        messages.print(f"not to be trusted: {reason}", style="yellow", markup=False, soft_wrap=True)


def conclude(jobs: Sequence[runner.Job], finished: Sequence[runner.Finished], out: Path, as_json: bool) -> None:
    """Prints the comparison, writes its page and ends the command with the worst exit status."""
    if not as_json:
        console.print(terminal.comparison([done.result for done in finished]))
        for ttl in dict.fromkeys(job.plan.dns.ttl for job in jobs if job.plan.method.name in BY_NAME):
            console.print(f"TTL of the application's name: {duration_text(ttl)}", style="dim")
    page = report.write_comparison([done.run_dir for done in finished], out)
    (messages if as_json else console).print(f"report: {page}", soft_wrap=True)
    sys.exit(max(done.exit_status for done in finished))


@click.command()
@click.option("--quick", is_flag=True, help="Two handovers per method: enough to see that everything works.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per run on standard output.")
@dataplane_option
@p4_target_option
@links_option
@overrides_option
@out_option
def demo(
    quick: bool,
    as_json: bool,
    dataplane: str | None,
    p4_target: str | None,
    links: LinkKind | None,
    overrides: tuple[str, ...],
    out: Path,
) -> None:
    """Compare every method on one handover: table, pictures and captures, in under 5 minutes."""
    changes = (dict(QUICK) if quick else {}) | of_dataplane(dataplane, p4_target)
    scenarios = scenario_file.load("handover", changes | scenario_file.overrides(overrides))
    jobs = runner.jobs(scenarios, _applicable(scenarios[0]), links)
    conclude(jobs, run_all(jobs, out, as_json), out / "handover", as_json)


def _applicable(scenario: Scenario) -> list[Method]:
    """The methods that go with the data plane; says which are left out."""
    left_out = [method for method in scenario.methods if check.applicable(scenario, method)]
    for method in left_out:
        messages.print(f"left out: {method.label}, which has no switches with dataplane {scenario.dataplane}")
    return [method for method in scenario.methods if method not in left_out]


@click.command()
@click.argument("scenario")
@click.option("--method", "methods", multiple=True, metavar="M", help="cloud, sticky, vip or vip:pinned. Repeatable.")
@dataplane_option
@p4_target_option
@links_option
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of the first run; repeats count up from it.")
@click.option("--repeats", type=click.IntRange(1), default=1, show_default=True)
@overrides_option
@out_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per run on standard output.")
@click.option("--dry-run", is_flag=True, help="Print the plan of each run as JSON and end.")
def run(
    scenario: str,
    methods: tuple[str, ...],
    dataplane: str | None,
    p4_target: str | None,
    links: LinkKind | None,
    seed: int | None,
    repeats: int,
    overrides: tuple[str, ...],
    out: Path,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Run a scenario: a name (see experiments/scenarios) or a YAML file."""
    changes = scenario_file.overrides(overrides) | of_dataplane(dataplane, p4_target)
    scenarios: list[Scenario] = scenario_file.load(scenario, changes)
    jobs = runner.jobs(scenarios, [scenario_file.method(m) for m in methods], links, seed, repeats)
    if dry_run:
        for job in jobs:
            click.echo(job.plan.model_dump_json(indent=1))
        return
    conclude(jobs, run_all(jobs, out, as_json), out / scenarios[0].scenario, as_json)


@click.command("report")
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="The runs' JSON objects on standard output.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the comparison; by default `compared` beside the first run.",
)
@click.option("--serve", type=click.IntRange(1, 65535), metavar="PORT", help="Serve all reports over HTTP instead.")
@click.option("--bind", default="127.0.0.1", show_default=True, help="Address to serve at.")
def report_runs(runs: tuple[Path, ...], as_json: bool, out: Path | None, serve: int | None, bind: str) -> None:
    """Measure and report runs again; several give a comparison side by side."""
    if serve is not None:
        serve_folder(out or RUNS, bind, serve)
        return
    if not runs:
        raise click.UsageError("name at least one run's folder, or --serve PORT")
    results = [runner.again(run_dir) for run_dir in runs]
    for result in results:
        if as_json:
            click.echo(result.model_dump_json())
    if not as_json:
        console.print(terminal.comparison(results))
    page = runs[0] / "report.html"
    if len(runs) > 1:
        page = report.write_comparison(list(runs), out or runs[0].parent / "compared")
    (messages if as_json else console).print(f"report: {page}", soft_wrap=True)


def serve_folder(folder: Path, address: str, port: int) -> None:
    """Serves a folder over HTTP until it is interrupted; raises `RunError` where the port is taken."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    try:
        server = ThreadingHTTPServer((address, port), handler)
    except OSError as error:
        raise InputError(f"cannot serve at {address} port {port}: {error.strerror}; choose another port") from error
    messages.print(f"serving {folder} at http://{address}:{port}/ until Ctrl-C", soft_wrap=True)
    with server:
        server.serve_forever()


COMMANDS = (demo, run, report_runs)
