"""Commands about the machine and the project: check, test, bench."""

import json
import os
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from experiments.commands.options import out_option
from meclab.errors import SetupError
from topologies import machine, sandbox

console = Console(highlight=False)
progress = Console(stderr=True, highlight=False)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the table.")
def check(as_json: bool) -> None:
    """Say what this machine has, and which choices follow; exit 3 where the lab cannot run."""
    found = machine.inspect()
    lacks = machine.shortcomings(found)
    if as_json:
        chosen = machine.choices(found, "auto") if not lacks else None
        click.echo(json.dumps({**found.__dict__, "choices": chosen, "lacks": lacks}))
    else:
        _show(found)
    if lacks:
        raise SetupError("\n".join(lacks))
    if not as_json:
        kind, datapath = machine.choices(found, "auto")
        console.print(f"\nThe lab runs here, with [bold]{kind}[/] links and the [bold]{datapath}[/] datapath.")


def _show(found: machine.Machine) -> None:
    table = Table("what", "found", "what follows", box=None, padding=(0, 2, 0, 0))

    def row(what: str, value: bool | str, yes: str, no: str) -> None:
        there = bool(value)
        shown = value if isinstance(value, str) else "yes" if value else "no"
        table.add_row(what, f"[{'green' if there else 'yellow'}]{shown}[/]", yes if there else no)

    row("root", found.root, "namespaces can be made", "run it with sudo")
    row("Debian", found.debian or "", "packages are installed by ./lab", "packages are yours to install")
    row("kernel", found.kernel, "", "")
    row("namespaces", found.namespaces, "labs are private", "the lab cannot run")
    row("TUN/TAP", found.tun, "the air, and links in user space", "the lab cannot run")
    row("netem", found.netem, "links by the kernel", "links in user space (wire)")
    row("OVS datapath", found.ovs_kernel, "switching by the kernel", "switching in user space")
    row("BPF", found.bpf, "programs on tc can be loaded", "no programs on tc")
    row("real-time", found.realtime, "links and probes keep time under load", "late links and probes under load")
    row("clock", found.clock_source, "", "")
    memory = f"{found.memory_bytes / 2**30:.1f} GiB"
    enough = "the demo needs 2 cores and 2 GiB"
    row("processors", f"{found.cores}, {memory}" if found.cores > 1 else "", enough, f"one core only: {enough}")
    row("commands", "all there" if not found.missing else "", "", f"missing: {', '.join(found.missing)}")
    console.print(table)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(arguments: tuple[str, ...]) -> None:
    """Run the tests that this machine can run; arguments go to pytest."""
    os.chdir(sandbox.PROJECT)
    argv = [sys.executable, "-m", "pytest", *arguments]
    sys.stdout.flush()
    os.execv(sys.executable, argv)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per row instead of the table.")
@click.option("--list", "listing", is_flag=True, help="Say which benchmarks there are.")
@out_option
def bench(names: tuple[str, ...], as_json: bool, listing: bool, out: Path) -> None:
    """Measure what the lab itself can do on this machine; writes OUT/bench/<UTC time>.json."""
    from experiments.benchmarks import catalogue  # it brings everything that runs and reports

    if listing:
        for name, purpose in catalogue.purposes().items():
            console.print(f"{name:<14} {purpose}")
        return
    machine.choices(machine.inspect(), "auto")
    table = Table("benchmark", "what", "measured", "target", "holds")
    rows = []
    for row in catalogue.run(names, out, lambda text: progress.print(text, style="dim")):
        rows.append(row)
        if as_json:
            click.echo(row.model_dump_json())
        holds = "" if row.holds is None else "yes" if row.holds else "[red]no[/]"
        table.add_row(row.benchmark, row.what, row.measured, row.target, holds)
    if not as_json:
        console.print(table)
    path = catalogue.write(rows, out)
    progress.print(f"written to {path}", soft_wrap=True)


COMMANDS = (check, test, bench)
