"""The commands `compile`, `run` and `stf`: results on standard output, everything else on standard error.

Exit status: 0 done, 1 an expectation failed or the run did, 2 bad input, 3 the machine lacks something.
"""

import asyncio
import logging
import sys
from pathlib import Path

import click

from dataplane.compiler.bundle import SUFFIX, Bundle, read
from meclab.errors import InputError, LabError

LARGEST_PORT = 510
"""v1model's ports have 9 bits, and 511 drops."""


class Commands(click.Group):
    """Turns the lab's errors into exit statuses."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except LabError as error:
            click.echo(str(error), err=True)
            sys.exit(error.exit_status)
        except OSError as error:
            click.echo(f"{error.strerror}: {error.filename or 'while running'}", err=True)
            sys.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """P4_16 (v1model) programs, compiled to eBPF, and a switch that runs them and speaks P4Runtime."""


defines_option = click.option(
    "-D", "defines", multiple=True, metavar="NAME[=VALUE]", help="Define a macro, as for the C preprocessor."
)
include_option = click.option(
    "-I",
    "include",
    multiple=True,
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Look for included files here, too.",
)


@main.command(name="compile")
@click.argument("program", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o", "out", metavar="DIR", type=click.Path(path_type=Path), help="Where to write; without it ./NAME.p4out."
)
@defines_option
@include_option
def compile_(program: Path, out: Path | None, defines: tuple[str, ...], include: tuple[Path, ...]) -> None:
    """Compile PROGRAM: P4Info (text and binary), C, object, and all of it as a bundle that switches take."""
    bundle = compiled(program, defines, include)
    for path in bundle.write(out or Path(f"{program.stem}.p4out")):
        click.echo(path)


@main.command()
@click.argument("program", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--port", "ports", multiple=True, metavar="N=INTERFACE", help="A port; once for each.")
@click.option("--grpc", "address", default="127.0.0.1:9559", show_default=True, help="Where to listen; port 0: any.")
@click.option("--device-id", type=click.IntRange(0, (1 << 64) - 1), default=1, show_default=True)
@click.option("--cpu-port", type=click.IntRange(0, LARGEST_PORT), help="The port of packet-in and packet-out.")
@click.option("--pcap", "captures", type=click.Path(path_type=Path), metavar="DIR", help="Capture every port there.")
@defines_option
@include_option
def run(
    program: Path | None,
    ports: tuple[str, ...],
    address: str,
    device_id: int,
    cpu_port: int | None,
    captures: Path | None,
    defines: tuple[str, ...],
    include: tuple[Path, ...],
) -> None:
    """Run a switch until it is interrupted.

    PROGRAM is a P4 source, a bundle, or the folder that `compile -o` wrote; without one, the pipeline comes by
    SetForwardingPipelineConfig.
    """
    from dataplane.target.switch import Options, Switch

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    options = Options(parse_ports(ports, cpu_port), checked_address(address), device_id, cpu_port, captures)
    bundle = None if program is None else loaded(program, defines, include)
    asyncio.run(Switch(options).run(bundle))


@main.command(name="stf")
@click.argument("program", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("test", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@defines_option
@include_option
def stf_(program: Path, test: Path, defines: tuple[str, ...], include: tuple[Path, ...]) -> None:
    """Run the STF test TEST on PROGRAM, in the kernel, without interfaces.

    Exit status 0: it passes; 1: an expectation failed; 2: the program or the test is wrong, or uses what is not there.
    """
    from dataplane.target import stf, stf_run
    from dataplane.target.emulation import EmulatedSwitch

    commands = stf.read(test)
    with EmulatedSwitch(loaded(program, defines, include)) as switch:
        failures = stf_run.run(switch, commands)
    for failure in failures:
        click.echo(failure)
    if failures:
        sys.exit(1)
    click.echo(f"{test}: passed")


@main.command(hidden=True)
def measure() -> None:
    """What this machine does with `edge.p4` and with table writes: one JSON object, for `./lab bench p4`."""
    import json
    import time

    from dataplane.compiler.compiled import compile_program
    from dataplane.measurement import packets, writes

    began = time.perf_counter()
    compile_program(packets.EDGE)
    compile_s = time.perf_counter() - began
    found = {"compile_s": compile_s} | packets.costs() | asyncio.run(writes.rates())
    click.echo(json.dumps(found))


@main.command(hidden=True)
@click.argument("program", type=click.Choice(["redirect", "edge"]))
@click.argument("interfaces", nargs=2)
def forward(program: str, interfaces: tuple[str, str]) -> None:
    """Have PROGRAM between two interfaces until standard input ends, for `./lab bench p4-link`."""
    from dataplane.measurement import forwarding

    forwarding.forward(program, interfaces)


def checked_address(text: str) -> str:
    """`HOST:PORT`, or `unix:PATH`; gRPC would take any free port for one that cannot be."""
    host, separator, port = text.rpartition(":")
    if not text.startswith("unix:") and not (host and separator and port.isdecimal() and int(port) < 1 << 16):
        raise InputError(f"--grpc: found {text!r}; expected HOST:PORT with a port from 0 to 65535, or unix:PATH")
    return text


def parse_ports(texts: tuple[str, ...], cpu_port: int | None) -> dict[int, str]:
    """`N=INTERFACE` each; raises `InputError`."""
    ports: dict[int, str] = {}
    for text in texts:
        number, separator, interface = text.partition("=")
        if not (separator and number.isdecimal() and int(number) <= LARGEST_PORT and 0 < len(interface) < 16):
            raise InputError(
                f"--port: found {text!r}; expected NUMBER=INTERFACE with a number from 0 to {LARGEST_PORT}"
            )
        if int(number) in ports or int(number) == cpu_port:
            raise InputError(f"--port: found port {number} twice; expected another number")
        if interface in ports.values():
            raise InputError(f"--port: found interface {interface} twice; expected another")
        ports[int(number)] = interface
    return ports


def loaded(program: Path, defines: tuple[str, ...], include: tuple[Path, ...]) -> Bundle:
    """The program as it was compiled, or compiled now."""
    if program.is_dir() or program.suffix == SUFFIX:
        return read(program)
    return compiled(program, defines, include)


def compiled(program: Path, defines: tuple[str, ...], include: tuple[Path, ...]) -> Bundle:
    """Compiles a source; raises `CompileError`."""
    from dataplane.compiler.compiled import compile_program

    pairs = {name: value or "1" for name, _, value in (text.partition("=") for text in defines)}
    return compile_program(program, pairs, include).bundle
